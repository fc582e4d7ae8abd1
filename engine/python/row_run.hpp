// Decoded rows that stand one after another in a blob: what results of a process share.
//
// A wide row is a run by itself, so that all lists which hold it share its values; of narrow rows a whole
// blob is one run, for they are made about as fast as they are found.
//
// All functions need the GIL.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "row_buffer.hpp"

namespace cache_me::python {

class RowRuns;

// Never changed once it is made.
class RowRun {
 public:
  ~RowRun();
  RowRun(const RowRun&) = delete;
  RowRun& operator=(const RowRun&) = delete;

  std::string_view bytes() const noexcept { return bytes_; }
  std::uint64_t hash() const noexcept { return hash_; }
  // What it takes in memory, estimated.
  std::size_t size() const noexcept { return size_; }

  // The values of a row, borrowed: of this object or, where some have to be new, of `fresh`. Null: a Python
  // error is set.
  PyObject* const* row(std::size_t number, RowBuffer& fresh) const;

 private:
  friend class RowRuns;

  // Of a mutable value: where its encoding begins.
  struct Mutable {
    std::size_t cell;
    std::size_t offset;
  };

  RowRun(RowRuns& table, std::string_view bytes, std::uint64_t hash, std::size_t columns);
  void grow(std::size_t bytes) noexcept;
  bool fill();

  RowRuns& table_;
  std::string bytes_;
  std::uint64_t hash_;
  std::size_t columns_;
  RowBuffer values_;               // row by row; None in place of mutable ones
  std::vector<Mutable> mutables_;  // by cell
  std::size_t size_ = 0;
};

// Those that are alive, each once, by content.
class RowRuns {
 public:
  // The run of these bytes, which are whole rows of so many columns. Null: malformed, or out of memory; no
  // error is set.
  std::shared_ptr<const RowRun> get(std::string_view bytes, std::size_t columns);

  // What all of them take.
  std::size_t size() const noexcept { return size_; }

 private:
  friend class RowRun;

  std::unordered_map<std::uint64_t, std::weak_ptr<const RowRun>> alive_;
  std::size_t size_ = 0;
};

}  // namespace cache_me::python
