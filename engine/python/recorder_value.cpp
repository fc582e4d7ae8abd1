#include "recorder_value.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "compat.hpp"
#include "compat_datetime.hpp"
#include "recorder_aggregate.hpp"
#include "recorder_nested.hpp"
#include "row_codec_types.hpp"

namespace cache_me::python {
namespace {

struct Classes {
  PyRef model, tree, key_name;
  PyObject* connector = nullptr;  // names, interned
  PyObject* negated = nullptr;
  PyObject* children = nullptr;
  PyObject* is_finite = nullptr;
};

// Never destroyed: Python is gone by then.
Classes& classes = *new Classes;

bool refuse() {
  PyErr_Clear();
  return false;
}

std::uint64_t address(const void* object) noexcept {
  return reinterpret_cast<std::uintptr_t>(object);
}

bool is_constant(PyObject* value, Taking taking) noexcept {
  return value == Py_None || PyBool_Check(value) || (taking.text_names && PyUnicode_CheckExact(value));
}

bool is_container(PyObject* value) noexcept {
  return PyList_CheckExact(value) || PyTuple_CheckExact(value) || Py_TYPE(value) == &PySet_Type ||
         Py_TYPE(value) == &PyFrozenSet_Type;
}

bool ends_with(PyObject* name, std::string_view lookup) noexcept {
  if (name == nullptr) return false;
  Py_ssize_t size = 0;
  const char* words = PyUnicode_AsUTF8AndSize(name, &size);
  if (words == nullptr) return refuse();
  const std::string_view all(words, static_cast<std::size_t>(size));
  return all.size() > lookup.size() && all.substr(all.size() - lookup.size()) == lookup;
}

bool asks_for_members(PyObject* name) noexcept {
  return ends_with(name, "__in");
}

// The chain of a queryset that is the value of an IN, or null.
PyRef nested_in(PyObject* value, PyObject* name) {
  return asks_for_members(name) && is_nestable(value) ? nested_chain(value) : PyRef();
}

// The bounds of a range, or null. A list is read at once, for it may change.
PyRef bounds_of(PyObject* container, PyObject* name) {
  if (!PyTuple_CheckExact(container) && !PyList_CheckExact(container)) return PyRef();
  if (PySequence_Fast_GET_SIZE(container) != 2 || !ends_with(name, "__range")) return PyRef();
  PyRef both = PyRef::steal(PySequence_Tuple(container));
  if (!both || PyTuple_GET_SIZE(both.get()) != 2) return PyRef();
  return both;
}

bool hash_bounds(PyObject* container, const PyRef& both, std::uint64_t& hash) {
  mix(hash, static_cast<std::uint64_t>(ValueKind::bounds) ^ address(Py_TYPE(container)));
  for (Py_ssize_t i = 0; i < 2; ++i) {
    const ValueKind kind = plain_kind(PyTuple_GET_ITEM(both.get(), i));
    if (kind == ValueKind::refused) return false;
    mix(hash, static_cast<std::uint64_t>(kind));
  }
  return true;
}

bool is_text(ValueKind kind) noexcept {
  return kind == ValueKind::text || kind == ValueKind::numeral || kind == ValueKind::uuid_text;
}

bool is_digit(char one) noexcept {
  return one >= '0' && one <= '9';
}

bool is_numeral(std::string_view text) noexcept {
  if (text == "0") return true;
  if (text.front() == '-') text.remove_prefix(1);
  return !text.empty() && text.size() <= 18 && text.front() != '0' &&
         std::all_of(text.begin(), text.end(), is_digit);
}

bool is_uuid(std::string_view text) noexcept {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') return false;
    } else if (!is_digit(text[i]) && (text[i] < 'a' || text[i] > 'f')) {
      return false;
    }
  }
  return true;
}

// Numbers and UUIDs come as text out of addresses and forms, and columns of such read them.
ValueKind kind_of_text(PyObject* text) noexcept {
  if (!PyUnicode_IS_COMPACT_ASCII(text) || PyUnicode_GET_LENGTH(text) == 0) return ValueKind::text;
  const std::string_view words(reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(text)),
                               static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)));
  if (is_numeral(words)) return ValueKind::numeral;
  return is_uuid(words) ? ValueKind::uuid_text : ValueKind::text;
}

bool is_instance(PyObject* value) noexcept {
  return classes.model && PyObject_TypeCheck(value, reinterpret_cast<PyTypeObject*>(classes.model.get()));
}

// Trees within trees are refused beyond that.
constexpr int kMostTreeDepth = 16;

// A Q: how its children are joined, and these. Nothing is owned but the children's list.
struct Tree {
  PyRef children, connector;
  bool negated = false;

  explicit operator bool() const noexcept { return static_cast<bool>(children); }
  Py_ssize_t size() const noexcept { return PyList_GET_SIZE(children.get()); }
  PyObject* child(Py_ssize_t i) const noexcept { return PyList_GET_ITEM(children.get(), i); }
  // Of a pair; null: the child is none.
  PyObject* name(Py_ssize_t i) const noexcept {
    PyObject* const pair = child(i);
    return PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2 &&
                   PyUnicode_CheckExact(PyTuple_GET_ITEM(pair, 0))
               ? PyTuple_GET_ITEM(pair, 0)
               : nullptr;
  }
  // What is joined there: a pair's value, or the child.
  PyObject* value(Py_ssize_t i) const noexcept {
    return name(i) == nullptr ? child(i) : PyTuple_GET_ITEM(child(i), 1);
  }
};

bool is_tree(PyObject* value) noexcept {
  return Py_TYPE(value) == reinterpret_cast<PyTypeObject*>(classes.tree.get());
}

// False: it is none, or a queer one.
Tree tree_of(PyObject* value) {
  if (!is_tree(value)) return {};
  Tree tree;
  const PyRef negated = PyRef::steal(PyObject_GetAttr(value, classes.negated));
  tree.connector = PyRef::steal(PyObject_GetAttr(value, classes.connector));
  if (!negated || !PyBool_Check(negated.get()) || !tree.connector ||
      !PyUnicode_CheckExact(tree.connector.get())) {
    return {};
  }
  tree.negated = negated.get() == Py_True;
  PyRef children = PyRef::steal(PyObject_GetAttr(value, classes.children));
  if (!children || !PyList_CheckExact(children.get()) || PyList_GET_SIZE(children.get()) == 0) return {};
  tree.children = std::move(children);
  return tree;
}

}  // namespace

PyRef key_of_instance(PyObject* instance, PyObject* attribute) {
  const PyRef dict = PyRef::steal(PyObject_GenericGetDict(instance, nullptr));
  if (!dict) return PyRef();
  return PyRef::borrow(PyDict_GetItemWithError(dict.get(), attribute));
}

PyRef members_of(PyObject* container, ValueKind& kind) {
  const PyRef all = PyRef::steal(PySequence_Tuple(container));
  if (!all) return PyRef();
  const Py_ssize_t size = PyTuple_GET_SIZE(all.get());
  if (size == 0 || static_cast<std::size_t>(size) > kMostMembers) return PyRef();
  kind = plain_kind(PyTuple_GET_ITEM(all.get(), 0));
  if (kind != ValueKind::integer && kind != ValueKind::uuid && !is_text(kind)) return PyRef();
  for (Py_ssize_t i = 1; i < size; ++i) {
    const ValueKind other = plain_kind(PyTuple_GET_ITEM(all.get(), i));
    if (other == kind) continue;
    if (!is_text(kind) || !is_text(other)) return PyRef();
    kind = ValueKind::text;
  }
  const PyRef once = PyRef::steal(PyDict_New());
  for (Py_ssize_t i = 0; once && i < size; ++i) {
    if (PyDict_SetItem(once.get(), PyTuple_GET_ITEM(all.get(), i), Py_None) < 0) return PyRef();
  }
  if (!once || PyDict_GET_SIZE(once.get()) == size) return once ? PyRef::borrow(all.get()) : PyRef();
  const PyRef keys = PyRef::steal(PyDict_Keys(once.get()));
  return keys ? PyRef::steal(PyList_AsTuple(keys.get())) : PyRef();
}

bool init_recorder_values() {
  PyDateTime_IMPORT;
  classes.connector = PyUnicode_InternFromString("connector");
  classes.negated = PyUnicode_InternFromString("negated");
  classes.children = PyUnicode_InternFromString("children");
  classes.is_finite = PyUnicode_InternFromString("is_finite");
  return PyDateTimeAPI != nullptr && classes.connector != nullptr && classes.negated != nullptr &&
         classes.children != nullptr && classes.is_finite != nullptr;
}

void set_value_classes(PyRef model, PyRef tree, PyRef key_name) {
  classes.model = std::move(model);
  classes.tree = std::move(tree);
  classes.key_name = std::move(key_name);
}

ValueKind plain_kind(PyObject* value) noexcept {
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyLong_Type) {
    // Larger ones are refused by some fields (a float's), at once.
    int overflow = 0;
    PyLong_AsLongLongAndOverflow(value, &overflow);
    return overflow == 0 ? ValueKind::integer : ValueKind::refused;
  }
  if (type == &PyUnicode_Type) return kind_of_text(value);
  if (type == &PyFloat_Type) {
    return std::isfinite(PyFloat_AS_DOUBLE(value)) ? ValueKind::real : ValueKind::refused;
  }
  if (type == codec_types().uuid) return ValueKind::uuid;
  if (type == codec_types().decimal) {
    // NaN and infinity are refused by some fields, late.
    const PyRef finite = PyRef::steal(PyObject_CallMethodObjArgs(value, classes.is_finite, nullptr));
    if (!finite) PyErr_Clear();
    return finite.get() == Py_True ? ValueKind::decimal : ValueKind::refused;
  }
  if (PyDateTime_CheckExact(value)) {
    return compat::datetime_zone(value) == Py_None ? ValueKind::naive_datetime : ValueKind::aware_datetime;
  }
  if (PyDate_CheckExact(value)) return ValueKind::date;
  if (PyTime_CheckExact(value)) {
    return compat::time_zone(value) == Py_None ? ValueKind::time : ValueKind::refused;
  }
  if (PyDelta_CheckExact(value)) return ValueKind::duration;
  return ValueKind::refused;
}

namespace {

bool hash_tree(const Tree& tree, Taking taking, int depth, std::uint64_t& hash) {
  if (!tree || depth > kMostTreeDepth) return refuse();
  mix(hash, static_cast<std::uint64_t>(PyObject_Hash(tree.connector.get())) ^ (tree.negated ? 1u : 0u));
  mix(hash, static_cast<std::uint64_t>(tree.size()));
  for (Py_ssize_t i = 0; i < tree.size(); ++i) {
    if (PyObject* const name = tree.name(i)) {
      mix(hash, static_cast<std::uint64_t>(PyObject_Hash(name)));
      if (!hash_argument(tree.value(i), name, taking, hash)) return refuse();
    } else if (!hash_tree(tree_of(tree.child(i)), taking, depth + 1, hash)) {
      return false;
    }
  }
  return true;
}

// False: refused.
bool make_tree(const Tree& tree, Taking taking, PyObject* model, int depth, Argument& argument) {
  if (!tree || depth > kMostTreeDepth) return false;
  argument.connector = PyRef::borrow(tree.connector.get());
  argument.negated = tree.negated;
  for (Py_ssize_t i = 0; i < tree.size(); ++i) {
    PyObject* const name = tree.name(i);
    argument.names.push_back(PyRef::borrow(name));
    argument.leaves.emplace_back();
    if (name != nullptr) {
      argument.leaves.back() = make_argument(tree.value(i), name, taking, model);
      if (argument.leaves.back().kind == ValueKind::refused) return false;
    } else if (!make_tree(tree_of(tree.child(i)), taking, model, depth + 1, argument.leaves.back())) {
      return false;
    }
  }
  argument.kind = ValueKind::tree;
  return true;
}

bool take_tree(const Argument& argument, const Tree& tree, Taking taking, Values& values) {
  if (!tree || static_cast<std::size_t>(tree.size()) != argument.leaves.size() ||
      tree.negated != argument.negated ||
      PyUnicode_Compare(tree.connector.get(), argument.connector.get()) != 0) {
    return refuse();
  }
  for (std::size_t i = 0; i < argument.leaves.size(); ++i) {
    const auto at = static_cast<Py_ssize_t>(i);
    PyObject* const name = tree.name(at);
    PyObject* const known = argument.names[i].get();
    if (name != known && (name == nullptr || known == nullptr || PyUnicode_Compare(name, known) != 0))
      return false;
    if (!take(argument.leaves[i], tree.value(at), taking, values)) return false;
  }
  return true;
}

PyRef give_back_tree(const Argument& argument, Taking taking, PyObject* const*& next) {
  const PyRef children = PyRef::steal(PyTuple_New(static_cast<Py_ssize_t>(argument.leaves.size())));
  const PyRef joined = PyRef::steal(PyDict_New());
  if (!children || !joined) return PyRef();
  for (std::size_t i = 0; i < argument.leaves.size(); ++i) {
    PyRef child = give_back(argument.leaves[i], taking, next);
    if (child && argument.names[i])
      child = PyRef::steal(PyTuple_Pack(2, argument.names[i].get(), child.get()));
    if (!child) return PyRef();
    PyTuple_SET_ITEM(children.get(), static_cast<Py_ssize_t>(i), child.release());
  }
  if (PyDict_SetItemString(joined.get(), "_connector", argument.connector.get()) < 0 ||
      PyDict_SetItemString(joined.get(), "_negated", argument.negated ? Py_True : Py_False) < 0) {
    return PyRef();
  }
  return PyRef::steal(PyObject_Call(classes.tree.get(), children.get(), joined.get()));
}

}  // namespace

bool hash_argument(PyObject* value, PyObject* name, Taking taking, std::uint64_t& hash) {
  if (taking.aggregates) {
    Aggregate aggregate;
    if (!read_aggregate(value, aggregate)) return false;
    mix(hash, address(aggregate.type) ^ (aggregate.distinct ? 1u : 0u));
    mix(hash, static_cast<std::uint64_t>(PyObject_Hash(aggregate.source)));
    return true;
  }
  if (is_constant(value, taking)) {
    mix(hash, PyUnicode_Check(value) ? static_cast<std::uint64_t>(PyObject_Hash(value)) : address(value));
    return true;
  }
  const ValueKind plain = plain_kind(value);
  if (plain != ValueKind::refused) {
    mix(hash, static_cast<std::uint64_t>(plain));
    return true;
  }
  if (is_container(value)) {
    if (const PyRef both = bounds_of(value, name)) return hash_bounds(value, both, hash);
    if (PyErr_Occurred() != nullptr || !asks_for_members(name)) return refuse();
    // What is in it decides too; that is found out when it's matched.
    mix(hash, static_cast<std::uint64_t>(ValueKind::members));
    return true;
  }
  if (is_instance(value)) {
    mix(hash, address(Py_TYPE(value)));
    return true;
  }
  if (const PyRef nested = nested_in(value, name)) {
    mix(hash, static_cast<std::uint64_t>(ValueKind::nested) ^ address(Py_TYPE(value)));
    mix(hash, address(as_chain(nested.get())->node.get()));
    return true;
  }
  if (name != nullptr) {
    PyObject* const column = read_column(value);
    if (column == nullptr) return refuse();
    mix(hash, static_cast<std::uint64_t>(ValueKind::column));
    mix(hash, static_cast<std::uint64_t>(PyObject_Hash(column)));
    return true;
  }
  if (!classes.tree) return false;
  return hash_tree(tree_of(value), taking, 0, hash);
}

Argument make_argument(PyObject* value, PyObject* name, Taking taking, PyObject* model) {
  Argument argument;
  if (taking.aggregates) {
    Aggregate aggregate;
    if (!read_aggregate(value, aggregate)) return argument;
    argument.kind = ValueKind::aggregate;
    argument.what = PyRef::borrow(aggregate.type);
    argument.names.push_back(PyRef::borrow(aggregate.source));
    argument.distinct = aggregate.distinct;
    return argument;
  }
  if (is_constant(value, taking)) {
    argument.kind = ValueKind::constant;
    argument.what = PyRef::borrow(value);
    return argument;
  }
  argument.kind = plain_kind(value);
  if (argument.kind != ValueKind::refused) return argument;
  if (is_container(value)) {
    if (const PyRef both = bounds_of(value, name)) {
      argument.what = PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(value)));
      for (Py_ssize_t i = 0; i < 2; ++i) {
        argument.leaves.emplace_back();
        argument.leaves.back().kind = plain_kind(PyTuple_GET_ITEM(both.get(), i));
        if (argument.leaves.back().kind == ValueKind::refused) return argument;
      }
      argument.kind = ValueKind::bounds;
      return argument;
    }
    if (asks_for_members(name) && members_of(value, argument.member)) argument.kind = ValueKind::members;
    PyErr_Clear();
    return argument;
  }
  if (is_instance(value)) {
    if (name == nullptr) return argument;
    argument.what = PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(value)));
    argument.attribute = PyRef::steal(
        PyObject_CallFunctionObjArgs(classes.key_name.get(), model, name, argument.what.get(), nullptr));
    if (argument.attribute && PyUnicode_CheckExact(argument.attribute.get())) {
      const PyRef key = key_of_instance(value, argument.attribute.get());
      if (key) argument.key_kind = plain_kind(key.get());
      if (argument.key_kind != ValueKind::refused) argument.kind = ValueKind::instance;
    }
    PyErr_Clear();
    return argument;
  }
  if (const PyRef nested = nested_in(value, name)) {
    argument.kind = ValueKind::nested;
    argument.what = PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(value)));
    argument.node = as_chain(nested.get())->node;
    return argument;
  }
  if (name != nullptr) {
    if (PyObject* const column = read_column(value)) {
      argument.kind = ValueKind::column;
      argument.names.push_back(PyRef::borrow(column));
    }
    PyErr_Clear();
    return argument;
  }
  make_tree(tree_of(value), taking, model, 0, argument);
  PyErr_Clear();
  return argument;
}

bool take(const Argument& argument, PyObject* value, Taking taking, Values& values) {
  switch (argument.kind) {
    case ValueKind::refused:
      return false;
    case ValueKind::constant:
      if (value == argument.what.get()) return true;
      return PyUnicode_CheckExact(value) && PyUnicode_CheckExact(argument.what.get()) &&
             PyUnicode_Compare(value, argument.what.get()) == 0;
    case ValueKind::aggregate: {
      Aggregate aggregate;
      return read_aggregate(value, aggregate) && aggregate.type == argument.what.get() &&
             aggregate.distinct == argument.distinct &&
             PyUnicode_Compare(aggregate.source, argument.names.front().get()) == 0;
    }
    case ValueKind::column: {
      PyObject* const column = read_column(value);
      return column != nullptr && PyUnicode_Compare(column, argument.names.front().get()) == 0;
    }
    case ValueKind::members: {
      if (!is_container(value)) return false;
      ValueKind member = ValueKind::refused;
      PyRef members = members_of(value, member);
      if (!members || member != argument.member) return refuse();
      values.push_back(std::move(members));
      return true;
    }
    case ValueKind::bounds: {
      if (reinterpret_cast<PyObject*>(Py_TYPE(value)) != argument.what.get()) return false;
      const PyRef both = PyRef::steal(PySequence_Tuple(value));
      if (!both || PyTuple_GET_SIZE(both.get()) != 2) return refuse();
      for (std::size_t i = 0; i < 2; ++i) {
        if (!take(argument.leaves[i], PyTuple_GET_ITEM(both.get(), static_cast<Py_ssize_t>(i)), taking,
                  values)) {
          return false;
        }
      }
      return true;
    }
    case ValueKind::instance: {
      if (reinterpret_cast<PyObject*>(Py_TYPE(value)) != argument.what.get()) return false;
      if (!taking.late) {
        PyRef key = key_of_instance(value, argument.attribute.get());
        if (!key || plain_kind(key.get()) != argument.key_kind) return refuse();
        values.push_back(std::move(key));
      }
      values.push_back(PyRef::borrow(value));
      return true;
    }
    case ValueKind::tree:
      return take_tree(argument, tree_of(value), taking, values);
    case ValueKind::nested: {
      if (reinterpret_cast<PyObject*>(Py_TYPE(value)) != argument.what.get()) return false;
      const PyRef nested = nested_chain(value);
      const Chain* chain = as_chain(nested.get());
      if (chain == nullptr || chain->node != argument.node) return false;
      for (Py_ssize_t i = 0; i < Py_SIZE(chain); ++i) values.push_back(PyRef::borrow(chain->values[i]));
      return true;
    }
    default:
      if (plain_kind(value) != argument.kind) return false;
      values.push_back(PyRef::borrow(value));
      return true;
  }
}

std::size_t values_of(const Argument& argument, Taking taking) noexcept {
  if (argument.kind == ValueKind::constant || argument.kind == ValueKind::refused ||
      argument.kind == ValueKind::aggregate || argument.kind == ValueKind::column) {
    return 0;
  }
  if (argument.kind == ValueKind::instance) return taking.late ? 1 : 2;
  if (argument.kind == ValueKind::nested) return argument.node->value_count();
  if (argument.kind != ValueKind::tree && argument.kind != ValueKind::bounds) return 1;
  std::size_t count = 0;
  for (const Argument& leaf : argument.leaves) count += values_of(leaf, taking);
  return count;
}

PyRef give_back(const Argument& argument, Taking taking, PyObject* const*& next) {
  switch (argument.kind) {
    case ValueKind::constant:
      return PyRef::borrow(argument.what.get());
    case ValueKind::aggregate:
      return make_aggregate(argument.what.get(), argument.names.front().get(), argument.distinct);
    case ValueKind::column:
      return make_column(argument.names.front().get());
    case ValueKind::instance: {
      if (taking.late) return PyRef::borrow(*next++);
      PyObject* key = *next++;
      PyObject* instance = *next++;
      const PyRef now = key_of_instance(instance, argument.attribute.get());
      if (now && (now.get() == key || PyObject_RichCompareBool(now.get(), key, Py_EQ) == 1)) {
        return PyRef::borrow(instance);
      }
      if (PyErr_Occurred() != nullptr) return PyRef();
      // It has got another key since: one that has the key of then stands in for it.
      const PyRef names = PyRef::steal(PyDict_New());
      const PyRef nothing = PyRef::steal(PyTuple_New(0));
      if (!names || !nothing || PyDict_SetItem(names.get(), argument.attribute.get(), key) < 0)
        return PyRef();
      return PyRef::steal(PyObject_Call(argument.what.get(), nothing.get(), names.get()));
    }
    case ValueKind::bounds: {
      PyRef both = PyRef::steal(PyTuple_Pack(2, next[0], next[1]));
      next += 2;
      if (!both || argument.what.get() == reinterpret_cast<PyObject*>(&PyTuple_Type)) return both;
      return PyRef::steal(PySequence_List(both.get()));
    }
    case ValueKind::tree:
      return give_back_tree(argument, taking, next);
    case ValueKind::nested:
      return make_nested(reinterpret_cast<PyTypeObject*>(argument.what.get()), argument.node, next);
    default:
      return PyRef::borrow(*next++);
  }
}

}  // namespace cache_me::python
