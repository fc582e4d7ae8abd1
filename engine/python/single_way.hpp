// The short way of one connection's statements that are commits of their own and write known rows: from a
// text to its declared intent without Python code (writing/single.py says when, and why that is right).
#pragma once

#include <Python.h>

#include <optional>

#include "cache_me/single_writes.hpp"
#include "known_texts.hpp"
#include "py_ref.hpp"
#include "recorder_watch.hpp"

namespace cache_me::python {

// Serves one thread at a time, as its connection does. Needs the GIL.
struct SingleWay {
  explicit SingleWay(SingleWrites engine) : writes(std::move(engine)) {}

  SingleWrites writes;
  PyRef store;            // for Python
  PyRef plans;            // dict: (text, revision of the registry) -> WritePlan
  PyRef revision;         // of the registry
  PyRef commits_at_once;  // commits_at_once(driver's connection, script): the driver's
  Watches watches;        // of what all this was worked out of
  double until = 0;       // by Python's time.monotonic()
  KnownTexts known;       // what was found in `plans`

  // The intent of executing `text`, declared. Nothing, without an error: it's for the long way. May throw
  // what the standard library throws; nothing is declared then.
  std::optional<Intent> declare(PyObject* state, PyObject* text, PyObject* parameters);

 private:
  PyObject* plan_of(PyObject* text);
};

// What `object` is, or null.
SingleWay* single_way_of(PyObject* object) noexcept;

// The intent for Python, which withdraws it. Throws if there's no memory for that, and `intent` is as it was.
PyRef object_of(Intent&& intent);

}  // namespace cache_me::python
