// The extension module: names what the parts register, and nothing else.
#include <nanobind/nanobind.h>

#include "bindings.hpp"
#include "engine_error.hpp"

NB_MODULE(_engine, module) {
  module.doc() =
      "The C++ engine of django_cache_me; an internal module, its names may change at any release.";
  // Stores and version tables are kept by the Python face until the process ends.
  nanobind::set_leak_warnings(false);
  cache_me::python::register_engine_error(module);
  register_row_codec(module);
  register_row_builder(module);
  register_sql_scanner(module);
  register_dependency_rules(module);
  register_version_table(module);
  register_observed_cursor(module);
  register_single_writes(module);
  register_taken(module);
  register_shared_store(module);
  register_recorder(module);
  register_recorder_forward(module);
}
