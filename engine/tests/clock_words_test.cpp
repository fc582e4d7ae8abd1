#include "cache_me/clock_words.hpp"

#include <gtest/gtest.h>

namespace cache_me {
namespace {

TEST(ClockWords, AreFoundAloneAndWithin) {
  for (const std::string_view text : {"now", "NOW", "Today", "tomorrow", "yesterday", " now ", "today 12:00",
                                      "2024-01-01 now", "now()", "1now2", "\xC3\xA4now"}) {
    EXPECT_TRUE(has_clock_word(text)) << text;
  }
}

TEST(ClockWords, LettersBesideThemMakeOtherWords) {
  for (const std::string_view text : {"", "snow", "nowhere", "knowing", "todays", "no w", "toda", "a-nown",
                                      "12", "\xC3\xA4", "yesterdayx", "xyesterday"}) {
    EXPECT_FALSE(has_clock_word(text)) << text;
  }
}

}  // namespace
}  // namespace cache_me
