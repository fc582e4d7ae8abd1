#include "unsupported_type.hpp"

namespace cache_me::python {
namespace {

PyObject* unsupported_type = nullptr;  // owned by the module, which is never unloaded

}  // namespace

void register_unsupported_type(nanobind::module_& module) {
  unsupported_type = PyErr_NewExceptionWithDoc(
      "django_cache_me._engine.UnsupportedType",
      "A value of a type that the codec doesn't know; args are the type's name and the column.",
      PyExc_TypeError, nullptr);
  if (unsupported_type == nullptr) throw nanobind::python_error();
  module.attr("UnsupportedType") = nanobind::handle(unsupported_type);
}

void raise_unless_encoded(Encoded outcome, const Unknown& unknown) {
  if (outcome == Encoded::ok) return;
  if (outcome == Encoded::unknown_type) {
    PyErr_SetObject(unsupported_type, nanobind::make_tuple(unknown.type.c_str(), unknown.column).ptr());
  }
  throw nanobind::python_error();
}

}  // namespace cache_me::python
