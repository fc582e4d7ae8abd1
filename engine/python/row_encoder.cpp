
#include <cstring>

#include "compat_datetime.hpp"
#include "row_codec.hpp"
#include "row_codec_types.hpp"

namespace cache_me::python {
namespace {

Encoded fail_with_type(PyObject* value, Unknown& unknown) {
  const PyRef type = PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(value)));
  const PyRef module = PyRef::steal(PyObject_GetAttrString(type.get(), "__module__"));
  const PyRef name = PyRef::steal(PyObject_GetAttrString(type.get(), "__qualname__"));
  const char* words = module && PyUnicode_Check(module.get()) ? PyUnicode_AsUTF8(module.get()) : nullptr;
  unknown.type = words != nullptr ? std::string(words) + "." : std::string();
  words = name && PyUnicode_Check(name.get()) ? PyUnicode_AsUTF8(name.get()) : nullptr;
  unknown.type += words != nullptr ? words : Py_TYPE(value)->tp_name;
  PyErr_Clear();
  return Encoded::unknown_type;
}

Encoded encode_int(Encoder& encoder, PyObject* value) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow == 0) {
    if (number == -1 && PyErr_Occurred() != nullptr) return Encoded::python_error;
    encoder.append_int(number);
    return Encoded::ok;
  }
  const PyRef text = PyRef::steal(PyNumber_ToBase(value, 16));
  if (!text) return Encoded::python_error;
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.get(), &size);
  if (data == nullptr) return Encoded::python_error;
  encoder.append_big_int({data, static_cast<std::size_t>(size)});
  return Encoded::ok;
}

Encoded encode_text(Encoder& encoder, PyObject* value) {
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(value) < 0) return Encoded::python_error;
#endif
  Type type = Type::text_latin1;
  if (PyUnicode_IS_ASCII(value)) {
    type = Type::text_ascii;
  } else if (PyUnicode_KIND(value) == PyUnicode_2BYTE_KIND) {
    type = Type::text_ucs2;
  } else if (PyUnicode_KIND(value) == PyUnicode_4BYTE_KIND) {
    type = Type::text_ucs4;
  }
  encoder.append_text(type, PyUnicode_DATA(value), static_cast<std::size_t>(PyUnicode_GET_LENGTH(value)));
  return Encoded::ok;
}

Encoded encode_decimal(Encoder& encoder, PyObject* value) {
  const PyRef text = PyRef::steal(PyObject_Str(value));  // exact for every Decimal, by its specification
  if (!text) return Encoded::python_error;
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.get(), &size);
  if (data == nullptr) return Encoded::python_error;
  encoder.append_decimal({data, static_cast<std::size_t>(size)});
  return Encoded::ok;
}

Encoded encode_uuid(Encoder& encoder, PyObject* value) {
  const PyRef safety = PyRef::steal(PyObject_GetAttr(value, codec_types().name_is_safe));
  if (!safety) return Encoded::python_error;
  if (safety.get() != codec_types().safe_unknown) return Encoded::unknown_type;
  const PyRef bytes = PyRef::steal(PyObject_GetAttr(value, codec_types().name_bytes));
  if (!bytes) return Encoded::python_error;
  if (!PyBytes_CheckExact(bytes.get()) || PyBytes_GET_SIZE(bytes.get()) != 16) return Encoded::unknown_type;
  encoder.append_uuid(PyBytes_AS_STRING(bytes.get()));
  return Encoded::ok;
}

// The fixed offset of a datetime.timezone; one with a name of its own is an unknown type.
Encoded fixed_offset(PyObject* zone, Moment& moment) {
  const PyRef arguments = PyRef::steal(PyObject_CallMethod(zone, "__getinitargs__", nullptr));
  if (!arguments) return Encoded::python_error;
  if (!PyTuple_CheckExact(arguments.get()) || PyTuple_GET_SIZE(arguments.get()) != 1) {
    return Encoded::unknown_type;
  }
  PyObject* offset = PyTuple_GET_ITEM(arguments.get(), 0);
  if (!PyDelta_CheckExact(offset)) return Encoded::unknown_type;
  moment.zone = Zone::offset;
  moment.offset_microseconds =
      (std::int64_t{PyDateTime_DELTA_GET_DAYS(offset)} * 86400 + PyDateTime_DELTA_GET_SECONDS(offset)) *
          1000000 +
      PyDateTime_DELTA_GET_MICROSECONDS(offset);
  return Encoded::ok;
}

// `key_owner` keeps the text alive that `moment.key` points into.
Encoded encode_zone(PyObject* zone, Moment& moment, PyRef& key_owner) {
  const CodecTypes& types = codec_types();
  if (zone == Py_None) return Encoded::ok;
  if (zone == PyDateTime_TimeZone_UTC) {
    moment.zone = Zone::utc;
    return Encoded::ok;
  }
  if (types.pytz_utc != nullptr && zone == types.pytz_utc) {
    moment.zone = Zone::pytz_utc;
    return Encoded::ok;
  }
  if (Py_TYPE(zone) == types.fixed_zone) return fixed_offset(zone, moment);
  if (types.zone_info == nullptr || Py_TYPE(zone) != types.zone_info) return Encoded::unknown_type;
  key_owner = PyRef::steal(PyObject_GetAttr(zone, types.name_key));
  if (!key_owner) return Encoded::python_error;
  if (!PyUnicode_CheckExact(key_owner.get())) return Encoded::unknown_type;  // made from a file
  Py_ssize_t size = 0;
  const char* key = PyUnicode_AsUTF8AndSize(key_owner.get(), &size);
  if (key == nullptr) return Encoded::python_error;
  moment.zone = Zone::key;
  moment.key = {key, static_cast<std::size_t>(size)};
  return Encoded::ok;
}

Encoded encode_datetime(Encoder& encoder, PyObject* value) {
  Moment moment;
  moment.year = static_cast<std::uint16_t>(PyDateTime_GET_YEAR(value));
  moment.month = static_cast<std::uint8_t>(PyDateTime_GET_MONTH(value));
  moment.day = static_cast<std::uint8_t>(PyDateTime_GET_DAY(value));
  moment.hour = static_cast<std::uint8_t>(PyDateTime_DATE_GET_HOUR(value));
  moment.minute = static_cast<std::uint8_t>(PyDateTime_DATE_GET_MINUTE(value));
  moment.second = static_cast<std::uint8_t>(PyDateTime_DATE_GET_SECOND(value));
  moment.microsecond = static_cast<std::uint32_t>(PyDateTime_DATE_GET_MICROSECOND(value));
  moment.fold = static_cast<std::uint8_t>(PyDateTime_DATE_GET_FOLD(value));
  PyRef key;
  const Encoded zone = encode_zone(compat::datetime_zone(value), moment, key);
  if (zone == Encoded::ok) encoder.append_datetime(moment);
  return zone;
}

Encoded encode_time(Encoder& encoder, PyObject* value) {
  Moment moment;
  moment.hour = static_cast<std::uint8_t>(PyDateTime_TIME_GET_HOUR(value));
  moment.minute = static_cast<std::uint8_t>(PyDateTime_TIME_GET_MINUTE(value));
  moment.second = static_cast<std::uint8_t>(PyDateTime_TIME_GET_SECOND(value));
  moment.microsecond = static_cast<std::uint32_t>(PyDateTime_TIME_GET_MICROSECOND(value));
  moment.fold = static_cast<std::uint8_t>(PyDateTime_TIME_GET_FOLD(value));
  PyRef key;
  const Encoded zone = encode_zone(compat::time_zone(value), moment, key);
  if (zone == Encoded::ok) encoder.append_time(moment);
  return zone;
}

Encoded encode_date(Encoder& encoder, PyObject* value) {
  Moment moment;
  moment.year = static_cast<std::uint16_t>(PyDateTime_GET_YEAR(value));
  moment.month = static_cast<std::uint8_t>(PyDateTime_GET_MONTH(value));
  moment.day = static_cast<std::uint8_t>(PyDateTime_GET_DAY(value));
  encoder.append_date(moment);
  return Encoded::ok;
}

// Only a plain run of bytes; other shapes and formats are unknown types.
Encoded encode_memory_view(Encoder& encoder, PyObject* value) {
  const Py_buffer* view = PyMemoryView_GET_BUFFER(value);
  const bool plain = view->ndim == 1 && view->itemsize == 1 && view->format != nullptr &&
                     (std::strcmp(view->format, "B") == 0 || std::strcmp(view->format, "c") == 0) &&
                     PyBuffer_IsContiguous(view, 'C') != 0;
  if (!plain) return Encoded::unknown_type;
  std::string data(view->format, 1);
  data.append(static_cast<const char*>(view->buf), static_cast<std::size_t>(view->len));
  encoder.append_memory_view(data);
  return Encoded::ok;
}

// Lists and tuples alike; their length may not change meanwhile, for no Python code of others runs here.
Encoded encode_sequence(Encoder& encoder, PyObject* value, Type type, Unknown& unknown, int depth) {
  const Py_ssize_t size = Py_SIZE(value);
  encoder.begin_nest(type, static_cast<std::size_t>(size));
  for (Py_ssize_t i = 0; i < size; ++i) {
    PyObject* item = type == Type::list ? PyList_GET_ITEM(value, i) : PyTuple_GET_ITEM(value, i);
    const Encoded encoded = encode_value(encoder, item, unknown, depth + 1);
    if (encoded != Encoded::ok) return encoded;
  }
  return Encoded::ok;
}

Encoded encode_dict(Encoder& encoder, PyObject* value, Unknown& unknown, int depth) {
  encoder.begin_nest(Type::dict, static_cast<std::size_t>(PyDict_GET_SIZE(value)));
  Py_ssize_t position = 0;
  PyObject* key = nullptr;
  PyObject* item = nullptr;
  while (PyDict_Next(value, &position, &key, &item) != 0) {
    for (PyObject* part : {key, item}) {
      const Encoded encoded = encode_value(encoder, part, unknown, depth + 1);
      if (encoded != Encoded::ok) return encoded;
    }
  }
  return Encoded::ok;
}

Encoded encode_other(Encoder& encoder, PyObject* value, Unknown& unknown, int depth) {
  PyTypeObject* type = Py_TYPE(value);
  const CodecTypes& types = codec_types();
  if (type == types.decimal) return encode_decimal(encoder, value);
  if (PyDateTime_CheckExact(value)) return encode_datetime(encoder, value);
  if (PyDate_CheckExact(value)) return encode_date(encoder, value);
  if (PyTime_CheckExact(value)) return encode_time(encoder, value);
  if (PyDelta_CheckExact(value)) {
    encoder.append_timedelta({PyDateTime_DELTA_GET_DAYS(value), PyDateTime_DELTA_GET_SECONDS(value),
                              PyDateTime_DELTA_GET_MICROSECONDS(value)});
    return Encoded::ok;
  }
  if (type == types.uuid) return encode_uuid(encoder, value);
  if (type == &PyBytes_Type) {
    encoder.append_bytes({PyBytes_AS_STRING(value), static_cast<std::size_t>(PyBytes_GET_SIZE(value))});
    return Encoded::ok;
  }
  if (type == &PyMemoryView_Type) return encode_memory_view(encoder, value);
  if (depth >= kMaxDepth) return Encoded::unknown_type;
  if (type == &PyList_Type) return encode_sequence(encoder, value, Type::list, unknown, depth);
  if (type == &PyTuple_Type) return encode_sequence(encoder, value, Type::tuple, unknown, depth);
  if (type == &PyDict_Type) return encode_dict(encoder, value, unknown, depth);
  return Encoded::unknown_type;
}

}  // namespace

Encoded encode_value(Encoder& encoder, PyObject* value, Unknown& unknown, int depth) {
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyUnicode_Type) return encode_text(encoder, value);
  if (type == &PyLong_Type) return encode_int(encoder, value);
  if (value == Py_None) {
    encoder.append_none();
    return Encoded::ok;
  }
  if (type == &PyBool_Type) {
    encoder.append_bool(value == Py_True);
    return Encoded::ok;
  }
  if (type == &PyFloat_Type) {
    encoder.append_float(PyFloat_AS_DOUBLE(value));
    return Encoded::ok;
  }
  const Encoded encoded = encode_other(encoder, value, unknown, depth);
  if (encoded == Encoded::unknown_type && unknown.type.empty()) return fail_with_type(value, unknown);
  return encoded;
}

Encoded encode_rows(Encoder& encoder, PyObject* rows, Unknown& unknown) {
  const bool outer_list = PyList_CheckExact(rows);
  const Py_ssize_t count = Py_SIZE(rows);
  RowsHead head;
  head.rows = static_cast<std::uint32_t>(count);
  if (count > 0) {
    PyObject* first = outer_list ? PyList_GET_ITEM(rows, 0) : PyTuple_GET_ITEM(rows, 0);
    head.as_lists = PyList_CheckExact(first);
    if (head.as_lists || PyTuple_CheckExact(first)) head.columns = static_cast<std::uint32_t>(Py_SIZE(first));
  }
  encoder.append_rows_head(head);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* row = outer_list ? PyList_GET_ITEM(rows, i) : PyTuple_GET_ITEM(rows, i);
    const bool fits = head.as_lists ? PyList_CheckExact(row) : PyTuple_CheckExact(row);
    if (!fits || Py_SIZE(row) != static_cast<Py_ssize_t>(head.columns)) return fail_with_type(row, unknown);
    for (Py_ssize_t column = 0; column < Py_SIZE(row); ++column) {
      PyObject* value = head.as_lists ? PyList_GET_ITEM(row, column) : PyTuple_GET_ITEM(row, column);
      const Encoded encoded = encode_value(encoder, value, unknown);
      if (encoded != Encoded::ok) {
        unknown.column = column;
        return encoded;
      }
    }
  }
  return Encoded::ok;
}

// Each translation unit has a PyDateTimeAPI of its own.
bool import_datetime_for_encoder() {
  PyDateTime_IMPORT;
  return PyDateTimeAPI != nullptr;
}

}  // namespace cache_me::python
