#include "cursor_fields.hpp"

#include "compat.hpp"

namespace cache_me::python {
namespace {

struct Fields {
  PyObject_HEAD Cursor* cursor;
};

PyTypeObject fields_type = compat::blank_type();

Cursor* seen(PyObject* fields) noexcept {
  return reinterpret_cast<Fields*>(fields)->cursor;
}

template <PyObject* Cursor::*field>
PyObject* get_object(PyObject* self, void*) {
  PyObject* value = seen(self)->*field != nullptr ? seen(self)->*field : Py_None;
  Py_INCREF(value);
  return value;
}

template <PyObject* Cursor::*field>
int set_object(PyObject* self, PyObject* value, void*) {
  PyObject* old = seen(self)->*field;
  if (value == Py_None) value = nullptr;
  Py_XINCREF(value);
  seen(self)->*field = value;
  Py_XDECREF(old);
  return 0;
}

template <char Cursor::*field>
PyObject* get_flag(PyObject* self, void*) {
  return PyBool_FromLong(seen(self)->*field);
}

template <char Cursor::*field>
int set_flag(PyObject* self, PyObject* value, void*) {
  const int truth = value == nullptr ? 0 : PyObject_IsTrue(value);
  if (truth < 0) return -1;
  seen(self)->*field = static_cast<char>(truth);
  return 0;
}

PyObject* get_observed(PyObject* self, void*) {
  PyObject* cursor = reinterpret_cast<PyObject*>(seen(self));
  Py_INCREF(cursor);
  return cursor;
}

PyObject* get_driver(PyObject* self, void*) {
  Py_INCREF(seen(self)->observer->driver);
  return seen(self)->observer->driver;
}

PyObject* get_plain_reads(PyObject* self, void*) {
  Py_INCREF(seen(self)->observer->plain_reads);
  return seen(self)->observer->plain_reads;
}

PyGetSetDef fields_attributes[] = {
    {"wrapper", get_object<&Cursor::wrapper>, nullptr, nullptr, nullptr},
    {"state", get_object<&Cursor::state>, nullptr, nullptr, nullptr},
    {"cursor", get_object<&Cursor::cursor>, nullptr, nullptr, nullptr},
    {"observed", get_observed, nullptr, nullptr, nullptr},
    {"driver", get_driver, nullptr, nullptr, nullptr},
    {"plain_reads", get_plain_reads, nullptr, nullptr, nullptr},
    {"announcement", get_object<&Cursor::announcement>, set_object<&Cursor::announcement>, nullptr, nullptr},
    {"written", get_object<&Cursor::written>, set_object<&Cursor::written>, nullptr, nullptr},
    {"unfinished", get_flag<&Cursor::unfinished>, set_flag<&Cursor::unfinished>, nullptr, nullptr},
    {"lazy", get_flag<&Cursor::lazy>, set_flag<&Cursor::lazy>, nullptr, nullptr},
    {"is_pending", get_flag<&Cursor::is_pending>, set_flag<&Cursor::is_pending>, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

int traverse_fields(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(reinterpret_cast<PyObject*>(seen(self)));
  return 0;
}

void dealloc_fields(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_DECREF(reinterpret_cast<PyObject*>(seen(self)));
  PyObject_GC_Del(self);
}

}  // namespace

PyRef fields_of(Cursor* cursor) {
  auto* made = PyObject_GC_New(Fields, &fields_type);
  if (made == nullptr) return PyRef();
  Py_INCREF(reinterpret_cast<PyObject*>(cursor));
  made->cursor = cursor;
  PyObject_GC_Track(made);
  return PyRef::steal(reinterpret_cast<PyObject*>(made));
}

bool init_cursor_fields() {
  fields_type.tp_name = "django_cache_me._engine.CursorFields";
  fields_type.tp_doc = "The fields of an observed cursor, which itself looks like the driver's.";
  fields_type.tp_basicsize = sizeof(Fields);
  fields_type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  fields_type.tp_traverse = traverse_fields;
  fields_type.tp_dealloc = dealloc_fields;
  fields_type.tp_getset = fields_attributes;
  return PyType_Ready(&fields_type) == 0;
}

}  // namespace cache_me::python
