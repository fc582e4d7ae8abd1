// row_codec.hpp for Python.
#include <nanobind/nanobind.h>

#include "bindings.hpp"
#include "cache_me/codec.hpp"
#include "row_codec.hpp"
#include "unsupported_type.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

nb::bytes encoded(Encoded outcome, const Encoder& encoder, const Unknown& unknown) {
  raise_unless_encoded(outcome, unknown);
  return nb::bytes(encoder.bytes().data(), encoder.bytes().size());
}

nb::bytes encode_all(nb::list rows) {
  Encoder encoder;
  Unknown unknown;
  return encoded(encode_rows(encoder, rows.ptr(), unknown), encoder, unknown);
}

nb::bytes encode_one(nb::handle value) {
  Encoder encoder;
  Unknown unknown;
  return encoded(encode_value(encoder, value.ptr(), unknown), encoder, unknown);
}

nb::object owned(PyRef value) {
  if (!value) throw nb::python_error();
  return nb::steal(value.release());
}

}  // namespace
}  // namespace cache_me::python

void register_row_codec(nb::module_& module) {
  using namespace cache_me::python;

  if (!init_row_codec()) throw nb::python_error();
  register_unsupported_type(module);
  module.attr("CODEC_VERSION") = cache_me::kCodecVersion;
  module.def("encode_rows", &encode_all, "rows"_a,
             nb::sig("def encode_rows(rows: list[typing.Any]) -> bytes"),
             "Rows (all tuples or all lists, of equal length) as bytes. Raises UnsupportedType.");
  module.def(
      "decode_rows",
      [](const nb::bytes& bytes) {
        return owned(decode_rows({bytes.c_str(), bytes.size()}));
      },
      "bytes"_a, nb::sig("def decode_rows(bytes: bytes) -> list[typing.Any]"),
      "New rows; mutable values are made anew. Raises ValueError for malformed bytes.");
  module.def("encode_value", &encode_one, "value"_a.none(),
             nb::sig("def encode_value(value: object) -> bytes"),
             "One value as bytes, the same for equal values of equal types. Raises UnsupportedType.");
  module.def(
      "decode_value",
      [](const nb::bytes& bytes) {
        return owned(decode_single({bytes.c_str(), bytes.size()}));
      },
      "bytes"_a, nb::sig("def decode_value(bytes: bytes) -> object"),
      "The value. Raises ValueError for malformed bytes.");
}
