#include <cstring>

#include "cache_me/codec.hpp"

namespace cache_me {
namespace {

template <typename T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // little-endian machines only, see static_assert in the decoder
  out.append(bytes, sizeof value);
}

}  // namespace

void Encoder::append_rows_head(const RowsHead& head) {
  put(out_, kCodecVersion);
  put(out_, static_cast<std::uint8_t>(head.as_lists ? 1 : 0));
  put(out_, head.rows);
  put(out_, head.columns);
}

void Encoder::append_int(std::int64_t value) {
  if (value == static_cast<std::int8_t>(value)) {
    tag(Type::int8);
    put(out_, static_cast<std::int8_t>(value));
  } else if (value == static_cast<std::int32_t>(value)) {
    tag(Type::int32);
    put(out_, static_cast<std::int32_t>(value));
  } else {
    tag(Type::int64);
    put(out_, value);
  }
}

void Encoder::append_big_int(std::string_view hexadecimal) {
  append_sized(Type::big_int, hexadecimal);
}

void Encoder::append_float(double value) {
  tag(Type::float64);
  put(out_, value);
}

void Encoder::append_text(Type type, const void* data, std::size_t length) {
  tag(type);
  append_length(length);
  const std::size_t width = type == Type::text_ucs4 ? 4 : type == Type::text_ucs2 ? 2 : 1;
  if (length != 0) out_.append(static_cast<const char*>(data), length * width);
}

void Encoder::append_bytes(std::string_view data) {
  append_sized(Type::bytes, data);
}

void Encoder::append_decimal(std::string_view text) {
  append_sized(Type::decimal, text);
}

void Encoder::append_date(const Moment& moment) {
  tag(Type::date);
  put(out_, moment.year);
  put(out_, moment.month);
  put(out_, moment.day);
}

void Encoder::append_time(const Moment& moment) {
  tag(Type::time);
  append_clock(moment);
}

void Encoder::append_datetime(const Moment& moment) {
  tag(Type::datetime);
  put(out_, moment.year);
  put(out_, moment.month);
  put(out_, moment.day);
  append_clock(moment);
}

void Encoder::append_timedelta(const Duration& duration) {
  tag(Type::timedelta);
  put(out_, duration.days);
  put(out_, duration.seconds);
  put(out_, duration.microseconds);
}

void Encoder::append_uuid(const void* sixteen_bytes) {
  tag(Type::uuid);
  out_.append(static_cast<const char*>(sixteen_bytes), 16);
}

void Encoder::begin_nest(Type type, std::size_t count) {
  tag(type);
  append_length(count);
}

// One byte up to 254; the byte 255 and then eight bytes beyond.
void Encoder::append_length(std::size_t length) {
  if (length < 255) {
    put(out_, static_cast<std::uint8_t>(length));
  } else {
    put(out_, std::uint8_t{255});
    put(out_, static_cast<std::uint64_t>(length));
  }
}

void Encoder::append_sized(Type type, std::string_view data) {
  tag(type);
  append_length(data.size());
  out_.append(data);
}

void Encoder::append_clock(const Moment& moment) {
  put(out_, moment.hour);
  put(out_, moment.minute);
  put(out_, moment.second);
  put(out_, moment.fold);
  put(out_, moment.microsecond);
  append_zone(moment);
}

void Encoder::append_zone(const Moment& moment) {
  put(out_, moment.zone);
  if (moment.zone == Zone::offset) put(out_, moment.offset_microseconds);
  if (moment.zone == Zone::key) {
    append_length(moment.key.size());
    out_.append(moment.key);
  }
}

}  // namespace cache_me
