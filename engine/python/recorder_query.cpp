#include "recorder_query.hpp"

#include "compat.hpp"
#include "recorder.hpp"
#include "recorder_attributes.hpp"

namespace cache_me::python {
namespace {

struct QueryAttribute {
  PyObject_HEAD
};

PyObject* get_attribute(PyObject* self, PyObject* queryset, PyObject*) {
  if (queryset == nullptr || queryset == Py_None) {
    Py_INCREF(self);
    return self;
  }
  const Attributes attributes(queryset);
  if (attributes && attributes.chain() != nullptr) {
    return PyObject_CallFunctionObjArgs(recorder().face.materialise.get(), queryset, nullptr);
  }
  PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '_query'", Py_TYPE(queryset)->tp_name);
  return nullptr;
}

// The one that stands on QuerySet; who makes another of it (by `getter`) has a getter of their own.
PyObject* installed = nullptr;

PyObject* get_property(PyObject* self, PyObject* queryset, PyObject* type) {
  if (self == installed && queryset != nullptr && queryset != Py_None) {
    const Glance glance(queryset);
    // Django's asks for the filter of a related manager first, which is put off.
    if (glance && glance.at(Glance::deferred_filter) == Py_None) {
      if (PyObject* query = glance.at(Glance::query)) {
        Py_INCREF(query);
        return query;
      }
    }
  }
  return PyProperty_Type.tp_descr_get(self, queryset, type);
}

// Before 3.12 property's own __init__ writes the getter's text here for a class that isn't property itself.
PyObject* get_text(PyObject*, void*) {
  Py_RETURN_NONE;
}

int set_text(PyObject*, PyObject*, void*) {
  return 0;
}

PyGetSetDef property_attributes[] = {
    {"__doc__", get_text, set_text, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyTypeObject attribute_type = compat::blank_type();
PyTypeObject property_type = compat::blank_type();

}  // namespace

PyRef make_query_attribute() {
  return PyRef::steal(reinterpret_cast<PyObject*>(PyObject_New(QueryAttribute, &attribute_type)));
}

PyRef make_query_property(PyObject* djangos) {
  PyRef parts[4];
  const char* const names[] = {"fget", "fset", "fdel", "__doc__"};
  for (int i = 0; i < 4; ++i) {
    parts[i] = PyRef::steal(PyObject_GetAttrString(djangos, names[i]));
    if (!parts[i]) return PyRef();
  }
  return PyRef::steal(PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&property_type),
                                                   parts[0].get(), parts[1].get(), parts[2].get(),
                                                   parts[3].get(), nullptr));
}

bool init_recorder_query() {
  attribute_type.tp_name = "django_cache_me._engine.QueryAttribute";
  attribute_type.tp_basicsize = sizeof(QueryAttribute);
  attribute_type.tp_flags = Py_TPFLAGS_DEFAULT;
  attribute_type.tp_descr_get = get_attribute;
  property_type.tp_name = "django_cache_me._engine.QueryProperty";
  property_type.tp_base = &PyProperty_Type;
  property_type.tp_flags = Py_TPFLAGS_DEFAULT;
  property_type.tp_descr_get = get_property;
  property_type.tp_getset = property_attributes;
  return PyType_Ready(&attribute_type) == 0 && PyType_Ready(&property_type) == 0;
}

}  // namespace cache_me::python
