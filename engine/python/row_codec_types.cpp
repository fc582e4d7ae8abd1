#include "row_codec_types.hpp"

#include "py_ref.hpp"
#include "row_codec.hpp"
#include "slots.hpp"

namespace cache_me::python {
namespace {

CodecTypes types;  // written at import only, under the import lock; its references are kept for good

PyRef import_attribute(const char* module, const char* name) {
  const PyRef imported = PyRef::steal(PyImport_ImportModule(module));
  return imported ? PyRef::steal(PyObject_GetAttrString(imported.get(), name)) : PyRef();
}

// What isn't installed is left out.
PyObject* import_optional(const char* module, const char* name) {
  PyRef found = import_attribute(module, name);
  if (!found) PyErr_Clear();
  return found.release();
}

PyTypeObject* import_type(const char* module, const char* name) {
  return reinterpret_cast<PyTypeObject*>(import_attribute(module, name).release());
}

}  // namespace

const CodecTypes& codec_types() {
  return types;
}

bool init_row_codec() {
  if (!import_datetime_for_encoder() || !import_datetime_for_decoder()) return false;
  PyRef safety = import_attribute("uuid", "SafeUUID");
  if (!safety) return false;
  types.safe_unknown = PyObject_GetAttrString(safety.get(), "unknown");
  types.decimal = import_type("decimal", "Decimal");
  types.uuid = import_type("uuid", "UUID");
  if (types.uuid != nullptr) {
    types.uuid_int = slot_of(types.uuid, "int");
    types.uuid_is_safe = slot_of(types.uuid, "is_safe");
  }
  types.fixed_zone = import_type("datetime", "timezone");
  PyObject* zone_info = import_optional("zoneinfo", "ZoneInfo");
  if (zone_info == nullptr) zone_info = import_optional("backports.zoneinfo", "ZoneInfo");
  types.zone_info = reinterpret_cast<PyTypeObject*>(zone_info);
  types.pytz_utc = import_optional("pytz", "utc");
  types.name_int = PyUnicode_InternFromString("int");
  types.name_is_safe = PyUnicode_InternFromString("is_safe");
  types.name_key = PyUnicode_InternFromString("key");
  types.name_bytes = PyUnicode_InternFromString("bytes");
  return types.safe_unknown != nullptr && types.decimal != nullptr && types.uuid != nullptr &&
         types.fixed_zone != nullptr && types.name_int != nullptr && types.name_is_safe != nullptr &&
         types.name_key != nullptr && types.name_bytes != nullptr;
}

}  // namespace cache_me::python
