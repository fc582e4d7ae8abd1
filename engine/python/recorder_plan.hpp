// All that is worked out once for the queries of one shape on one database: key, parameters, and what becomes
// of the rows.
//
// Made in Python (reading/learning.py), which also answers for its being right; never changed afterwards.
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache_me/codec.hpp"
#include "cache_me/entry.hpp"
#include "cache_me/key_template.hpp"
#include "py_ref.hpp"
#include "recorder_watch.hpp"
#include "result_plan.hpp"

namespace cache_me::python {

class Ground;

// A parameter of the compiled query.
struct Parameter {
  std::string encoded;  // of one that is the same for all values; else what comes before the value's own
  bool is_constant = true;
  std::size_t value = 0;                    // its place among the chain's values
  bool is_members = false;                  // each of the value's members is one
  PyRef key_attribute;                      // the value is an instance, whose key is wanted
  bool is_numeral = false;                  // the value is text that is read as an integer
  bool refuses_clock_words = false;         // the value is text that the server may read as a time
  std::optional<std::int64_t> least, most;  // of an integer: outside of these the SQL is another
  PyRef convert;                            // convert(value, connection), or null
  // For asking the database: a constant itself, and the driver's class that a value is wrapped in, or null.
  PyRef constant, wrap;
};

// A gap in the SQL: a number that stands in the text itself, or the marks of an IN but for the first.
struct Gap {
  std::size_t value = 0;
  std::optional<std::size_t> less;  // the number is the value less this one
  bool is_members = false;
};

// Whether PostgreSQL may turn a parameter of that text into the time of the statement.
bool may_read_the_clock(PyObject* text) noexcept;

class Plan {
 public:
  static constexpr std::size_t kMostGaps = 8;

  PyRef alias;                       // of the database
  std::string whose;                 // Ground's, at the time
  std::string fixed_key;             // of a whole table: no digest
  std::unique_ptr<KeyTemplate> key;  // otherwise
  bool as_list = false;              // parameters that aren't plain are kept in a list (reading/key.py)
  std::vector<Parameter> parameters;
  std::vector<Gap> gaps;  // as many as the key's SQL has
  std::uint64_t fingerprint = 0;
  PyRef building_owner;  // keeps `building`
  // is_unheard() -> bool: whether nobody listens to the making of its instances; null: it makes none.
  PyRef is_unheard;
  const ResultPlan* building = nullptr;  // null for tuples
  bool knows_related = false;            // known related objects may be given to the instances
  Watches watches;                       // the model's options
  // miss((sql, parameters), key, connection, ground, is_plain) -> list of results, or None: it's for Django
  // to do (reading/planned_misses.py); null: every miss is.
  PyRef miss;
  std::vector<std::string> sql;  // around the gaps, if there is a `miss`

  // The entry's key for these values, into `key_out`. False: not by this plan; or an error is set.
  bool make_key(PyObject* const* values, PyObject* connection, std::string& key_out) const;

  // The parameters as they go into the key. False as above.
  bool append_parameters(PyObject* const* values, PyObject* connection, Encoder& encoder) const;

  // The query for these values as a tuple of SQL and parameters, as Django would compile it. Null without an
  // error: not by this plan.
  PyRef statement(PyObject* const* values, PyObject* connection) const;

  // The result as a list from the entry of that key, if it counts; null without an error: it doesn't.
  PyRef look_up(const std::string& at, const Ground& ground, PyObject* connection, PyObject* mode) const;

 private:
  bool counts(const EntryHead& head, const Ground& ground) const;
  PyRef look_up_elsewhere(std::string_view at, const Ground& ground, PyObject* connection,
                          PyObject* mode) const;
  PyRef result_of(std::string_view rows, PyObject* connection, PyObject* mode) const;
};

}  // namespace cache_me::python
