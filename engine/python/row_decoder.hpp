// Rows one at a time: what the decoder of whole lists and the builder of instances share.
#pragma once

#include <Python.h>

#include <string_view>
#include <vector>

#include "cache_me/codec.hpp"
#include "py_ref.hpp"

namespace cache_me::python {

// Reads a rows blob; `bytes` outlive it. Functions that say false have set ValueError (malformed bytes) or
// MemoryError.
class RowDecoder {
 public:
  explicit RowDecoder(std::string_view bytes) noexcept : decoder_(bytes) {}

  // The head; to be called first.
  bool begin(RowsHead& head);

  // The next row's values into `values`, which becomes as long as the row; new objects.
  bool next(std::vector<PyRef>& values);

  // The next row as a tuple or list; null: false.
  PyRef next();

  // To be called last: nothing may follow the rows.
  bool end();

 private:
  Decoder decoder_;
  Token token_;
  RowsHead head_;
};

}  // namespace cache_me::python
