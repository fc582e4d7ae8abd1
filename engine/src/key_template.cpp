#include "cache_me/key_template.hpp"

#include <charconv>
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
  std::size_t size = 0;
  for (const std::string& piece : sql_) size += piece.size();
  const std::size_t states = gaps() == 0 ? 1 : kMostDigits + 1;
  heads_.resize(states);
  for (std::size_t digits = 0; digits < states; ++digits) {
    heads_[digits].update(view_of(length_of(size + digits)));
    heads_[digits].update(sql_.front());
  }
}

void KeyTemplate::assemble(std::span<const std::int64_t> numbers, std::string_view parameters,
                           std::string& key) const {
  char digits[kMostDigits];
  std::array<std::size_t, 2> ends = {};
  char* end = digits;
  for (std::size_t i = 0; i < numbers.size() && i < ends.size(); ++i) {
    end = std::to_chars(end, digits + sizeof digits, numbers[i]).ptr;
    ends[i] = static_cast<std::size_t>(end - digits);
  }
  Md5 state = heads_[gaps() == 0 ? 0 : static_cast<std::size_t>(end - digits)];
  std::size_t begin = 0;
  for (std::size_t gap = 0; gap < gaps(); ++gap) {
    state.update({digits + begin, ends[gap] - begin});
    state.update(sql_[gap + 1]);
    begin = ends[gap];
  }
  state.update(view_of(length_of(parameters.size())));
  state.update(parameters);
  state.update(tail_);
  key.assign(name_);
  state.append_hex(key);
  key += place_;
}

}  // namespace cache_me
