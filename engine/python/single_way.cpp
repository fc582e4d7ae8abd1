#include "single_way.hpp"

#include <nanobind/nanobind.h>

#include "connection_state.hpp"
#include "monotonic.hpp"
#include "packed_numbers.hpp"
#include "statement_values.hpp"

namespace nb = nanobind;

namespace cache_me::python {
namespace {

// The parts of a WritePlan (writing/execution.py) by their order.
enum : Py_ssize_t { kRule = 0, kOthers = 3, kScript = 4 };

bool is_empty_text(PyObject* text) noexcept {
  return text != nullptr && PyUnicode_Check(text) && PyUnicode_GET_LENGTH(text) == 0;
}

bool is_nought(PyObject* number) noexcept {
  return number != nullptr && PyLong_CheckExact(number) && PyLong_AsLong(number) == 0;
}

}  // namespace

// Borrowed, or null.
PyObject* SingleWay::plan_of(PyObject* text) {
  if (PyObject* found = known.find(text)) return found;
  const PyRef key = PyRef::steal(PyTuple_Pack(2, text, revision.get()));
  PyObject* plan = key ? PyDict_GetItemWithError(plans.get(), key.get()) : nullptr;
  const bool is_plan = plan != nullptr && PyTuple_Check(plan) && PyTuple_GET_SIZE(plan) > kScript &&
                       nb::inst_check(nb::handle(PyTuple_GET_ITEM(plan, kRule))) &&
                       nb::isinstance<WriteRule>(nb::handle(PyTuple_GET_ITEM(plan, kRule))) &&
                       PyBytes_CheckExact(PyTuple_GET_ITEM(plan, kOthers));
  if (!is_plan) return nullptr;
  known.add(text, plan);
  return plan;
}

std::optional<Intent> SingleWay::declare(PyObject* state, PyObject* text, PyObject* parameters) {
  const StateSlots& slots = state_slots();
  if (!is_empty_text(*slot_at(state, slots.changed)) || !is_empty_set(*slot_at(state, slots.written)) ||
      !is_nought(*slot_at(state, slots.pending_writers)) || !watches.hold() || monotonic() >= until) {
    return std::nullopt;
  }
  const PyRef plan = PyRef::borrow(plan_of(text));
  PyObject* const raw = *slot_at(state, slots.raw);
  if (!plan || raw == nullptr) return std::nullopt;
  const PyRef commits = PyRef::steal(PyObject_CallFunctionObjArgs(
      commits_at_once.get(), raw, PyTuple_GET_ITEM(plan.get(), kScript), nullptr));
  if (commits.get() != Py_True) return std::nullopt;
  const auto& rule = *nb::inst_ptr<WriteRule>(nb::handle(PyTuple_GET_ITEM(plan.get(), kRule)));
  const auto others = unpack(nb::borrow<nb::bytes>(PyTuple_GET_ITEM(plan.get(), kOthers)));
  return writes.declare(rule, PythonParameters(parameters), others);
}

SingleWay* single_way_of(PyObject* object) noexcept {
  if (object == nullptr || object == Py_None || !nb::isinstance<SingleWay>(nb::handle(object)))
    return nullptr;
  return nb::inst_ptr<SingleWay>(nb::handle(object));
}

PyRef object_of(Intent&& intent) {
  return PyRef::steal(nb::cast(std::move(intent)).release().ptr());
}

}  // namespace cache_me::python
