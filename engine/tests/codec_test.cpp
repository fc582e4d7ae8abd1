#include "cache_me/codec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace cache_me {
namespace {

class Codec : public ::testing::Test {
 protected:
  EncodedValue Next() {
    if (!decoder_) decoder_.emplace(encoder_.bytes());
    EncodedValue token;
    decoder_->next(token);
    return token;
  }
  void ExpectEnd() { EXPECT_EQ(Next().type, Type::end); }

  Encoder encoder_;
  std::optional<Decoder> decoder_;
};

TEST_F(Codec, Constants) {
  encoder_.append_none();
  encoder_.append_bool(true);
  encoder_.append_bool(false);
  EXPECT_EQ(Next().type, Type::none);
  EXPECT_EQ(Next().type, Type::true_value);
  EXPECT_EQ(Next().type, Type::false_value);
  ExpectEnd();
}

TEST_F(Codec, IntegersTakeTheShortestForm) {
  const std::pair<std::int64_t, Type> cases[] = {{0, Type::int8},
                                                 {-128, Type::int8},
                                                 {127, Type::int8},
                                                 {128, Type::int32},
                                                 {-2147483648LL, Type::int32},
                                                 {2147483647, Type::int32},
                                                 {1LL << 31, Type::int64},
                                                 {std::numeric_limits<std::int64_t>::min(), Type::int64},
                                                 {std::numeric_limits<std::int64_t>::max(), Type::int64}};
  for (const auto& [value, type] : cases) encoder_.append_int(value);
  for (const auto& [value, type] : cases) {
    const EncodedValue token = Next();
    EXPECT_EQ(token.type, type);
    EXPECT_EQ(token.integer, value);
  }
  ExpectEnd();
}

TEST_F(Codec, FloatsKeepEveryBit) {
  for (const double value : {0.0, -0.0, 0.1, std::numeric_limits<double>::infinity(), std::nan("7")}) {
    encoder_.append_float(value);
    const double back = Next().number;
    EXPECT_EQ(std::memcmp(&value, &back, sizeof value), 0);
    encoder_.clear();
    decoder_.reset();
  }
}

TEST_F(Codec, TextKeepsItsKind) {
  const std::uint16_t two[] = {0x20AC, 0xD800};
  const std::uint32_t four[] = {0x1F600};
  encoder_.append_text(Type::text_ascii, "abc", 3);
  encoder_.append_text(Type::text_latin1, "\xE9", 1);
  encoder_.append_text(Type::text_ucs2, two, 2);
  encoder_.append_text(Type::text_ucs4, four, 1);
  encoder_.append_text(Type::text_ascii, nullptr, 0);
  EXPECT_EQ(Next().data, "abc");
  EXPECT_EQ(Next().data, "\xE9");
  const EncodedValue wide = Next();
  EXPECT_EQ(wide.length, 2u);
  EXPECT_EQ(wide.data, std::string_view(reinterpret_cast<const char*>(two), 4));
  EXPECT_EQ(Next().data, std::string_view(reinterpret_cast<const char*>(four), 4));
  EXPECT_EQ(Next().length, 0u);
  ExpectEnd();
}

TEST_F(Codec, LongDataSaysItsLength) {
  for (const std::size_t size : {254u, 255u, 256u, 70000u}) {
    const std::string data(size, 'x');
    encoder_.append_bytes(data);
    EXPECT_EQ(Next().data, data);
    ExpectEnd();
    encoder_.clear();
    decoder_.reset();
  }
}

TEST_F(Codec, MomentsAndDurations) {
  Moment moment;
  moment.year = 2024, moment.month = 2, moment.day = 29, moment.hour = 23, moment.minute = 59;
  moment.second = 58, moment.microsecond = 999999, moment.fold = 1;
  moment.zone = Zone::key;
  moment.key = "Europe/Berlin";
  encoder_.append_datetime(moment);
  moment.zone = Zone::offset;
  moment.offset_microseconds = -19800000001;
  encoder_.append_time(moment);
  encoder_.append_date(moment);
  encoder_.append_timedelta({-3, 5, 7});
  const EncodedValue datetime = Next();
  EXPECT_EQ(datetime.type, Type::datetime);
  EXPECT_EQ(datetime.moment.key, "Europe/Berlin");
  EXPECT_EQ(datetime.moment.microsecond, 999999u);
  EXPECT_EQ(datetime.moment.fold, 1);
  EXPECT_EQ(Next().moment.offset_microseconds, -19800000001);
  EXPECT_EQ(Next().moment.day, 29);
  EXPECT_EQ(Next().duration.days, -3);
  ExpectEnd();
}

TEST_F(Codec, DifferentValuesHaveDifferentBytes) {
  std::vector<std::string> all;
  const auto keep = [&] {
    all.push_back(encoder_.bytes());
    encoder_.clear();
  };
  encoder_.append_bool(true), keep();
  encoder_.append_int(1), keep();
  encoder_.append_float(1.0), keep();
  encoder_.append_text(Type::text_ascii, "1", 1), keep();
  encoder_.append_bytes("1"), keep();
  encoder_.append_decimal("1"), keep();
  encoder_.append_decimal("1.0"), keep();
  encoder_.begin_nest(Type::list, 0), keep();
  encoder_.begin_nest(Type::tuple, 0), keep();
  encoder_.begin_nest(Type::dict, 0), keep();
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size(); ++j) EXPECT_NE(all[i], all[j]) << i << " and " << j;
  }
}

TEST_F(Codec, EveryCutIsMalformedOrTheEnd) {
  encoder_.append_int(1 << 20);
  encoder_.append_text(Type::text_ascii, "hello", 5);
  encoder_.append_datetime({});
  encoder_.append_uuid("0123456789abcdef");
  const std::string whole = encoder_.bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Decoder decoder(std::string_view(whole).substr(0, size));
    EncodedValue token;
    int values = 0;
    while (decoder.next(token)) ++values;
    EXPECT_LT(values, 4) << size;
    EXPECT_FALSE(decoder.next(token));
  }
}

TEST_F(Codec, ImpossibleCountsAreRefused) {
  for (const Type type : {Type::list, Type::tuple, Type::dict, Type::bytes, Type::text_ucs4}) {
    std::string bytes(1, static_cast<char>(type));
    bytes += '\xFF';
    bytes += std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 8);
    Decoder decoder(bytes);
    EncodedValue token;
    EXPECT_FALSE(decoder.next(token));
    EXPECT_EQ(token.type, Type::malformed);
  }
}

TEST_F(Codec, WrongBytesInTypedDataAreRefused) {
  encoder_.append_text(Type::text_ascii, "\xFF", 1);
  EXPECT_EQ(Next().type, Type::malformed);
  EXPECT_EQ(Next().type, Type::malformed) << "malformed is for good";
  const std::uint32_t beyond[] = {0x110000};
  for (const auto& append :
       {+[](Encoder& e) { e.append_big_int("12"); }, +[](Encoder& e) { e.append_big_int("0x"); },
        +[](Encoder& e) { e.append_big_int("-0xg"); }, +[](Encoder& e) { e.append_decimal("\xC3"); }}) {
    encoder_.clear();
    decoder_.reset();
    append(encoder_);
    EXPECT_EQ(Next().type, Type::malformed);
  }
  encoder_.clear();
  decoder_.reset();
  encoder_.append_text(Type::text_ucs4, beyond, 1);
  EXPECT_EQ(Next().type, Type::malformed);
}

TEST_F(Codec, RowsHeadIsCheckedAgainstTheBytes) {
  encoder_.append_rows_head({2, 1, true});
  encoder_.append_none();
  RowsHead head;
  EXPECT_FALSE(Decoder(encoder_.bytes()).read_rows_head(head));
  encoder_.append_none();
  ASSERT_TRUE(Decoder(encoder_.bytes()).read_rows_head(head));
  EXPECT_EQ(head.rows, 2u);
  EXPECT_EQ(head.columns, 1u);
  EXPECT_TRUE(head.as_lists);
  encoder_.bytes()[0] = static_cast<char>(kCodecVersion + 1);
  EXPECT_FALSE(Decoder(encoder_.bytes()).read_rows_head(head));
}

}  // namespace
}  // namespace cache_me
