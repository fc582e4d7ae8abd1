// Rows one at a time: what the decoder of whole lists and the builder of instances share.
#pragma once

#include <Python.h>

#include <string_view>

#include "cache_me/codec.hpp"
#include "py_ref.hpp"
#include "row_buffer.hpp"

namespace cache_me::python {

// Reads a rows blob; `bytes` outlive it. Functions that say false have set ValueError (malformed bytes) or
// MemoryError.
class RowDecoder {
 public:
  explicit RowDecoder(std::string_view bytes) noexcept : decoder_(bytes) {}

  // The head; to be called first.
  bool begin(RowsHead& head);

  // The next row's values in place of what is in `row`; new objects.
  bool next(RowBuffer& row);

  // The next row as a tuple or list; null: false.
  PyRef next();

  // The next value by itself, new; null: false.
  PyRef next_value();

  // So many bytes follow.
  std::size_t left() const noexcept { return decoder_.left(); }

  // To be called last: nothing may follow the rows.
  bool end();

 private:
  Decoder decoder_;
  EncodedValue token_;
  RowsHead head_;
};

}  // namespace cache_me::python
