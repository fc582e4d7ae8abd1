// Python objects to the codec's bytes, and back.
//
// Only objects of exactly the types that the codec knows are encoded; anything else (a subclass of str, an
// enumeration's member, a lazy string) is an unknown type, which is no error: the caller then keeps no entry.
// All functions need the GIL (or an attached thread) and a module on which init_row_codec() has run.
#pragma once

#include <Python.h>

#include <string>
#include <string_view>

#include "cache_me/codec.hpp"
#include "py_ref.hpp"

namespace cache_me::python {

// Looks up the types and constants that are needed; to be called once, at import. False: a Python error is
// set.
bool init_row_codec();

enum class Encoded {
  ok,
  unknown_type,  // `unknown` names it
  python_error,  // set
};

struct Unknown {
  std::string type;        // "package.module.Class"
  Py_ssize_t column = -1;  // of the row; -1 for a single value
};

Encoded encode_value(Encoder& encoder, PyObject* value, Unknown& unknown, int depth = 0);

// `rows` is a list or tuple of rows of equal length, all tuples or all lists.
Encoded encode_rows(Encoder& encoder, PyObject* rows, Unknown& unknown);

// A new list of new rows, with mutable values made anew; null with ValueError set for malformed bytes.
PyRef decode_rows(std::string_view bytes);

// One value; null with ValueError set for malformed bytes or bytes after it.
PyRef decode_single(std::string_view bytes);

}  // namespace cache_me::python
