// What an observed cursor is made of, and the view of that which Python gets (writing/cursor.py): the cursor
// itself looks like the driver's. Internal to observed_cursor.
#pragma once

#include <Python.h>

#include "known_texts.hpp"
#include "py_ref.hpp"

namespace cache_me::python {

struct Observer {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* driver;
  PyObject* plain_reads;
  KnownTexts* known;
  bool lasting;
};

struct Cursor {
  PyObject_HEAD PyObject* weak_references;
  Observer* observer;
  PyObject* wrapper;
  PyObject* state;
  PyObject* cursor;  // the driver's
  // Null: none.
  PyObject* announcement;
  PyObject* written;
  char unfinished, lazy, is_pending;
};

// A view of its fields.
PyRef fields_of(Cursor* cursor);

bool init_cursor_fields();

}  // namespace cache_me::python
