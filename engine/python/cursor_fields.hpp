// What an observed cursor is made of, and the view of that which Python gets (writing/cursor.py): the cursor
// itself looks like the driver's. Internal to observed_cursor.
#pragma once

#include <Python.h>

#include <array>
#include <utility>

#include "py_ref.hpp"

namespace cache_me::python {

// Texts that came lately, with what is known of them: each query is compiled to a text of its own, which would
// have to be hashed anew. What is known of a text is so for good.
class KnownTexts {
 public:
  // Borrowed, or null.
  PyObject* find(PyObject* text) const noexcept {
    const Known& known = known_[place_of(text)];
    return known.text && are_equal(known.text.get(), text) ? known.what.get() : nullptr;
  }
  void add(PyObject* text, PyObject* what) {
    Known one{PyRef::borrow(text), PyRef::borrow(what)};
    std::swap(known_[place_of(text)], one);
  }

 private:
  struct Known {
    PyRef text, what;
  };

  static std::size_t place_of(PyObject* text) noexcept;
  static bool are_equal(PyObject* one, PyObject* other) noexcept;

  std::array<Known, 256> known_;
};

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
