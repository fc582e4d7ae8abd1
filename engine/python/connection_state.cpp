#include "connection_state.hpp"

namespace cache_me::python {
namespace {

// Never destroyed: Python is gone by then.
StateSlots& slots = *new StateSlots;

}  // namespace

const StateSlots& state_slots() {
  return slots;
}

bool install_state_slots(PyTypeObject* type) {
  StateSlots found;
  found.type = PyRef::borrow(reinterpret_cast<PyObject*>(type));
  found.raw = slot_of(type, "raw");
  found.changed = slot_of(type, "_changed");
  found.written = slot_of(type, "written");
  found.pending_writers = slot_of(type, "pending_writers");
  found.unfinished_cursors = slot_of(type, "unfinished_cursors");
  found.snapshot_exists = slot_of(type, "snapshot_exists");
  found.single_writes = slot_of(type, "single_writes");
  for (const Py_ssize_t offset : {found.raw, found.changed, found.written, found.pending_writers,
                                  found.unfinished_cursors, found.snapshot_exists, found.single_writes}) {
    if (offset != 0) continue;
    PyErr_Format(PyExc_TypeError, "%.100s has not the __slots__ that are expected", type->tp_name);
    return false;
  }
  slots = std::move(found);
  return true;
}

}  // namespace cache_me::python
