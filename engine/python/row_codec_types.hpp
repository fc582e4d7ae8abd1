// The types and constants of Python's library that the codec meets; looked up once, at import, never changed.
#pragma once

#include <Python.h>

#include "py_ref.hpp"

namespace cache_me::python {

struct CodecTypes {
  PyTypeObject* decimal = nullptr;
  PyTypeObject* uuid = nullptr;
  PyTypeObject* fixed_zone = nullptr;  // datetime.timezone
  PyTypeObject* zone_info = nullptr;   // zoneinfo.ZoneInfo (backports.zoneinfo on 3.8); null without either
  PyObject* pytz_utc = nullptr;        // null without pytz
  PyObject* safe_unknown = nullptr;    // uuid.SafeUUID.unknown
  Py_ssize_t uuid_int = 0;             // where a UUID has the __slots__ that it is made of; 0: not known
  Py_ssize_t uuid_is_safe = 0;
  PyObject* name_int = nullptr;      // interned "int"
  PyObject* name_is_safe = nullptr;  // interned "is_safe"
  PyObject* name_key = nullptr;      // interned "key"
  PyObject* name_bytes = nullptr;    // interned "bytes"
};

const CodecTypes& codec_types();

// False: a Python error is set.
bool import_datetime_for_encoder();
bool import_datetime_for_decoder();

}  // namespace cache_me::python
