#include "recorder_ground.hpp"

#include <cstring>

#include "connection_state.hpp"
#include "interned.hpp"
#include "monotonic.hpp"
#include "refusal.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* connection = nullptr;
  PyObject* state = nullptr;
  PyObject* in_transaction = nullptr;
  PyObject* needs_rollback = nullptr;
  PyObject* cursor = nullptr;
  PyObject* autocommit = nullptr;
};
Names names;  // interned; kept until the process ends

bool has_idle_mark(PyObject* raw, const Ground& ground) {
  if (ground.idle_names.empty()) return false;
  PyRef at = PyRef::borrow(raw);
  for (const PyRef& name : ground.idle_names) {
    if (at) at = PyRef::steal(PyObject_GetAttr(at.get(), name.get()));
  }
  if (!at) clear_failure();
  return at && PyLong_CheckExact(at.get()) && PyLong_AsLong(at.get()) == ground.idle_number;
}

// Idle, not changed by its user, nothing written: where nothing but OUTSIDE comes of footing_of(). False: it
// has to be asked (an error may be set, which is to be cleared).
bool is_plain(PyObject* raw, PyObject* dict, const Ground& ground) {
  PyObject* state = PyDict_GetItemWithError(dict, names.state);
  const StateSlots& slots = state_slots();
  if (state == nullptr || !slots.is_state(state) || *slot_at(state, slots.raw) != raw) return false;
  PyObject* const changed = *slot_at(state, slots.changed);
  if (changed == nullptr || !PyUnicode_Check(changed) || PyUnicode_GetLength(changed) != 0) return false;
  PyObject* const written = *slot_at(state, slots.written);
  if (written == nullptr || !is_empty_set(written)) return false;
  if (ground.reads_begin_transactions && PyDict_GetItemWithError(dict, names.autocommit) != Py_True)
    return false;
  if (!ground.status) {
    const PyRef open = PyRef::steal(PyObject_GetAttr(raw, names.in_transaction));
    return open.get() == Py_False;
  }
  if (has_idle_mark(raw, ground)) return true;
  if (PyErr_Occurred() != nullptr) return false;
  const PyRef status = PyRef::steal(PyObject_CallFunctionObjArgs(ground.status.get(), raw, nullptr));
  return status && status.get() == ground.idle.get();
}

}  // namespace

bool Ground::holds() const noexcept {
  return watches.hold() && (rows_of || (!store->refresh_needed() && table->still_ours())) &&
         monotonic() < until;
}

Ground::Standing Ground::standing(PyObject* connection, PyObject* dict, PyObject* ask) const {
  // A test tool forbids the database (reading/bypass.py), or the transaction is broken: the second tier
  // raises what is to be raised.
  PyObject* cursor = PyDict_GetItemWithError(dict, names.cursor);
  if (cursor != nullptr && std::strcmp(Py_TYPE(cursor)->tp_name, "_DatabaseFailure") == 0)
    return Standing::may_not;
  if (PyDict_GetItemWithError(dict, names.needs_rollback) != Py_False) return Standing::may_not;
  PyObject* raw = PyDict_GetItemWithError(dict, names.connection);
  if (raw == Py_None) return Standing::closed;
  if (raw == nullptr) return Standing::may_not;
  if (is_plain(raw, dict, *this)) return Standing::plain;
  if (!clear_failure()) return Standing::may_not;
  const PyRef answer = PyRef::steal(PyObject_CallFunctionObjArgs(ask, connection, nullptr));
  return answer && answer.get() == Py_True ? Standing::asked : Standing::may_not;
}

bool init_recorder_ground() {
  return intern(names.connection, "connection") && intern(names.state, "_cache_me_state") &&
         intern(names.in_transaction, "in_transaction") && intern(names.needs_rollback, "needs_rollback") &&
         intern(names.cursor, "cursor") && intern(names.autocommit, "autocommit");
}

}  // namespace cache_me::python
