// Dead owners and unknown outcomes: what becomes of an intent when its owner can't finish it. The rules, and
// why they hold for a process that is killed at any instant, stand at the head of version_table.cpp.
#include <algorithm>
#include <iterator>
#include <utility>

#include "cache_me/version_table.hpp"

namespace cache_me {

using version_file::kStateMask;
using version_file::Record;
using version_file::word_of;

namespace {

constexpr std::uint64_t kProbeNs = 10'000'000;  // how often an owner is asked for, per record and process

}  // namespace

void VersionTable::probe_owner(std::uint32_t index) const {
  const std::uint64_t now = coarse_ns();
  std::uint64_t last = probed_at_[index].load(std::memory_order_relaxed);
  if (last != 0 && now - last < kProbeNs) return;
  if (!probed_at_[index].compare_exchange_strong(last, now, std::memory_order_relaxed)) return;
  recover(index);
}

// If nobody owns the record, sees to what its last owner left: bumps first, then withdraws or marks it
// unknown.
void VersionTable::recover(std::uint32_t index) const {
  const std::optional<OwnerId> holder = owners_->try_acquire(index);
  if (!holder) return;
  Record& left = record(index);
  const std::uint64_t word = left.word.load(std::memory_order_acquire);
  const std::uint64_t serial = word >> 2;
  const bool settles = (left.flags.load(std::memory_order_acquire) & version_file::kSettlesWithOwner) != 0;
  switch (word & kStateMask) {
    case version_file::kDeclared:
      if (!sign_is_set(index)) {
        withdraw(index, serial);  // declare() never returned
        break;
      }
      raise_record(left);
      if (settles) {
        withdraw(index, serial);
      } else {
        left.word.store(word_of(serial, version_file::kUnknownOutcome), std::memory_order_release);
      }
      break;
    case version_file::kUnknownOutcome:
      if (settles) {
        raise_record(left);
        withdraw(index, serial);
      }
      break;
    case version_file::kIdle:
      clear_sign(index);
      break;
    default:  // no such state: damage. An intent that touches what the record says, until the file is rebuilt
      break;
  }
  owners_->release(*holder);
}

std::vector<UnknownOutcome> VersionTable::list_unknown(bool all,
                                                       std::span<const Dependency> dependencies) const {
  std::vector<UnknownOutcome> found;
  for (std::uint32_t index = 0; index < record_count_; ++index) {
    const Record& candidate = record(index);
    std::uint64_t word = candidate.word.load(std::memory_order_acquire);
    if ((word & kStateMask) == version_file::kIdle || (!all && !touches(candidate, dependencies))) continue;
    probe_owner(index);
    word = candidate.word.load(std::memory_order_acquire);
    if ((word & kStateMask) != version_file::kUnknownOutcome) continue;
    UnknownOutcome outcome;
    outcome.index = index;
    outcome.serial = word >> 2;
    outcome.settles_with_owner =
        (candidate.flags.load(std::memory_order_acquire) & version_file::kSettlesWithOwner) != 0;
    std::uint64_t pieces[version_file::kSessionBytes / 8];
    for (std::size_t piece = 0; piece < std::size(pieces); ++piece) {
      pieces[piece] = candidate.session[piece].load(std::memory_order_acquire);
    }
    const std::size_t length = std::min<std::size_t>(candidate.session_length.load(std::memory_order_acquire),
                                                     version_file::kSessionBytes);
    outcome.session.assign(reinterpret_cast<const char*>(pieces), length);
    // Settled and declared anew while it was copied: then it is another one's text.
    if (candidate.word.load(std::memory_order_acquire) == word) found.push_back(std::move(outcome));
  }
  return found;
}

std::vector<UnknownOutcome> VersionTable::unknown_outcomes(std::span<const Dependency> dependencies) const {
  return list_unknown(false, dependencies);
}

std::vector<UnknownOutcome> VersionTable::unknown_outcomes() const {
  return list_unknown(true, {});
}

bool VersionTable::settle(const UnknownOutcome& outcome) {
  if (outcome.index >= record_count_) return false;
  Record& left = record(outcome.index);
  const std::uint64_t unknown = word_of(outcome.serial, version_file::kUnknownOutcome);
  if (left.word.load(std::memory_order_acquire) != unknown) return false;
  std::optional<OwnerId> holder;
  {
    // One of ours that settles with us: we hold its record already. Whoever finds it in the list settles it.
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto mine =
        std::find_if(kept_.begin(), kept_.end(), [&](OwnerId owner) { return owner.index == outcome.index; });
    if (mine != kept_.end()) {
      holder = *mine;
      kept_.erase(mine);
    }
  }
  if (!holder) holder = owners_->try_acquire(outcome.index);
  if (!holder) return false;
  const bool settled = left.word.load(std::memory_order_acquire) == unknown;
  if (settled) {
    raise_record(left);
    withdraw(outcome.index, outcome.serial);
  }
  owners_->release(*holder);
  return settled;
}

}  // namespace cache_me
