// Typed values as bytes: the rows of an entry, and query parameters on their way into a key.
//
// An Encoder appends values to a growing buffer, a Decoder yields them one typed token at a time. The
// invariants:
//
// - Canonical: one value has one encoding, and two different values (True, 1 and 1.0 too) have different
// ones.
// - Self-delimiting: a value says its own length; a nest says how many values follow.
// - Never trusted: the decoder checks every length against the bytes that are left before anything is read or
//   reserved, and every number that is not a free one. Malformed bytes end in Type::malformed, for good.
//
// Text keeps CPython's own storage kind (PEP 393), so that a string is made by one allocation and one copy.
// Numbers are little-endian and unaligned. The format is written up in docs/format.md. Nothing here is
// shared: each object serves one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cache_me {

// Another number makes old entries misses (it is part of their fingerprint).
inline constexpr std::uint8_t kCodecVersion = 1;
// How deep lists, tuples and dicts may stand in each other.
inline constexpr int kMaxDepth = 64;

enum class Type : std::uint8_t {
  none = 0,
  false_value = 1,
  true_value = 2,
  int8 = 3,
  int32 = 4,
  int64 = 5,
  big_int = 6,  // as text: an optional '-', "0x", hexadecimal digits
  float64 = 7,
  text_ascii = 8,
  text_latin1 = 9,
  text_ucs2 = 10,
  text_ucs4 = 11,
  bytes = 12,
  decimal = 13,  // as text
  date = 14,
  time = 15,
  datetime = 16,
  timedelta = 17,
  uuid = 18,
  list = 19,
  tuple = 20,
  dict = 21,
  memory_view = 22,  // its format's letter, then its bytes; psycopg 2 gives them for binary columns
  end = 254,         // decoder only: no bytes are left
  malformed = 255,   // decoder only
};

// What zone an aware time or datetime carries.
enum class Zone : std::uint8_t {
  naive = 0,
  utc = 1,       // datetime.timezone.utc itself
  offset = 2,    // datetime.timezone of a fixed offset without a name
  key = 3,       // zoneinfo.ZoneInfo of a key
  pytz_utc = 4,  // pytz.utc itself, which Django 3.2 uses
};

// A date, a time, or both. The decoder checks ranges only as far as the fields' widths; the calendar is up to
// whoever makes a date of it.
struct Moment {
  std::uint16_t year = 0;
  std::uint8_t month = 0, day = 0, hour = 0, minute = 0, second = 0, fold = 0;
  std::uint32_t microsecond = 0;
  Zone zone = Zone::naive;
  std::int64_t offset_microseconds = 0;  // for Zone::offset
  std::string_view key;                  // for Zone::key, UTF-8
};

struct Duration {
  std::int32_t days = 0, seconds = 0, microseconds = 0;
};

// The number of values in a rows blob, and how each row comes back.
struct RowsHead {
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  bool as_lists = false;  // rows are lists; otherwise tuples
};

class Encoder {
 public:
  void append_rows_head(const RowsHead& head);
  void append_none() { tag(Type::none); }
  void append_bool(bool value) { tag(value ? Type::true_value : Type::false_value); }
  void append_int(std::int64_t value);
  void append_big_int(std::string_view hexadecimal);
  void append_float(double value);
  // `data` holds `length` code points of 1, 2 or 4 bytes each, as `type` (one of the text_…) says.
  void append_text(Type type, const void* data, std::size_t length);
  void append_bytes(std::string_view data);
  void append_memory_view(std::string_view data);
  void append_decimal(std::string_view text);
  void append_date(const Moment& moment);
  void append_time(const Moment& moment);
  void append_datetime(const Moment& moment);
  void append_timedelta(const Duration& duration);
  void append_uuid(const void* sixteen_bytes);
  // `count` values are to be appended next; for a dict, `count` pairs of key and value.
  void begin_nest(Type type, std::size_t count);

  const std::string& bytes() const noexcept { return out_; }
  std::string& bytes() noexcept { return out_; }
  void clear() noexcept { out_.clear(); }

 private:
  void tag(Type type) { out_.push_back(static_cast<char>(type)); }
  void append_length(std::size_t length);
  void append_sized(Type type, std::string_view data);
  void append_clock(const Moment& moment);
  void append_zone(const Moment& moment);

  std::string out_;
};

struct EncodedValue {
  Type type = Type::malformed;
  std::int64_t integer = 0;  // int8, int32, int64
  double number = 0;         // float64
  std::string_view data;     // text in its kind, bytes, memory_view, big_int, decimal, uuid (16 bytes)
  std::size_t length = 0;    // text: code points; nests: values, or pairs of a dict
  Moment moment;             // date, time, datetime
  Duration duration;         // timedelta
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) noexcept : rest_(bytes) {}

  // The head of a rows blob of this codec's version; false if it isn't one, or promises more values than its
  // bytes could hold.
  bool read_rows_head(RowsHead& head) noexcept;

  // The next value into `token`; false for Type::end and Type::malformed.
  bool next(EncodedValue& token) noexcept;

  std::size_t left() const noexcept { return rest_.size(); }

 private:
  template <typename T>
  bool take(T& value) noexcept;
  bool take_length(std::size_t& length) noexcept;
  bool take_data(std::size_t size, std::string_view& data) noexcept;
  bool take_clock(Moment& moment) noexcept;
  bool take_zone(Moment& moment) noexcept;
  bool take_text(EncodedValue& token) noexcept;
  bool take_value(EncodedValue& token) noexcept;

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace cache_me
