// One registering function for each part of the engine; the file bind_<part>.cpp holds it.
#pragma once

#include <nanobind/nanobind.h>

void register_dependency_rules(nanobind::module_& module);
void register_row_builder(nanobind::module_& module);
void register_row_codec(nanobind::module_& module);
void register_sql_scanner(nanobind::module_& module);
void register_version_table(nanobind::module_& module);
void register_single_writes(nanobind::module_& module);
void register_shared_store(nanobind::module_& module);
void register_recorder(nanobind::module_& module);
