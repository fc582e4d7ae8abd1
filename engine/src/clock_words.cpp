#include "cache_me/clock_words.hpp"

#include <algorithm>
#include <array>

namespace cache_me {
namespace {

constexpr std::array<std::string_view, 4> kWords = {"now", "today", "tomorrow", "yesterday"};

constexpr char lower(char one) noexcept {
  return one >= 'A' && one <= 'Z' ? static_cast<char>(one + ('a' - 'A')) : one;
}

constexpr bool is_letter(char one) noexcept {
  const char small = lower(one);
  return small >= 'a' && small <= 'z';
}

bool is_word(std::string_view letters) noexcept {
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
    return letters.size() == word.size() &&
           std::equal(word.begin(), word.end(), letters.begin(),
                      [](char one, char other) { return one == lower(other); });
  });
}

}  // namespace

bool has_clock_word(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    if (!is_letter(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && is_letter(text[at])) ++at;
    if (is_word(text.substr(begin, at - begin))) return true;
  }
  return false;
}

}  // namespace cache_me
