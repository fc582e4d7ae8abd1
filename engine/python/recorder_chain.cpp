#include "recorder_chain.hpp"

#include <algorithm>
#include <cstddef>
#include <new>

#include "compat.hpp"

namespace cache_me::python {
namespace {

Chain* of(PyObject* self) noexcept {
  return reinterpret_cast<Chain*>(self);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  for (Py_ssize_t i = 0; i < Py_SIZE(self); ++i) Py_VISIT(of(self)->values[i]);
  return 0;
}

// Values are instances at most, which break their cycles themselves; a chain without its values would be
// none.
void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  for (Py_ssize_t i = 0; i < Py_SIZE(self); ++i) Py_XDECREF(of(self)->values[i]);
  of(self)->node.~shared_ptr();
  Py_TYPE(self)->tp_free(self);
}

PyObject* itself(PyObject* self, PyObject*) {
  Py_INCREF(self);
  return self;
}

PyMethodDef methods[] = {
    {"__copy__", itself, METH_NOARGS, nullptr},
    {"__deepcopy__", itself, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyTypeObject type = compat::blank_type();

}  // namespace

bool init_chains() {
  type.tp_name = "django_cache_me._engine.Chain";
  type.tp_doc = "The calls that made a queryset.";
  type.tp_basicsize = offsetof(Chain, values);
  type.tp_itemsize = sizeof(PyObject*);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_traverse = traverse;
  type.tp_dealloc = dealloc;
  type.tp_methods = methods;
  type.tp_free = PyObject_GC_Del;
  return PyType_Ready(&type) == 0;
}

PyTypeObject* chain_class() noexcept {
  return &type;
}

PyRef make_chain(std::shared_ptr<Node> node, const Chain* parent, const Values& own) {
  const Py_ssize_t before = parent == nullptr ? 0 : Py_SIZE(parent);
  auto* made = PyObject_GC_NewVar(Chain, &type, before + static_cast<Py_ssize_t>(own.size()));
  if (made == nullptr) return PyRef();
  new (&made->node) std::shared_ptr<Node>(std::move(node));
  for (Py_ssize_t i = 0; i < before; ++i) {
    made->values[i] = parent->values[i];
    Py_INCREF(made->values[i]);
  }
  std::transform(own.begin(), own.end(), made->values + before, [](const PyRef& value) {
    Py_INCREF(value.get());
    return value.get();
  });
  PyObject_GC_Track(made);
  return PyRef::steal(reinterpret_cast<PyObject*>(made));
}

}  // namespace cache_me::python
