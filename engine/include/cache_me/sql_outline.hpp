// What one statement says of single rows: which columns it pins to which values, which it only shows, and
// what it writes into them. The rules of dependency_rules.hpp decide by it.
//
// Contract: an outline is either true to how the database would read the statement, or it says so: `plain` of
// a select, `located` of a write, is false, and then nothing else in it counts. Sharper than the scanner, so
// it is only asked for statements that the scanner has understood.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache_me/sql_lexer.hpp"
#include "cache_me/sql_scanner.hpp"

namespace cache_me {

// Where a value stands in the statement.
struct OutlineValue {
  enum class Kind : std::uint8_t {
    other,        // an expression, DEFAULT, a named placeholder: nothing is known of it
    placeholder,  // the parameter of that position, from 0
    integer,      // a literal
    text,         // a literal, without quotes
    null,         // the literal
  };
  Kind kind = Kind::other;
  std::uint32_t placeholder = 0;
  std::int64_t integer = 0;
  std::string text;

  bool operator==(const OutlineValue&) const = default;
};

// A top-level conjunct of the outermost WHERE: column = value, or column IN (values).
struct Pin {
  std::uint32_t occurrence = 0;
  std::string column;  // folded
  std::vector<OutlineValue> values;
  bool operator==(const Pin&) const = default;
};

// A top-level conjunct of the outermost WHERE that bounds a column on one side: column >= value, > value
// (then it bounds it a little less than it might), <= value, < value; BETWEEN is one of each.
struct Bound {
  std::uint32_t occurrence = 0;
  std::string column;  // folded
  bool is_least = false;
  OutlineValue value;
  bool operator==(const Bound&) const = default;
};

inline constexpr std::uint32_t kNoOccurrence = ~std::uint32_t{0};

struct OutlineColumn {
  std::uint32_t occurrence = kNoOccurrence;  // kNoOccurrence: it stands without its table
  std::string name;                          // folded
  bool qualified = false;                    // it stands there as table.name
  bool operator==(const OutlineColumn&) const = default;
};

// A table of the outermost FROM.
struct Occurrence {
  enum class Join : std::uint8_t { first, inner, left };
  TableName table;
  std::string alias;  // how columns name it
  Join join = Join::first;
  // The whole of its ON, if that is an equality of two columns of known occurrences.
  std::optional<std::pair<OutlineColumn, OutlineColumn>> on;
};

struct SelectOutline {
  bool plain =
      false;  // one SELECT of tables that are joined one after the other, without CTE and set operation
  std::vector<Occurrence> occurrences;
  std::vector<TableName> inner_tables;  // read in subqueries; a table may be both
  std::vector<Pin> pins;
  std::vector<Bound> bounds;
  // The columns of the result, in order: kNoOccurrence with an empty name for all but plain columns.
  std::vector<OutlineColumn> selected;
  std::vector<std::string> labels;  // names that the select list gives, folded
  bool selects_star = false;        // positions aren't known then
  // Columns that are named anywhere but as a plain column of the select list, in an `on` or in ORDER BY; and
  // those of ORDER BY.
  std::vector<OutlineColumn> used;
  std::vector<OutlineColumn> ordering;
  bool orders_by_position = false;  // or DISTINCT ON, or possibly
  bool aggregates = false;          // GROUP BY, HAVING, or a function that may be an aggregate
  bool window = false;
  bool distinct = false;
  bool limit = false;
  bool offset = false;
  // For a query of the rows behind the answer: the text from FROM to the end of WHERE, and which of the
  // statement's parameters stand in it: [first, last).
  std::size_t from_begin = 0, where_end = 0;
  std::uint32_t first_placeholder = 0, last_placeholder = 0;
};

struct WriteOutline {
  bool located = false;  // an INSERT of VALUES, an UPDATE or a DELETE of one table, and nothing beside it
  StatementKind kind = StatementKind::unknown;
  TableName table;
  std::vector<std::string> columns;             // INSERT: in the order of its values; UPDATE: of SET
  std::vector<std::vector<OutlineValue>> rows;  // INSERT: one for each row; UPDATE: one, the values of SET
  std::vector<Pin> pins;                        // of WHERE, with occurrence 0
};

// Pure; safe in any thread; throws nothing but std::bad_alloc. Linear in the text. `statement` is what the
// scanner says of the tokens [statement.begin_token, statement.end_token) of `stream`.
SelectOutline outline_select(const TokenStream& stream, const Statement& statement);
WriteOutline outline_write(const TokenStream& stream, const Statement& statement);

}  // namespace cache_me
