#include "row_run.hpp"

#include <algorithm>

#include "cache_me/hash.hpp"
#include "row_decoder.hpp"

namespace cache_me::python {
namespace {

// A run's place in the table, and what points to it.
constexpr std::size_t kOverhead = sizeof(RowRun) + 96;

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

RowRun::RowRun(RowRuns& table, std::string_view bytes, std::uint64_t hash, std::size_t columns)
    : table_(table), bytes_(bytes), hash_(hash), columns_(columns), values_(0) {
  grow(kOverhead + bytes.size());
}

RowRun::~RowRun() {
  table_.size_ -= size_;
  const auto found = table_.alive_.find(hash_);
  // Another of the same hash may have taken the place.
  if (found != table_.alive_.end() && found->second.expired()) table_.alive_.erase(found);
}

void RowRun::grow(std::size_t bytes) noexcept {
  size_ += bytes;
  table_.size_ += bytes;
}

bool RowRun::fill() {
  RowDecoder decoder(bytes_);
  while (decoder.left() != 0) {
    const std::size_t offset = bytes_.size() - decoder.left();
    PyRef value = decoder.next_value();
    if (!value) return false;
    if (is_mutable(value.get())) {
      mutables_.push_back({values_.size(), offset});
      grow(sizeof(Mutable));
      value = PyRef::borrow(Py_None);
    }
    grow(sizeof(PyObject*) + size_of(value.get()));
    values_.push(std::move(value));
  }
  return true;
}

PyObject* const* RowRun::row(std::size_t number, RowBuffer& fresh) const {
  const std::size_t first = number * columns_;
  PyObject* const* const kept = values_.data() + first;
  if (mutables_.empty()) return kept;
  auto next = std::lower_bound(mutables_.begin(), mutables_.end(), first,
                               [](const Mutable& one, std::size_t cell) { return one.cell < cell; });
  fresh.clear();
  for (std::size_t column = 0; column < columns_; ++column) {
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

std::shared_ptr<const RowRun> RowRuns::get(std::string_view bytes, std::size_t columns) {
  const std::uint64_t hash = hash64(bytes, columns);
  if (const auto found = alive_.find(hash); found != alive_.end()) {
    if (auto run = found->second.lock(); run && run->bytes() == bytes && run->columns_ == columns) return run;
  }
  std::shared_ptr<RowRun> run(new RowRun(*this, bytes, hash, columns));
  // Decoding may run Python code (a zone's), and that may come here.
  if (!run->fill()) {
    PyErr_Clear();
    return nullptr;
  }
  alive_[hash] = run;
  return run;
}

}  // namespace cache_me::python
