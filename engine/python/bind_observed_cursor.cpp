// observed_cursor.hpp for Python.
#include <nanobind/nanobind.h>

#include "bindings.hpp"
#include "connection_state.hpp"
#include "observed_cursor.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void register_observed_cursor(nb::module_& module) {
  using namespace cache_me::python;

  if (!init_observed_cursors()) throw nb::python_error();
  module.def(
      "install_cursors",
      [](nb::dict parts) {
        CursorFace& face = cursor_face();
        if (!install_state_slots(reinterpret_cast<PyTypeObject*>(parts["state"].ptr()))) {
          throw nb::python_error();
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
        face.single_failed = owned(parts["single_failed"]);
        face.single_lost = owned(parts["single_lost"]);
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
  module.def(
      "listen_to_single_writes", [](nb::handle listener) { single_listener() = owned_or_null(listener); },
      "listener"_a.none(),
      nb::sig("def listen_to_single_writes(listener: typing.Callable[[str], None] | None) -> None"),
      "For tests: called at each step of statements that are commits of their own.");
  module.def("single_bumps", [] { return single_bumps(); });
  module.def("reset_single_bumps", [] { single_bumps() = 0; });
}
