#include <algorithm>
#include <bit>
#include <cstring>

#include "cache_me/codec.hpp"

namespace cache_me {

static_assert(std::endian::native == std::endian::little, "the codec is written for little-endian machines");

namespace {

bool is_ascii(std::string_view data) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) return false;
  }
  for (; i < data.size(); ++i) {
    if ((static_cast<unsigned char>(data[i]) & 0x80) != 0) return false;
  }
  return true;
}

bool are_code_points(std::string_view data) noexcept {
  for (std::size_t i = 0; i < data.size(); i += 4) {
    std::uint32_t point;
    std::memcpy(&point, data.data() + i, 4);
    if (point > 0x10FFFF) return false;
  }
  return true;
}

bool is_hexadecimal(std::string_view text) noexcept {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  if (text.size() < 3 || text.substr(0, 2) != "0x") return false;
  text.remove_prefix(2);
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

template <typename T>
bool Decoder::take(T& value) noexcept {
  if (rest_.size() < sizeof value) return false;
  std::memcpy(&value, rest_.data(), sizeof value);
  rest_.remove_prefix(sizeof value);
  return true;
}

bool Decoder::take_length(std::size_t& length) noexcept {
  std::uint8_t short_length;
  if (!take(short_length)) return false;
  length = short_length;
  if (short_length < 255) return true;
  std::uint64_t long_length;
  if (!take(long_length) || long_length < 255) return false;  // below 255: not canonical
  length = static_cast<std::size_t>(long_length);
  return true;
}

bool Decoder::take_data(std::size_t size, std::string_view& data) noexcept {
  if (size > rest_.size()) return false;
  data = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool Decoder::read_rows_head(RowsHead& head) noexcept {
  std::uint8_t version;
  std::uint8_t flags;
  if (!take(version) || version != kCodecVersion || !take(flags) || flags > 1) return false;
  if (!take(head.rows) || !take(head.columns)) return false;
  head.as_lists = flags == 1;
  // Each value takes a byte at least; rows without columns are bounded too.
  if (head.columns == 0) return head.rows <= 1u << 20;
  return head.rows <= rest_.size() / head.columns;
}

bool Decoder::take_zone(Moment& moment) noexcept {
  std::uint8_t zone;
  if (!take(zone) || zone > static_cast<std::uint8_t>(Zone::pytz_utc)) return false;
  moment.zone = static_cast<Zone>(zone);
  if (moment.zone == Zone::offset) return take(moment.offset_microseconds);
  if (moment.zone == Zone::key) {
    std::size_t size;
    return take_length(size) && take_data(size, moment.key);
  }
  return true;
}

bool Decoder::take_clock(Moment& moment) noexcept {
  return take(moment.hour) && take(moment.minute) && take(moment.second) && take(moment.fold) &&
         take(moment.microsecond) && take_zone(moment) && moment.hour < 24 && moment.minute < 60 &&
         moment.second < 60 && moment.fold < 2 && moment.microsecond < 1000000;
}

bool Decoder::take_text(EncodedValue& token) noexcept {
  const std::size_t width = token.type == Type::text_ucs4 ? 4 : token.type == Type::text_ucs2 ? 2 : 1;
  if (!take_length(token.length) || token.length > rest_.size() / width) return false;
  if (!take_data(token.length * width, token.data)) return false;
  if (token.type == Type::text_ascii) return is_ascii(token.data);
  if (token.type == Type::text_ucs4) return are_code_points(token.data);
  return true;
}

bool Decoder::take_value(EncodedValue& token) noexcept {
  switch (token.type) {
    case Type::none:
    case Type::false_value:
    case Type::true_value:
      return true;
    case Type::int8: {
      std::int8_t value;
      if (!take(value)) return false;
      token.integer = value;
      return true;
    }
    case Type::int32: {
      std::int32_t value;
      if (!take(value)) return false;
      token.integer = value;
      return true;
    }
    case Type::int64:
      return take(token.integer);
    case Type::float64:
      return take(token.number);
    case Type::text_ascii:
    case Type::text_latin1:
    case Type::text_ucs2:
    case Type::text_ucs4:
      return take_text(token);
    case Type::bytes:
    case Type::memory_view:
    case Type::decimal:
    case Type::big_int: {
      std::size_t size;
      if (!take_length(size) || !take_data(size, token.data)) return false;
      if (token.type == Type::big_int) return is_hexadecimal(token.data);
      return token.type == Type::bytes || token.type == Type::memory_view || is_ascii(token.data);
    }
    case Type::date:
      return take(token.moment.year) && take(token.moment.month) && take(token.moment.day);
    case Type::time:
      return take_clock(token.moment);
    case Type::datetime:
      return take(token.moment.year) && take(token.moment.month) && take(token.moment.day) &&
             take_clock(token.moment);
    case Type::timedelta:
      return take(token.duration.days) && take(token.duration.seconds) && take(token.duration.microseconds);
    case Type::uuid:
      return take_data(16, token.data);
    case Type::list:
    case Type::tuple:
      return take_length(token.length) && token.length <= rest_.size();
    case Type::dict:
      return take_length(token.length) && token.length <= rest_.size() / 2;
    default:
      return false;
  }
}

bool Decoder::next(EncodedValue& token) noexcept {
  if (failed_ || rest_.empty()) {
    token.type = failed_ ? Type::malformed : Type::end;
    return false;
  }
  std::uint8_t tag = 0;
  take(tag);
  token.type = static_cast<Type>(tag);
  if (take_value(token)) return true;
  token.type = Type::malformed;
  failed_ = true;
  return false;
}

}  // namespace cache_me
