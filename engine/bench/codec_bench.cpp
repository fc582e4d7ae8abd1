// What decoding a row costs without making any object of it.
#include <benchmark/benchmark.h>

#include "cache_me/codec.hpp"

namespace cache_me {
namespace {

// Ten columns as a shop's product has them.
void append_row(Encoder& encoder, std::int64_t number) {
  Moment moment;
  moment.year = 2024, moment.month = 5, moment.day = 17, moment.zone = Zone::utc;
  encoder.append_int(number);
  encoder.append_text(Type::text_ascii, "A product's name of some length", 31);
  encoder.append_int(number * 1000003);
  encoder.append_decimal("1234.50");
  encoder.append_float(0.25);
  encoder.append_bool(true);
  encoder.append_date(moment);
  encoder.append_datetime(moment);
  encoder.append_uuid("0123456789abcdef");
  encoder.append_none();
}

void BM_Encode(benchmark::State& state) {
  Encoder encoder;
  for (auto _ : state) {
    encoder.clear();
    for (std::int64_t row = 0; row < state.range(0); ++row) append_row(encoder, row);
    benchmark::DoNotOptimize(encoder.bytes().data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Encode)->Arg(1)->Arg(20)->Arg(1000);

void BM_Decode(benchmark::State& state) {
  Encoder encoder;
  for (std::int64_t row = 0; row < state.range(0); ++row) append_row(encoder, row);
  for (auto _ : state) {
    Decoder decoder(encoder.bytes());
    EncodedValue token;
    while (decoder.next(token)) benchmark::DoNotOptimize(token);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Decode)->Arg(1)->Arg(20)->Arg(1000);

}  // namespace
}  // namespace cache_me
