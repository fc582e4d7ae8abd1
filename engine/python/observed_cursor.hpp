// The driver's cursor, observed: the object that stands between Django's cursor wrapper and the driver's
// cursor, and looks like the latter.
//
// Statements that only read are nearly all, so these, and fetching their rows, are dealt with here; whatever
// else is executed goes to Python (writing/cursor.py), as does whatever ends a statement's work. What is
// decided here is only that nothing is to be decided: no write, no commit, no transaction begins.
//
// A cursor serves one thread at a time, as the connection does.
#pragma once

#include <Python.h>

#include <cstdint>

#include "py_ref.hpp"

namespace cache_me::python {

// What writing/cursor.py gives, once; kept until the process ends. `fields` is a view of the cursor's own
// fields, which the cursor itself hides behind the driver's attributes.
struct CursorFace {
  PyRef execute;        // execute(fields, sql, args, kwargs)
  PyRef executemany;    // executemany(fields, sql, args, kwargs)
  PyRef drain;          // drain(fields)
  PyRef finish;         // finish(fields)
  PyRef exhausted;      // exhausted(fields)
  PyRef failed;         // failed(fields): fetching raised
  PyRef rows;           // rows(fields) -> an iterator that tells when it is exhausted
  PyRef dropped;        // dropped(fields): nobody has the cursor any more, and its work isn't ended
  PyRef driver_call;    // driver_call(fields, attribute, name): a method of the driver's own
  PyRef harmless;       // frozenset of names of the driver's methods that execute nothing
  PyRef single_failed;  // single_failed(state, way, intent): a statement that went its way raised
  PyRef single_lost;    // single_lost(way): everything is to be bumped
};

CursorFace& cursor_face();
bool init_observed_cursors();

// Null, or called with what has just become of a statement that goes its short way: "declared", "executed",
// "finished". For tests.
PyRef& single_listener();
// How many statements have gone their short way to its end.
std::uint64_t& single_bumps() noexcept;

// A callable that makes observed cursors of one driver's: observe(wrapper, state, cursor).
//
// `plain_reads`: texts that only read and aren't to be told of, with whether they make a snapshot. `lasting`:
// a cursor that isn't exhausted matters to other statements.
PyRef make_observer(PyRef driver, PyRef plain_reads, bool lasting);

}  // namespace cache_me::python
