// Arbitrary bytes into the decoder; what it accepts is encoded again and must be the same bytes, for the
// encoding is canonical.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cache_me/codec.hpp"

using namespace cache_me;

namespace {

void append(Encoder& encoder, const EncodedValue& token) {
  switch (token.type) {
    case Type::none:
      return encoder.append_none();
    case Type::false_value:
    case Type::true_value:
      return encoder.append_bool(token.type == Type::true_value);
    case Type::int8:
    case Type::int32:
    case Type::int64:
      return encoder.append_int(token.integer);
    case Type::big_int:
      return encoder.append_big_int(token.data);
    case Type::float64:
      return encoder.append_float(token.number);
    case Type::text_ascii:
    case Type::text_latin1:
    case Type::text_ucs2:
    case Type::text_ucs4:
      return encoder.append_text(token.type, token.data.data(), token.length);
    case Type::bytes:
      return encoder.append_bytes(token.data);
    case Type::memory_view:
      return encoder.append_memory_view(token.data);
    case Type::decimal:
      return encoder.append_decimal(token.data);
    case Type::date:
      return encoder.append_date(token.moment);
    case Type::time:
      return encoder.append_time(token.moment);
    case Type::datetime:
      return encoder.append_datetime(token.moment);
    case Type::timedelta:
      return encoder.append_timedelta(token.duration);
    case Type::uuid:
      return encoder.append_uuid(token.data.data());
    case Type::list:
    case Type::tuple:
    case Type::dict:
      return encoder.begin_nest(token.type, token.length);
    default:
      std::abort();
  }
}

// Integers in a longer form than they need are accepted, and come back in the shortest.
bool may_shrink(const EncodedValue& token) {
  return token.type == Type::int32 || token.type == Type::int64;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  RowsHead head;
  Decoder(bytes).read_rows_head(head);
  Decoder decoder(bytes);
  EncodedValue token;
  while (true) {
    const std::size_t before = decoder.left();
    if (!decoder.next(token)) break;
    Encoder encoder;
    append(encoder, token);
    const std::string_view taken = bytes.substr(size - before, before - decoder.left());
    if (encoder.bytes() != taken && !may_shrink(token)) std::abort();
  }
  return 0;
}
