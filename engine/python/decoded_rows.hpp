// Values that were decoded before, for entries that are hit again and again.
//
// Making the values of a row takes longer than making the row. Immutable values (numbers, text, dates …) may
// be shared by all results of a process, as Django itself shares small numbers; mutable ones (lists, dicts
// and what holds them) are made anew for each. What was measured: docs/decisions/decoded-values.md.
//
// Nothing is believed here that wasn't proven by the store: the bytes of a valid entry are found again by
// their hash and then compared, all of them.
//
// All functions need the GIL; on a free-threaded build nothing is kept.
#pragma once

#include <Python.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cache_me/codec.hpp"
#include "row_buffer.hpp"
#include "row_run.hpp"

namespace cache_me::python {

// The rows of one blob; never changed once they are made.
class DecodedRows {
 public:
  // Null: malformed, out of memory, or larger than `most` bytes in memory; no error is set.
  static std::shared_ptr<const DecodedRows> decode(std::string_view bytes, std::uint64_t hash, RowRuns& runs,
                                                   std::size_t most);

  const RowsHead& head() const noexcept { return head_; }
  std::uint64_t hash() const noexcept { return hash_; }
  bool is_of(std::string_view bytes) const noexcept;
  // What it takes in memory without its runs, estimated.
  std::size_t own_size() const noexcept;

  // The values of a row, borrowed: of this object or, where some have to be new, of `fresh`. Null: a Python
  // error is set.
  PyObject* const* row(std::size_t number, RowBuffer& fresh) const {
    return row_by_row_ ? runs_[number]->row(0, fresh) : runs_.front()->row(number, fresh);
  }

 private:
  explicit DecodedRows(std::uint64_t hash) : hash_(hash) {}
  bool fill(std::string_view bytes, RowRuns& runs, std::size_t most);

  std::string start_;  // the bytes of the head
  std::uint64_t hash_;
  RowsHead head_;
  bool row_by_row_ = false;  // each row is a run; else one run is all of them
  std::vector<std::shared_ptr<const RowRun>> runs_;
};

// Those of a process, the least recently used dropped when they take more than the budget.
class DecodedCache {
 public:
  // The rows of that blob if it comes again; null the first time, and for what is too large to be kept.
  std::shared_ptr<const DecodedRows> get(std::string_view bytes);

  // Zero keeps nothing.
  void set_budget(std::size_t bytes);
  std::size_t budget() const noexcept { return budget_; }
  std::size_t size() const noexcept { return size_ + runs_.size(); }

 private:
  using Rows = std::list<std::shared_ptr<const DecodedRows>>;

  void shrink(std::size_t budget);

  std::size_t budget_ = 8u << 20;
  RowRuns runs_;
  std::size_t size_ = 0;  // without the runs
  Rows rows_;             // the last used first
  std::unordered_map<std::uint64_t, Rows::iterator> by_hash_;
  std::vector<std::uint64_t> seen_;  // hashes of what came once; their complements: of what is too large
};

// The process's own; it lives for ever, for the interpreter ends before C++ does.
DecodedCache& decoded_cache();

}  // namespace cache_me::python
