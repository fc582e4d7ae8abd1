#include "engine_error.hpp"

#include <nanobind/stl/string.h>

namespace cache_me::python {
namespace {

PyObject* engine_error = nullptr;  // owned by the module, which is never unloaded

const char* name_of(StatusCode code) {
  switch (code) {
    case StatusCode::ok:
      return "ok";
    case StatusCode::invalid_argument:
      return "invalid_argument";
    case StatusCode::not_found:
      return "not_found";
    case StatusCode::denied:
      return "denied";
    case StatusCode::no_space:
      return "no_space";
    case StatusCode::incompatible:
      return "incompatible";
    case StatusCode::exhausted:
      return "exhausted";
    case StatusCode::corrupt:
      return "corrupt";
    case StatusCode::io_error:
      return "io_error";
  }
  return "unknown";
}

}  // namespace

void register_engine_error(nanobind::module_& module) {
  engine_error = PyErr_NewExceptionWithDoc(
      "django_cache_me._engine.EngineError",
      "The engine could not do what was asked; args are the message and the code's name.", nullptr, nullptr);
  if (engine_error == nullptr) throw nanobind::python_error();
  module.attr("EngineError") = nanobind::handle(engine_error);
}

void raise_status(const Status& status) {
  const nanobind::tuple arguments = nanobind::make_tuple(status.message(), name_of(status.code()));
  PyErr_SetObject(engine_error, arguments.ptr());
  throw nanobind::python_error();
}

}  // namespace cache_me::python
