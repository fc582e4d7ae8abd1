#include "recorder_plan.hpp"

#include <array>
#include <charconv>

#include "cache_me/clock_words.hpp"
#include "cache_me/entry.hpp"
#include "cache_me/kept_entries.hpp"
#include "recorder_ground.hpp"
#include "recorder_value.hpp"
#include "refusal.hpp"
#include "row_codec.hpp"

namespace cache_me::python {

bool may_read_the_clock(PyObject* text) noexcept {
  Py_ssize_t size = 0;
  const char* const words = PyUnicode_AsUTF8AndSize(text, &size);
  if (words == nullptr) PyErr_Clear();  // half a surrogate pair
  return words == nullptr || has_clock_word({words, static_cast<std::size_t>(size)});
}

namespace {

bool is_within(const Parameter& parameter, PyObject* value) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  return overflow == 0 && number >= *parameter.least && number <= *parameter.most;
}

// The parameter that Django would make of the value. Null without an error: not by this plan.
PyRef parameter_of(const Parameter& parameter, PyObject* value, PyObject* connection) {
  if (parameter.is_numeral) {
    PyRef number = PyRef::steal(PyLong_FromUnicodeObject(value, 10));
    if (!number) PyErr_Clear();
    return number && is_within(parameter, number.get()) ? std::move(number) : PyRef();
  }
  if (parameter.refuses_clock_words && may_read_the_clock(value)) return PyRef();
  if (parameter.least && !is_within(parameter, value)) return PyRef();
  if (parameter.convert) {
    PyRef made =
        PyRef::steal(PyObject_CallFunctionObjArgs(parameter.convert.get(), value, connection, nullptr));
    if (!made) clear_refusal();  // Django raises it at the place where it always did
    return made;
  }
  return PyRef::borrow(value);
}

bool append_value(const Parameter& parameter, PyObject* value, PyObject* connection, Encoder& encoder) {
  encoder.bytes() += parameter.encoded;
  const PyRef made = parameter_of(parameter, value, connection);
  Unknown unknown;
  return made && encode_value(encoder, made.get(), unknown, 1) == Encoded::ok;
}

bool append(const Parameter& parameter, PyObject* const* values, PyObject* connection, Encoder& encoder) {
  if (parameter.is_constant) {
    encoder.bytes() += parameter.encoded;
    return true;
  }
  PyObject* value = values[parameter.value];
  if (parameter.is_members) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
      if (!append_value(parameter, PyTuple_GET_ITEM(value, i), connection, encoder)) return false;
    }
    return true;
  }
  if (!parameter.key_attribute) return append_value(parameter, value, connection, encoder);
  const PyRef key = key_of_instance(value, parameter.key_attribute.get());
  return key && append_value(parameter, key.get(), connection, encoder);
}

// What stands in a gap; a number is written into `digits`. Null data: not by this plan.
std::string_view text_of(const Gap& gap, PyObject* const* values, std::array<char, 24>& digits) {
  static const std::string* const marks = [] {
    auto* all = new std::string;
    for (std::size_t i = 0; i < kMostMembers; ++i) *all += ", %s";
    return all;
  }();
  PyObject* value = values[gap.value];
  if (gap.is_members) {
    return std::string_view(*marks).substr(0, 4 * (static_cast<std::size_t>(PyTuple_GET_SIZE(value)) - 1));
  }
  int overflow = 0;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow != 0) return {};
  if (gap.less) {
    number -= PyLong_AsLongLongAndOverflow(values[*gap.less], &overflow);  // both are at least 0
    if (overflow != 0) return {};
  }
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), static_cast<std::size_t>(end - digits.data())};
}

// Appends the parameter as the driver gets it.
bool append_for_driver(const Parameter& parameter, PyObject* value, PyObject* connection, PyObject* list) {
  PyRef made = parameter_of(parameter, value, connection);
  if (made && parameter.wrap)
    made = PyRef::steal(PyObject_CallFunctionObjArgs(parameter.wrap.get(), made.get(), nullptr));
  return made && PyList_Append(list, made.get()) == 0;
}

bool append_for_driver(const Parameter& parameter, PyObject* const* values, PyObject* connection,
                       PyObject* list) {
  if (parameter.is_constant) return parameter.constant && PyList_Append(list, parameter.constant.get()) == 0;
  PyObject* value = values[parameter.value];
  if (parameter.is_members) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
      if (!append_for_driver(parameter, PyTuple_GET_ITEM(value, i), connection, list)) return false;
    }
    return true;
  }
  if (!parameter.key_attribute) return append_for_driver(parameter, value, connection, list);
  const PyRef key = key_of_instance(value, parameter.key_attribute.get());
  return key && append_for_driver(parameter, key.get(), connection, list);
}

bool is_malformed() {
  if (PyErr_ExceptionMatches(PyExc_ValueError) == 0) return false;
  PyErr_Clear();
  return true;
}

PyRef tuples_of(PyRef rows) {
  for (Py_ssize_t i = 0; rows && i < PyList_GET_SIZE(rows.get()); ++i) {
    PyObject* row = PyList_GET_ITEM(rows.get(), i);
    if (PyTuple_CheckExact(row)) continue;
    PyObject* tuple = PySequence_Tuple(row);
    if (tuple == nullptr) return PyRef();
    PyList_SetItem(rows.get(), i, tuple);
  }
  return rows;
}

}  // namespace

bool Plan::append_parameters(PyObject* const* values, PyObject* connection, Encoder& encoder) const {
  std::size_t count = parameters.size();
  for (const Parameter& parameter : parameters) {
    if (parameter.is_members)
      count += static_cast<std::size_t>(PyTuple_GET_SIZE(values[parameter.value])) - 1;
  }
  encoder.begin_nest(as_list ? Type::list : Type::tuple, count);
  for (const Parameter& parameter : parameters) {
    if (!append(parameter, values, connection, encoder)) return false;
  }
  return true;
}

bool Plan::make_key(PyObject* const* values, PyObject* connection, std::string& key_out) const {
  if (!key) {
    key_out = fixed_key;
    return true;
  }
  if (gaps.size() != key->gaps()) return false;
  std::array<std::array<char, 24>, kMostGaps> digits;
  std::array<std::string_view, kMostGaps> texts;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    texts[i] = text_of(gaps[i], values, digits[i]);
    if (texts[i].data() == nullptr) return false;
  }
  thread_local Encoder kept;
  Encoder encoder;  // a conversion may come back here
  std::swap(encoder, kept);
  encoder.clear();
  const bool made = append_parameters(values, connection, encoder);
  if (made) key->assemble({texts.data(), gaps.size()}, encoder.bytes(), key_out);
  std::swap(encoder, kept);
  return made;
}

PyRef Plan::statement(PyObject* const* values, PyObject* connection) const {
  if (sql.size() != gaps.size() + 1) return PyRef();
  std::string text = sql[0];
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    std::array<char, 24> digits;
    const std::string_view between = text_of(gaps[i], values, digits);
    if (between.data() == nullptr) return PyRef();
    text += between;
    text += sql[i + 1];
  }
  const PyRef words =
      PyRef::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogatepass"));
  const PyRef list = PyRef::steal(PyList_New(0));
  if (!words || !list) return PyRef();
  for (const Parameter& parameter : parameters) {
    if (!append_for_driver(parameter, values, connection, list.get())) return PyRef();
  }
  const PyRef all = PyRef::steal(PyList_AsTuple(list.get()));
  return all ? PyRef::steal(PyTuple_Pack(2, words.get(), all.get())) : PyRef();
}

PyRef Plan::result_of(std::string_view rows, PyObject* connection, PyObject* mode) const {
  return building != nullptr ? building->build_from(rows, {alias.get(), mode, connection})
                             : tuples_of(decode_rows(rows));
}

bool Plan::counts(const EntryHead& head, const Ground& ground) const {
  return head.fingerprint == fingerprint &&
         ground.table->unchanged(head.epoch, head.dependencies, head.versions);
}

PyRef Plan::look_up_elsewhere(std::string_view at, const Ground& ground, PyObject* connection,
                              PyObject* mode) const {
  const std::string_view name = at.substr(0, at.find('\0'));
  const PyRef key =
      PyRef::steal(PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), nullptr));
  const PyRef number = PyRef::steal(PyLong_FromUnsignedLongLong(fingerprint));
  if (!key || !number) return PyRef();
  const PyRef rows =
      PyRef::steal(PyObject_CallFunctionObjArgs(ground.rows_of.get(), key.get(), number.get(), nullptr));
  if (!rows || !PyBytes_CheckExact(rows.get())) return PyRef();
  PyRef made =
      result_of({PyBytes_AS_STRING(rows.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(rows.get()))},
                connection, mode);
  // The second tier meets it next, and throws it away.
  if (!made && PyErr_Occurred() != nullptr) is_malformed();
  return made;
}

PyRef Plan::look_up(const std::string& at, const Ground& ground, PyObject* connection, PyObject* mode) const {
  if (ground.rows_of) return look_up_elsewhere(at, ground, connection, mode);
  struct Room {
    std::string bytes;
    Entry entry;
  };
  thread_local Room spare;
  static auto* const entries = new KeptEntries;  // under the GIL
  Room room;                                     // what makes results may come back here
  std::swap(room, spare);
  const std::shared_ptr<const KeptEntry> kept = entries->find(at);
  std::optional<std::uint64_t> checksum;
  if (kept != nullptr) checksum = kept->checksum;
  PyRef made;
  switch (ground.store->get(at, room.bytes, checksum)) {
    case SharedStore::Got::nothing:
      break;
    case SharedStore::Got::same:
      if (counts(kept->head, ground)) made = result_of(kept->rows, connection, mode);
      break;
    case SharedStore::Got::copied:
      if (!parse_entry(room.bytes, room.entry) || !counts(room.entry.head, ground)) break;
      entries->keep(at, *checksum, room.bytes.size(), room.entry);
      made = result_of(room.entry.rows, connection, mode);
  }
  if (!made && PyErr_Occurred() != nullptr && is_malformed()) ground.store->erase(at);
  std::swap(room, spare);
  return made;
}

}  // namespace cache_me::python
