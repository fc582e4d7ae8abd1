#include "slots.hpp"

#include <structmember.h>

namespace cache_me::python {

Py_ssize_t slot_of(PyTypeObject* type, const char* name) {
  const PyRef found = PyRef::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), name));
  if (!found) PyErr_Clear();
  if (!found || Py_TYPE(found.get()) != &PyMemberDescr_Type) return 0;
  const PyMemberDef* member = reinterpret_cast<PyMemberDescrObject*>(found.get())->d_member;
  return member->type == T_OBJECT_EX && member->offset > 0 ? member->offset : 0;
}

}  // namespace cache_me::python
