// What is known of SQL texts that came lately.
//
// Each query is compiled to a text of its own, whose hash Python would have to work out anew; this looks at a
// few of its bytes, and compares them all. What is known of a text has to be so for good. Needs the GIL.
#pragma once

#include <Python.h>

#include <array>
#include <cstdint>
#include <utility>

#include "py_ref.hpp"

namespace cache_me::python {

class KnownTexts {
 public:
  // What is known of `text`, a str; borrowed, or null.
  PyObject* find(PyObject* text) const noexcept {
    if (!is_ready(text)) return nullptr;
    const Known& known = known_[place_of(text)];
    return known.text && are_equal(known.text.get(), text) ? known.what.get() : nullptr;
  }
  // In place of what another text has left at the same place.
  void add(PyObject* text, PyObject* what) {
    if (!is_ready(text)) return;
    Known one{PyRef::borrow(text), PyRef::borrow(what)};
    std::swap(known_[place_of(text)], one);
  }

 private:
  struct Known {
    PyRef text, what;
  };

  // Before 3.12 a str may have its characters in an old form.
  static bool is_ready(PyObject* text) noexcept {
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_IS_READY(text) != 0;
#else
    return text != nullptr;
#endif
  }
  static std::size_t place_of(PyObject* text) noexcept;
  static bool are_equal(PyObject* one, PyObject* other) noexcept;

  std::array<Known, 256> known_;
};

}  // namespace cache_me::python
