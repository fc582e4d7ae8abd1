#include "row_decoder.hpp"

#include <algorithm>
#include <cstring>

#include "collector_pause.hpp"
#include "compat_datetime.hpp"
#include "decimal_table.hpp"
#include "row_codec.hpp"
#include "row_codec_types.hpp"
#include "slots.hpp"

namespace cache_me::python {
namespace {

PyRef malformed() {
  if (PyErr_Occurred() == nullptr || PyErr_ExceptionMatches(PyExc_Exception)) {
    if (PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_MemoryError)) return PyRef();
    PyErr_SetString(PyExc_ValueError, "malformed rows");
  }
  return PyRef();
}

PyRef make_text(const EncodedValue& token) {
  const auto length = static_cast<Py_ssize_t>(token.length);
  switch (token.type) {
    case Type::text_ascii: {
      PyRef text = PyRef::steal(PyUnicode_New(length, 127));
      if (text && length != 0) std::memcpy(PyUnicode_DATA(text.get()), token.data.data(), token.data.size());
      return text;
    }
    case Type::text_latin1:
      return PyRef::steal(PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, token.data.data(), length));
    default: {
      // The kinds of two and four bytes are read as such, so the bytes have to be aligned.
      const std::string aligned(token.data);
      const int kind = token.type == Type::text_ucs2 ? PyUnicode_2BYTE_KIND : PyUnicode_4BYTE_KIND;
      return PyRef::steal(PyUnicode_FromKindAndData(kind, aligned.data(), length));
    }
  }
}

PyRef make_big_int(const EncodedValue& token) {
  const std::string text(token.data);
  return PyRef::steal(PyLong_FromString(text.c_str(), nullptr, 16));
}

// As uuid.UUID.__init__ does it, which forbids attributes to be set by the ordinary way.
PyRef make_uuid(const EncodedValue& token) {
  const CodecTypes& types = codec_types();
  PyRef number = PyRef::steal(
      _PyLong_FromByteArray(reinterpret_cast<const unsigned char*>(token.data.data()), 16, 0, 0));
  if (!number) return PyRef();
  PyRef uuid = PyRef::steal(types.uuid->tp_alloc(types.uuid, 0));
  if (!uuid) return PyRef();
  if (types.uuid_int != 0 && types.uuid_is_safe != 0) {
    set_slot(uuid.get(), types.uuid_int, std::move(number));
    set_slot(uuid.get(), types.uuid_is_safe, PyRef::borrow(types.safe_unknown));
    return uuid;
  }
  if (PyObject_GenericSetAttr(uuid.get(), types.name_int, number.get()) < 0 ||
      PyObject_GenericSetAttr(uuid.get(), types.name_is_safe, types.safe_unknown) < 0) {
    return PyRef();
  }
  return uuid;
}

// The format's letter, then the bytes.
PyRef make_memory_view(const EncodedValue& token) {
  if (token.data.empty() || (token.data.front() != 'B' && token.data.front() != 'c')) return PyRef();
  const PyRef bytes = PyRef::steal(
      PyBytes_FromStringAndSize(token.data.data() + 1, static_cast<Py_ssize_t>(token.data.size() - 1)));
  if (!bytes) return PyRef();
  PyRef view = PyRef::steal(PyMemoryView_FromObject(bytes.get()));
  if (!view || token.data.front() == 'B') return view;
  return PyRef::steal(PyObject_CallMethod(view.get(), "cast", "s", "c"));
}

PyRef make_zone(const Moment& moment) {
  const CodecTypes& types = codec_types();
  switch (moment.zone) {
    case Zone::naive:
      return PyRef::borrow(Py_None);
    case Zone::utc:
      return PyRef::borrow(PyDateTime_TimeZone_UTC);
    case Zone::pytz_utc:
      return PyRef::borrow(types.pytz_utc);
    case Zone::offset: {
      const std::int64_t seconds = moment.offset_microseconds / 1000000;
      const auto rest = static_cast<int>(moment.offset_microseconds % 1000000);
      if (seconds < -86400 || seconds > 86400) return PyRef();
      const PyRef delta = PyRef::steal(PyDelta_FromDSU(0, static_cast<int>(seconds), rest));
      return delta ? PyRef::steal(PyTimeZone_FromOffset(delta.get())) : PyRef();
    }
    case Zone::key: {
      if (types.zone_info == nullptr) return PyRef();
      const PyRef key = PyRef::steal(
          PyUnicode_FromStringAndSize(moment.key.data(), static_cast<Py_ssize_t>(moment.key.size())));
      if (!key) return PyRef();
      return PyRef::steal(
          PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(types.zone_info), key.get(), nullptr));
    }
  }
  return PyRef();
}

PyRef make_datetime(const Moment& m) {
  const PyRef zone = make_zone(m);
  if (!zone) return PyRef();
  return PyRef::steal(PyDateTimeAPI->DateTime_FromDateAndTimeAndFold(
      m.year, m.month, m.day, m.hour, m.minute, m.second, static_cast<int>(m.microsecond), zone.get(), m.fold,
      PyDateTimeAPI->DateTimeType));
}

PyRef make_time(const Moment& m) {
  const PyRef zone = make_zone(m);
  if (!zone) return PyRef();
  return PyRef::steal(PyDateTimeAPI->Time_FromTimeAndFold(m.hour, m.minute, m.second,
                                                          static_cast<int>(m.microsecond), zone.get(), m.fold,
                                                          PyDateTimeAPI->TimeType));
}

PyRef make_value(Decoder& decoder, EncodedValue& token, int depth);

PyRef next_value(Decoder& decoder, EncodedValue& token, int depth) {
  return decoder.next(token) ? make_value(decoder, token, depth) : PyRef();
}

PyRef make_sequence(Decoder& decoder, EncodedValue& token, int depth) {
  const bool as_list = token.type == Type::list;
  const auto size = static_cast<Py_ssize_t>(token.length);
  PyRef sequence = PyRef::steal(as_list ? PyList_New(size) : PyTuple_New(size));
  for (Py_ssize_t i = 0; sequence && i < size; ++i) {
    PyRef item = next_value(decoder, token, depth + 1);
    if (!item) return PyRef();
    if (as_list) {
      PyList_SET_ITEM(sequence.get(), i, item.release());
    } else {
      PyTuple_SET_ITEM(sequence.get(), i, item.release());
    }
  }
  return sequence;
}

PyRef make_dict(Decoder& decoder, EncodedValue& token, int depth) {
  PyRef dict = PyRef::steal(PyDict_New());
  const std::size_t size = token.length;
  for (std::size_t i = 0; dict && i < size; ++i) {
    const PyRef key = next_value(decoder, token, depth + 1);
    if (!key) return PyRef();
    const PyRef value = next_value(decoder, token, depth + 1);
    if (!value || PyDict_SetItem(dict.get(), key.get(), value.get()) < 0) return PyRef();
  }
  return dict;
}

PyRef make_value(Decoder& decoder, EncodedValue& token, int depth) {
  switch (token.type) {
    case Type::none:
      return PyRef::borrow(Py_None);
    case Type::false_value:
      return PyRef::borrow(Py_False);
    case Type::true_value:
      return PyRef::borrow(Py_True);
    case Type::int8:
    case Type::int32:
    case Type::int64:
      return PyRef::steal(PyLong_FromLongLong(token.integer));
    case Type::big_int:
      return make_big_int(token);
    case Type::float64:
      return PyRef::steal(PyFloat_FromDouble(token.number));
    case Type::text_ascii:
    case Type::text_latin1:
    case Type::text_ucs2:
    case Type::text_ucs4:
      return make_text(token);
    case Type::bytes:
      return PyRef::steal(
          PyBytes_FromStringAndSize(token.data.data(), static_cast<Py_ssize_t>(token.data.size())));
    case Type::memory_view:
      return make_memory_view(token);
    case Type::decimal:
      return decimal_table().get(token.data);
    case Type::date:
      return PyRef::steal(PyDateTimeAPI->Date_FromDate(token.moment.year, token.moment.month,
                                                       token.moment.day, PyDateTimeAPI->DateType));
    case Type::time:
      return make_time(token.moment);
    case Type::datetime:
      return make_datetime(token.moment);
    case Type::timedelta:
      return PyRef::steal(
          PyDelta_FromDSU(token.duration.days, token.duration.seconds, token.duration.microseconds));
    case Type::uuid:
      return make_uuid(token);
    case Type::list:
    case Type::tuple:
      return depth >= kMaxDepth ? PyRef() : make_sequence(decoder, token, depth);
    case Type::dict:
      return depth >= kMaxDepth ? PyRef() : make_dict(decoder, token, depth);
    default:
      return PyRef();
  }
}

}  // namespace

bool RowDecoder::begin(RowsHead& head) {
  if (!decoder_.read_rows_head(head_)) return static_cast<bool>(malformed());
  head = head_;
  return true;
}

PyRef RowDecoder::next_value() {
  PyRef value = python::next_value(decoder_, token_, 0);
  return value ? std::move(value) : malformed();
}

bool RowDecoder::next(RowBuffer& row) {
  row.clear();
  for (std::uint32_t column = 0; column < head_.columns; ++column) {
    PyRef value = next_value();
    if (!value) return false;
    row.push(std::move(value));
  }
  return true;
}

PyRef RowDecoder::next() {
  const auto columns = static_cast<Py_ssize_t>(head_.columns);
  PyRef row = PyRef::steal(head_.as_lists ? PyList_New(columns) : PyTuple_New(columns));
  for (Py_ssize_t column = 0; row && column < columns; ++column) {
    PyRef value = next_value();
    if (!value) return PyRef();
    if (head_.as_lists) {
      PyList_SET_ITEM(row.get(), column, value.release());
    } else {
      PyTuple_SET_ITEM(row.get(), column, value.release());
    }
  }
  return row;
}

bool RowDecoder::end() {
  return decoder_.left() == 0 || static_cast<bool>(malformed());
}

PyRef decode_rows(std::string_view bytes) {
  RowDecoder decoder(bytes);
  RowsHead head;
  if (!decoder.begin(head)) return PyRef();
  PyRef rows = PyRef::steal(PyList_New(static_cast<Py_ssize_t>(head.rows)));
  for (std::uint32_t i = 0; rows && i < head.rows;) {
    const CollectorPause pause(head.rows > 1);
    for (std::uint32_t stop = std::min(head.rows, i + kRowsPerPause); i < stop; ++i) {
      PyRef row = decoder.next();
      if (!row) return PyRef();
      PyList_SET_ITEM(rows.get(), static_cast<Py_ssize_t>(i), row.release());
    }
  }
  return rows && decoder.end() ? std::move(rows) : PyRef();
}

PyRef decode_single(std::string_view bytes) {
  Decoder decoder(bytes);
  EncodedValue token;
  PyRef value = next_value(decoder, token, 0);
  if (!value || decoder.left() != 0) return malformed();
  return value;
}

// Each translation unit has a PyDateTimeAPI of its own.
bool import_datetime_for_decoder() {
  PyDateTime_IMPORT;
  return PyDateTimeAPI != nullptr;
}

}  // namespace cache_me::python
