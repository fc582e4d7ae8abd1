#include "cache_me/key_template.hpp"

#include <array>
#include <cstring>

namespace cache_me {
namespace {

std::array<char, 8> length_of(std::size_t size) noexcept {
  const std::uint64_t number = size;
  std::array<char, 8> bytes;
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

std::string_view view_of(const std::array<char, 8>& bytes) noexcept {
  return {bytes.data(), bytes.size()};
}

}  // namespace

KeyTemplate::KeyTemplate(const Parts& parts) : name_(parts.name), sql_(parts.sql), place_(parts.place) {
  if (sql_.empty()) sql_.emplace_back();
  for (const std::string* part : {&parts.result, &parts.whose}) {
    tail_ += view_of(length_of(part->size()));
    tail_ += *part;
  }
  for (const std::string& piece : sql_) size_ += piece.size();
  const std::size_t states = gaps() == 0 ? 1 : kMostStates;
  for (std::size_t in_gaps = 0; in_gaps < states; ++in_gaps) heads_.push_back(head(in_gaps));
}

// What has been digested up to the first gap, if all gaps together hold that many bytes.
Md5 KeyTemplate::head(std::size_t in_gaps) const noexcept {
  Md5 state;
  state.update(view_of(length_of(size_ + in_gaps)));
  state.update(sql_.front());
  return state;
}

void KeyTemplate::assemble(std::span<const std::string_view> texts, std::string_view parameters,
                           std::string& key) const {
  std::size_t in_gaps = 0;
  for (const std::string_view text : texts) in_gaps += text.size();
  Md5 state = in_gaps < heads_.size() ? heads_[in_gaps] : head(in_gaps);
  for (std::size_t gap = 0; gap < gaps(); ++gap) {
    state.update(texts[gap]);
    state.update(sql_[gap + 1]);
  }
  state.update(view_of(length_of(parameters.size())));
  state.update(parameters);
  state.update(tail_);
  key.assign(name_);
  state.append_hex(key);
  key += place_;
}

}  // namespace cache_me
