// observed_cursor.hpp for Python.
#include <nanobind/nanobind.h>

#include "bindings.hpp"
#include "observed_cursor.hpp"
#include "slots.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void register_observed_cursor(nb::module_& module) {
  using namespace cache_me::python;

  if (!init_observed_cursors()) throw nb::python_error();
  module.def(
      "install_cursors",
      [](nb::dict parts) {
        CursorFace& face = cursor_face();
        auto* const states = reinterpret_cast<PyTypeObject*>(parts["state"].ptr());
        face.state_class = owned(parts["state"]);
        face.written = slot_of(states, "written");
        face.unfinished_cursors = slot_of(states, "unfinished_cursors");
        face.snapshot_exists = slot_of(states, "snapshot_exists");
        if (face.written == 0 || face.unfinished_cursors == 0 || face.snapshot_exists == 0) {
          throw nb::type_error("a connection's state has these in __slots__");
        }
        face.execute = owned(parts["execute"]);
        face.executemany = owned(parts["executemany"]);
        face.drain = owned(parts["drain"]);
        face.finish = owned(parts["finish"]);
        face.exhausted = owned(parts["exhausted"]);
        face.failed = owned(parts["failed"]);
        face.rows = owned(parts["rows"]);
        face.dropped = owned(parts["dropped"]);
        face.driver_call = owned(parts["driver_call"]);
        face.harmless = owned(parts["harmless"]);
      },
      "parts"_a, nb::sig("def install_cursors(parts: dict[str, typing.Any]) -> None"));
  module.def(
      "cursor_observer",
      [](nb::handle driver, nb::dict plain_reads, bool lasting) {
        PyRef made = make_observer(owned(driver), owned(plain_reads), lasting);
        if (!made) throw nb::python_error();
        return nb::steal(made.release());
      },
      "driver"_a, "plain_reads"_a, "lasting"_a,
      nb::sig("def cursor_observer(driver: typing.Any, plain_reads: dict[str, bool], lasting: bool) -> "
              "typing.Any"),
      "A callable that makes observed cursors of the driver's: observe(wrapper, state, cursor).");
}
