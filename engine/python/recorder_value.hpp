// What is told of a call's arguments: their kinds belong to the shape, their values stand beside it.
//
// Only what a queryset's method is known to treat alike for all values of a kind is a value (CHAINS rules R1
// to R4): exact types, never subclasses. None and booleans are constants of the shape, and so is text where
// it names things (order_by, only …). All else is refused: the call is Django's own then.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "py_ref.hpp"

namespace cache_me::python {

class Node;

enum class ValueKind : std::uint8_t {
  refused,
  constant,
  integer,
  text,
  numeral,    // text that is an integer as Python writes it, of up to 18 digits
  uuid_text,  // text that is a UUID as Python writes it
  real,
  decimal,
  uuid,
  date,
  naive_datetime,
  aware_datetime,
  time,
  duration,
  instance,   // of a model, for its primary key
  members,    // of an IN: one value, the tuple of them
  bounds,     // of a range: the tuple or list of two values
  tree,       // a Q of pairs and of such trees
  nested,     // of an IN: a recorded queryset, for the values of its chain
  column,     // a constant: an F
  aggregate,  // a constant: a function of one column
};

struct Argument {
  ValueKind kind = ValueKind::refused;
  PyRef what;  // the constant; the instance's, aggregate's, bounds' or queryset's class
  ValueKind member = ValueKind::refused;    // of what kind members are
  PyRef attribute;                          // of an instance: where its primary key is
  ValueKind key_kind = ValueKind::refused;  // and of what kind that is
  // A column's, and an aggregate's. Of a tree's leaves, null for a tree within.
  std::vector<PyRef> names;
  bool distinct = false;         // of an aggregate
  PyRef connector;               // of a tree
  bool negated = false;          // of a tree
  std::vector<Argument> leaves;  // of a tree; of bounds, two
  std::shared_ptr<Node> node;    // of a queryset
};

// How the arguments of a method are to be taken.
struct Taking {
  bool text_names = false;  // text is a constant
  bool late = false;        // instances are asked for their keys when the query is evaluated
  bool aggregates = false;  // aggregates are constants, and all that is taken
};

// An IN of more is Django's.
inline constexpr std::size_t kMostMembers = 10000;

using Values = std::vector<PyRef>;

// Looks up what is needed; once, at import. False: a Python error is set.
bool init_recorder_values();
// Django's Model and Q; and `key_name(model, lookup, class)`, which gives the name of an instance's primary
// key where an instance may stand for it, or None.
void set_value_classes(PyRef model, PyRef tree, PyRef key_name);

// The members of a list, tuple or set in their order, each once, as Django's own set of them; and their kind,
// which is text for different kinds of text.
// Null: refused (an error may be set).
PyRef members_of(PyObject* container, ValueKind& kind);

// Of a value that stands alone: never members, bounds, tree, queryset or instance.
ValueKind plain_kind(PyObject* value) noexcept;

// Mixes what the shape is to know of `value`, given under `name` (null: by position), into `hash`. False:
// it's refused; an error may be set, which refuses too.
bool hash_argument(PyObject* value, PyObject* name, Taking taking, std::uint64_t& hash);

// The same as an argument of a new step on querysets of `model`. Kind `refused`: it's refused.
Argument make_argument(PyObject* value, PyObject* name, Taking taking, PyObject* model);

// Whether `value` is one of this argument; if so its values are added to `values`.
bool take(const Argument& argument, PyObject* value, Taking taking, Values& values);

// The argument made again of its values, from `next` on, which is moved behind them. Null: an error is set.
PyRef give_back(const Argument& argument, Taking taking, PyObject* const*& next);

// What an instance's __dict__ holds under that name; null if that's nothing (an error may be set).
PyRef key_of_instance(PyObject* instance, PyObject* attribute);

// How many values the argument has.
std::size_t values_of(const Argument& argument, Taking taking) noexcept;

inline void mix(std::uint64_t& hash, std::uint64_t part) noexcept {
  hash = (hash ^ part) * 0x9E3779B97F4A7C15u;
  hash ^= hash >> 29;
}

}  // namespace cache_me::python
