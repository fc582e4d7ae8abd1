#include "cache_me/key_template.hpp"

#include <gtest/gtest.h>

#include "cache_me/md5.hpp"

namespace cache_me {
namespace {

std::string md5(std::string_view bytes) {
  Md5 state;
  state.update(bytes);
  std::string hex;
  state.append_hex(hex);
  return hex;
}

TEST(Md5, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(md5(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5("a"), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(md5("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(md5("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, IsTheSameInWhateverPiecesTheBytesCome) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 7));
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string_view whole = std::string_view(text).substr(0, size);
    for (const std::size_t cut : {std::size_t{0}, size / 3, size / 2, size}) {
      Md5 state;
      state.update(whole.substr(0, cut));
      state.update(whole.substr(cut));
      std::string hex;
      state.append_hex(hex);
      ASSERT_EQ(hex, md5(whole)) << size << " cut at " << cut;
    }
  }
}

std::string length(std::string_view part) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(part.size() >> (8 * i));
  return bytes;
}

// As reading/key.py has it.
std::string digest(const std::string& sql, const std::string& parameters, const std::string& result,
                   const std::string& whose) {
  return md5(length(result) + result + length(whose) + whose + sql + parameters + length(sql) +
             length(parameters));
}

TEST(KeyTemplate, MakesTheKeyOfTheWholeText) {
  const KeyTemplate key_template({"cache_me:queryset:a.b:", {"SELECT 1"}, "rows|x", "whose", "@place"});
  std::string key = "what was there";
  key_template.assemble({}, "parameters", key);
  EXPECT_EQ(key, "cache_me:queryset:a.b:" + digest("SELECT 1", "parameters", "rows|x", "whose") + "@place");
}

TEST(KeyTemplate, PutsTextsOfAnyLengthIntoTheGaps) {
  const KeyTemplate key_template({"k:", {"SELECT 1 LIMIT ", " OFFSET ", ""}, "r", "w", ""});
  const std::string all[] = {"",
                             "0",
                             "20",
                             "99999",
                             "9223372036854775807",
                             std::string(63, 'x'),
                             std::string(64, 'x'),
                             std::string(5000, 'x')};
  for (const std::string& limit : all) {
    for (const std::string& offset : all) {
      const std::string_view both[] = {limit, offset};
      std::string key;
      key_template.assemble(both, "p", key);
      const std::string sql = "SELECT 1 LIMIT " + limit + " OFFSET " + offset;
      EXPECT_EQ(key, "k:" + digest(sql, "p", "r", "w"));
    }
  }
}

}  // namespace
}  // namespace cache_me
