#include "decoded_rows.hpp"

#include <algorithm>

#include "cache_me/hash.hpp"
#include "compat.hpp"

namespace cache_me::python {
namespace {

// Blobs that came once are remembered by so many places.
constexpr std::size_t kSeen = 4096;
// One blob takes no more than this part of the budget.
constexpr std::size_t kPart = 4;
// Objects are larger than their bytes by about that, as a rule: what would be too large isn't even tried.
constexpr std::size_t kGrowth = 4;

// Rows of fewer bytes than that on average aren't runs of their own.
constexpr std::size_t kWide = 128;

bool skip_row(Decoder& decoder, std::size_t columns) {
  EncodedValue token;
  for (std::size_t values = columns; values != 0; --values) {
    if (!decoder.next(token)) return false;
    if (token.type == Type::list || token.type == Type::tuple) values += token.length;
    if (token.type == Type::dict) values += 2 * token.length;
  }
  return true;
}

}  // namespace

std::shared_ptr<const DecodedRows> DecodedRows::decode(std::string_view bytes, std::uint64_t hash,
                                                       RowRuns& runs, std::size_t most) {
  std::shared_ptr<DecodedRows> rows(new DecodedRows(hash));
  return rows->fill(bytes, runs, most) ? rows : nullptr;
}

bool DecodedRows::fill(std::string_view bytes, RowRuns& runs, std::size_t most) {
  Decoder decoder(bytes);
  if (!decoder.read_rows_head(head_) || head_.columns == 0) return false;
  std::string_view rest = bytes.substr(bytes.size() - decoder.left());
  start_ = bytes.substr(0, bytes.size() - rest.size());
  row_by_row_ = head_.rows > 1 && rest.size() / head_.rows >= kWide;
  runs_.reserve(row_by_row_ ? head_.rows : 1);
  const std::size_t rows_of_run = row_by_row_ ? 1 : head_.rows;
  std::size_t size = own_size();
  for (std::size_t row = 0; row < head_.rows; row += rows_of_run) {
    for (std::size_t i = 0; i < rows_of_run; ++i) {
      if (!skip_row(decoder, head_.columns)) return false;
    }
    const std::size_t length = rest.size() - decoder.left();
    runs_.push_back(runs.get(rest.substr(0, length), head_.columns));
    if (runs_.back() == nullptr) return false;
    size += runs_.back()->size() + sizeof(runs_.back());
    if (size > most) return false;
    rest.remove_prefix(length);
  }
  return rest.empty();
}

bool DecodedRows::is_of(std::string_view bytes) const noexcept {
  const auto starts_with = [&bytes](std::string_view part) {
    if (bytes.substr(0, part.size()) != part) return false;
    bytes.remove_prefix(part.size());
    return true;
  };
  return starts_with(start_) &&
         std::all_of(runs_.begin(), runs_.end(),
                     [&starts_with](const auto& run) { return starts_with(run->bytes()); }) &&
         bytes.empty();
}

std::size_t DecodedRows::own_size() const noexcept {
  return sizeof(DecodedRows) + start_.size() + runs_.size() * sizeof(runs_.front());
}

std::shared_ptr<const DecodedRows> DecodedCache::get(std::string_view bytes) {
  if (!compat::kHasGil || bytes.size() > budget_ / kPart / kGrowth) return nullptr;
  const std::uint64_t hash = hash64(bytes);
  const auto found = by_hash_.find(hash);
  if (found != by_hash_.end()) {
    if (!(*found->second)->is_of(bytes)) return nullptr;
    rows_.splice(rows_.begin(), rows_, found->second);
    return rows_.front();
  }
  if (seen_.empty()) seen_.resize(kSeen);
  std::uint64_t& place = seen_[hash % kSeen];
  if (place == ~hash || std::exchange(place, hash) != hash) return nullptr;
  // Decoding may run Python code (a zone's), and that may come here.
  std::shared_ptr<const DecodedRows> rows = DecodedRows::decode(bytes, hash, runs_, budget_ / kPart);
  if (!rows) seen_[hash % kSeen] = ~hash;
  if (!rows || by_hash_.count(hash) != 0) return rows;
  rows_.push_front(rows);
  by_hash_.emplace(hash, rows_.begin());
  size_ += rows->own_size();
  shrink(budget_);
  return rows;
}

void DecodedCache::set_budget(std::size_t bytes) {
  budget_ = bytes;
  shrink(bytes);
}

void DecodedCache::shrink(std::size_t budget) {
  while (size() > budget && !rows_.empty()) {
    // Taken out first: letting go of values may run code of others.
    const std::shared_ptr<const DecodedRows> last = std::move(rows_.back());
    rows_.pop_back();
    by_hash_.erase(last->hash());
    size_ -= last->own_size();
  }
}

DecodedCache& decoded_cache() {
  static auto& cache = *new DecodedCache;
  return cache;
}

}  // namespace cache_me::python
