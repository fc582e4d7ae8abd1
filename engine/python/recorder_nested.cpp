#include "recorder_nested.hpp"

#include "interned.hpp"
#include "recorder.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* db = nullptr;
  PyObject* for_write = nullptr;
  PyObject* sticky = nullptr;
  PyObject* defer_next = nullptr;
  PyObject* policy = nullptr;
};
Names names;  // interned; kept until the process ends

}  // namespace

bool is_nestable(PyObject* value) {
  auto* querysets = reinterpret_cast<PyTypeObject*>(recorder().face.querysets.get());
  return querysets != nullptr && PyObject_TypeCheck(value, querysets) != 0 &&
         plainness_of(Py_TYPE(value)) == Plainness::entirely;
}

PyRef nested_chain(PyObject* value) {
  const Attributes attributes(value);
  const Chain* chain = attributes ? attributes.chain() : nullptr;
  if (chain == nullptr || !chain->node->is_current() || chain->node->is_sliced || chain->node->has_late ||
      attributes.get(names.db) != Py_None || attributes.is_true(names.for_write) ||
      attributes.is_true(names.sticky) || attributes.is_true(names.defer_next) ||
      attributes.get(names.policy) != Py_None) {
    return PyRef();
  }
  return PyRef::borrow(reinterpret_cast<PyObject*>(const_cast<Chain*>(chain)));
}

PyRef make_nested(PyTypeObject* type, const std::shared_ptr<Node>& node, PyObject* const*& next) {
  Values values;
  for (std::size_t i = 0; i < node->value_count(); ++i) values.push_back(PyRef::borrow(*next++));
  const PyRef chain = make_chain(node, nullptr, values);
  return chain ? new_queryset(type, chain.get(), nullptr, node->model(), Py_None, Py_None, false) : PyRef();
}

bool init_recorder_nested() {
  return intern(names.db, "_db") && intern(names.for_write, "_for_write") &&
         intern(names.sticky, "_sticky_filter") && intern(names.defer_next, "_defer_next_filter") &&
         intern(names.policy, "_cache_me_policy");
}

}  // namespace cache_me::python
