#include "decoded_rows.hpp"

#include <algorithm>

#include "cache_me/hash.hpp"
#include "compat.hpp"
#include "row_decoder.hpp"

namespace cache_me::python {
namespace {

// Blobs that came once are remembered by so many places.
constexpr std::size_t kSeen = 4096;
// One blob takes no more than this part of the budget.
constexpr std::size_t kPart = 4;
// Objects are larger than their bytes by about that: what is larger by itself isn't even decoded for keeping.
constexpr std::size_t kGrowth = 8;

bool is_mutable(PyObject* value) {
  return PyList_CheckExact(value) || PyTuple_CheckExact(value) || PyDict_CheckExact(value) ||
         PyMemoryView_Check(value);
}

// Roughly what an object takes, with what the allocator adds.
std::size_t size_of(PyObject* value) {
  if (value == Py_None || PyBool_Check(value)) return 0;
  std::size_t size = static_cast<std::size_t>(Py_TYPE(value)->tp_basicsize) + 16;
  if (PyUnicode_CheckExact(value)) {
    size += static_cast<std::size_t>(PyUnicode_GET_LENGTH(value)) *
            static_cast<std::size_t>(PyUnicode_KIND(value));
  } else if (PyBytes_CheckExact(value)) {
    size += static_cast<std::size_t>(PyBytes_GET_SIZE(value));
  }
  return size;
}

}  // namespace

std::shared_ptr<const DecodedRows> DecodedRows::decode(std::string_view bytes, std::uint64_t hash) {
  std::shared_ptr<DecodedRows> rows(new DecodedRows(bytes, hash));
  if (rows->fill()) return rows;
  PyErr_Clear();
  return nullptr;
}

bool DecodedRows::fill() {
  RowDecoder decoder(bytes_);
  if (!decoder.begin(head_)) return false;
  const std::size_t cells = std::size_t{head_.rows} * head_.columns;
  values_.reserve(cells);
  size_ = sizeof(DecodedRows) + bytes_.size() + cells * sizeof(PyObject*);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const std::size_t offset = bytes_.size() - decoder.left();
    PyRef value = decoder.next_value();
    if (!value) return false;
    if (is_mutable(value.get())) {
      mutables_.push_back({cell, offset});
      size_ += sizeof(Mutable);
      value = PyRef::borrow(Py_None);
    }
    size_ += size_of(value.get());
    values_.push(std::move(value));
  }
  return decoder.end();
}

PyObject* const* DecodedRows::row(std::size_t number, RowBuffer& fresh) const {
  const std::size_t first = number * head_.columns;
  PyObject* const* const kept = values_.data() + first;
  if (mutables_.empty()) return kept;
  auto next = std::lower_bound(mutables_.begin(), mutables_.end(), first,
                               [](const Mutable& one, std::size_t cell) { return one.cell < cell; });
  fresh.clear();
  for (std::size_t column = 0; column < head_.columns; ++column) {
    PyRef value = PyRef::borrow(kept[column]);
    if (next != mutables_.end() && next->cell == first + column) {
      value = RowDecoder(std::string_view(bytes_).substr(next->offset)).next_value();
      if (!value) return nullptr;
      ++next;
    }
    fresh.push(std::move(value));
  }
  return fresh.data();
}

std::shared_ptr<const DecodedRows> DecodedCache::get(std::string_view bytes) {
  if (!compat::kHasGil || bytes.size() > budget_ / kPart / kGrowth) return nullptr;
  const std::uint64_t hash = hash64(bytes);
  const auto found = by_hash_.find(hash);
  if (found != by_hash_.end()) {
    if ((*found->second)->bytes() != bytes) return nullptr;
    rows_.splice(rows_.begin(), rows_, found->second);
    return rows_.front();
  }
  if (seen_.empty()) seen_.resize(kSeen);
  std::uint64_t& place = seen_[hash % kSeen];
  if (std::exchange(place, hash) != hash) return nullptr;
  // Decoding may run Python code (a zone's), and that may come here.
  std::shared_ptr<const DecodedRows> rows = DecodedRows::decode(bytes, hash);
  if (!rows || rows->size() > budget_ / kPart || by_hash_.count(hash) != 0) return rows;
  rows_.push_front(rows);
  by_hash_.emplace(hash, rows_.begin());
  size_ += rows->size();
  shrink(budget_);
  return rows;
}

void DecodedCache::set_budget(std::size_t bytes) {
  budget_ = bytes;
  shrink(bytes);
}

void DecodedCache::shrink(std::size_t budget) {
  while (size_ > budget && !rows_.empty()) {
    // Taken out first: letting go of values may run code of others.
    const std::shared_ptr<const DecodedRows> last = std::move(rows_.back());
    rows_.pop_back();
    by_hash_.erase(last->hash());
    size_ -= last->size();
  }
}

DecodedCache& decoded_cache() {
  static auto& cache = *new DecodedCache;
  return cache;
}

}  // namespace cache_me::python
