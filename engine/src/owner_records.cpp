#include "cache_me/owner_records.hpp"

#include <unistd.h>

namespace cache_me {

OwnerRecords::OwnerRecords(const MappedFile& file, const Layout& layout)
    : file_(file),
      layout_(layout),
      // Neighbours start at different places, so that they seldom meet at the same record.
      next_(layout.count == 0 ? 0 : static_cast<std::uint32_t>(random_u64() % layout.count)),
      fork_handler_([this] { mutex_.lock(); }, [this] { mutex_.unlock(); },
                    [this] {
                      // The parent's locks stay the parent's: it holds another descriptor of the description.
                      // If ours stayed open, they would outlive it.
                      forget_locked();
                      mutex_.unlock();
                    }) {}

OwnerRecords::~OwnerRecords() {
  if (file_.is_descriptor_of(descriptor_)) ::close(descriptor_);  // and with it all locks go
}

std::atomic<std::uint32_t>& OwnerRecords::generation(std::uint32_t index) const noexcept {
  std::byte* record = file_.data() + layout_.offset + index * layout_.stride;
  return *reinterpret_cast<std::atomic<std::uint32_t>*>(record);
}

std::uint64_t OwnerRecords::lock_offset(std::uint32_t index) const noexcept {
  return layout_.offset + index * layout_.stride;
}

void OwnerRecords::forget_locked() noexcept {
  if (file_.is_descriptor_of(descriptor_)) ::close(descriptor_);
  descriptor_ = -1;
  for (std::uint32_t index = 0; index < layout_.count; ++index) {
    owned_[index].store(0, std::memory_order_release);
  }
}

bool OwnerRecords::check_ownership_locked() noexcept {
  if (file_.is_anonymous()) return true;
  if (descriptor_ >= 0 && file_.is_descriptor_of(descriptor_)) return true;
  const bool was_open = descriptor_ >= 0;
  forget_locked();
  return !was_open;
}

bool OwnerRecords::check_ownership() noexcept {
  const std::lock_guard<std::mutex> guard(mutex_);
  return check_ownership_locked();
}

Status OwnerRecords::ready_locked() noexcept {
  if (file_.is_anonymous()) return Status();
  static_cast<void>(check_ownership_locked());
  if (descriptor_ >= 0) return Status();
  Result<int> description = file_.open_description();
  if (!description) return description.status();
  descriptor_ = *description;
  return Status();
}

std::optional<OwnerId> OwnerRecords::try_acquire_locked(std::uint32_t index) {
  if (owned_[index].load(std::memory_order_relaxed) != 0) return std::nullopt;
  if (!file_.is_anonymous() && !try_lock_byte(descriptor_, lock_offset(index), LockMode::exclusive)) {
    return std::nullopt;
  }
  std::uint32_t next = generation(index).load(std::memory_order_relaxed) + 1;
  if (next > OwnerId::kMaxGeneration) next = 1;
  // Ours first, so that a thread of this process never sees the new generation without an owner.
  owned_[index].store(next, std::memory_order_release);
  generation(index).store(next, std::memory_order_release);
  return OwnerId{index, next};
}

Result<OwnerId> OwnerRecords::acquire(const std::function<bool(std::uint32_t index)>& may_take) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (Status status = ready_locked(); !status.ok()) return status;
  for (std::uint32_t tried = 0; tried < layout_.count; ++tried) {
    const std::uint32_t index = next_;
    next_ = (next_ + 1) % layout_.count;
    if (may_take && !may_take(index)) continue;
    const std::optional<OwnerId> owner = try_acquire_locked(index);
    if (!owner) continue;
    if (!may_take || may_take(index)) return *owner;
    owned_[index].store(0, std::memory_order_release);
    if (!file_.is_anonymous()) unlock_byte(descriptor_, lock_offset(index));
  }
  return Status(StatusCode::exhausted,
                "all " + std::to_string(layout_.count) + " owner records" +
                    (file_.is_anonymous() ? std::string() : " of '" + file_.path() + "'") + " are taken");
}

std::optional<OwnerId> OwnerRecords::try_acquire(std::uint32_t index) {
  if (index >= layout_.count) return std::nullopt;
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!ready_locked().ok()) return std::nullopt;
  return try_acquire_locked(index);
}

void OwnerRecords::release(OwnerId owner) noexcept {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!owns(owner)) return;
  owned_[owner.index].store(0, std::memory_order_release);
  // Closed over our head, the descriptor may be another file's by now.
  if (!file_.is_anonymous() && check_ownership_locked()) unlock_byte(descriptor_, lock_offset(owner.index));
}

bool OwnerRecords::owns(OwnerId owner) const noexcept {
  return owner.index < layout_.count && owner.generation != 0 &&
         owned_[owner.index].load(std::memory_order_acquire) == owner.generation;
}

bool OwnerRecords::is_alive(OwnerId owner) const noexcept {
  if (owner.index >= layout_.count || owner.generation == 0) return false;
  if (owns(owner)) return true;
  if (generation(owner.index).load(std::memory_order_acquire) != owner.generation) return false;
  if (file_.is_anonymous()) return false;
  const std::lock_guard<std::mutex> guard(mutex_);
  // Opening the file (a child's first question) is no change that anyone could see.
  if (!const_cast<OwnerRecords*>(this)->ready_locked().ok()) return true;
  if (owned_[owner.index].load(std::memory_order_relaxed) != 0) {
    // Ours, so the kernel says nothing of others: this generation, or a later one.
    return owns(owner);
  }
  // Only free says that nobody holds it. Asked after the generation was seen: a later owner bumps it only
  // once it holds the lock, so `free` after an equal generation means that this very owner is gone.
  return probe_byte(descriptor_, lock_offset(owner.index)) != LockState::free;
}

bool OwnerRecords::try_lock(std::uint64_t offset, LockMode mode) noexcept {
  if (file_.is_anonymous()) return true;
  const std::lock_guard<std::mutex> guard(mutex_);
  return ready_locked().ok() && try_lock_byte(descriptor_, offset, mode);
}

void OwnerRecords::unlock(std::uint64_t offset) noexcept {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!file_.is_anonymous() && descriptor_ >= 0 && check_ownership_locked()) unlock_byte(descriptor_, offset);
}

}  // namespace cache_me
