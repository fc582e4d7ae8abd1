// DESIGN.md section 4 as code: what an answer rests on, and what a write bumps.
//
// The two sides, and why they meet. Let an answer have been read, and let one write w be committed
// afterwards.
//
// **What a write bumps** (write_rule):
//   any       always
//   bulk      unless every row that it writes is known by its primary key, or is a new row
//   row v     insert of, update or delete of, the row whose key is v
//   value c=v a new row, or an update that sets every column: its c is v
//   unknown c the same, where c's value isn't known (left out, an expression, of another type); any write, if
//             c is computed by the database. Only of columns whose type could be known: no answer rests on
//             others.
//             Nothing for NULL, which is equal to no value.
//   band c≈n  the same as value, of columns with an order (bands.hpp): the band of its c, at each level
//   unbanded c  in place of these: c's value isn't known, or the writer doesn't know of anybody who asks for
//             bands of c. A reader leaves word of that (band_hints); whether a writer has heard of it decides
//             only which of the two is bumped.
//   set c     an update that leaves some columns as they are sets c; any write, if c is computed
//
// **What an answer rests on**, chosen per occurrence of a table in the outermost FROM (read_rule):
//
//   *by key*: the outermost WHERE pins the whole primary key (column = value, or IN for a single column) to
//   known values. Rests on bulk, row v for each, and unknown pk unless as many rows came back as keys were
//   asked for. Proof: only the rows v can matter. An existing one changes or goes by a write that bumps row v
//   or bulk. A missing one comes into being by an insert whose key is known (row v), or isn't (unknown pk),
//   or that is no plain insert (bulk); or by an update of another row's key (bulk).
//
//   *by value*: WHERE pins a column to known values (the pivot); the rows of the result carry their primary
//   keys; no aggregate, GROUP BY, window, OFFSET, nor DISTINCT across joins. Rests on bulk, value pivot=v,
//   unknown pivot, row of each row of the result, and set c of the pivot and of every column that is named
//   anywhere but as a plain selected column (those of ORDER BY only if there is a LIMIT; those of a LEFT
//   JOIN's equality only if what it brings along is named so itself, for it keeps every row of its left side;
//   a name that the catalog doesn't know makes it any). Proof: a row of the result changes
//   or leaves by a write that bumps its row, or bulk. A row outside enters because it is new or written as a
//   whole: then its pivot is v, and value pivot=v is bumped, or isn't known: unknown pivot. Or because some
//   of its columns are set: then one that decides about entering is among them, which is the pivot or another
//   column of a condition (of the order, where a LIMIT lets only the first in): set c. Or by a write of
//   another kind: bulk.
//
//   *by band*: as by value, where WHERE bounds a column on both sides by known values, and pins none. Rests
//   on the bands that the range touches, at one level, and unbanded c, in place of value and unknown. Proof:
//   a row that enters because it is new or written as a whole has a c within the range, so in one of the
//   bands, and that band is bumped, or unbanded c. NULL lies in no range. The range is taken one place wider
//   on both sides, for databases that compare decimals as binary floating point.
//
//   *by witness*: as by value (or band), of a single table, where the rows don't carry their keys, or there
//   is an aggregate, GROUP BY, OFFSET: the rows behind the answer are asked for first, by a query of its own
//   (FROM and WHERE of the same), and the answer rests on each of them in place of the result's rows. Proof:
//   the answer is a function of the matching rows. Let them be asked for at t1 and the answer at t2 > t1. Any
//   write that changes the set or a row of it after t1 bumps as above: a row that was matched at t1 by its
//   row, one that wasn't by value, unknown or set. (The other way round a row that leaves between t2 and t1
//   would be in the answer and among no witnesses.)
//
//   *joined by key*: ON is exactly a.x = b.pk, b's columns are only selected, ordered by without a LIMIT (but
//   for b.pk, which is x), or compared by the ON of a LEFT JOIN; x (or b.pk, which is the same) is among the
//   result's columns. LEFT JOIN, or INNER JOIN with a foreign key from x to b.pk that the database enforces.
//   Rests on b's bulk, and row v for each x = v that isn't NULL; on any if one of them found no row. Proof:
//   which rows there are, and which row of b each gets, is decided by x; so b matters by the content of the
//   rows v alone. Those change by row v or bulk. Under an enforced foreign key every v finds its row; in a
//   LEFT JOIN one that finds none might come into being with a key that isn't known, hence any.
//
//   *any* otherwise, and for every table read in a subquery.
//
// More rows than kMostRows: any in place of the rows. The order of steps and clocks that makes late
// dependencies (those that rest on the rows read) sound is the reader's business: DESIGN.md section 5.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache_me/dependencies.hpp"
#include "cache_me/sql_outline.hpp"

namespace cache_me {

// Rows whose keys an answer may rest on; keys that a write may name one by one.
inline constexpr std::size_t kMostRows = 400;
inline constexpr std::size_t kMostWrittenRows = 40;

struct ColumnFacts {
  std::string name;  // folded
  ValueType type = ValueType::none;
  std::uint32_t most_characters = 0;  // of a text; 0: any number
  bool computed = false;              // generated, ON UPDATE …: a write may set it without naming it
  // Of a decimal: behind the point; values with more of them are rounded, or nobody knows. -1: it is none.
  int digits = -1;
};

struct ForeignKeyFacts {  // that the database enforces
  std::string column, table, to_column;
};

// What the catalog knows of one table.
struct TableFacts {
  std::string name;
  std::vector<ColumnFacts> columns;
  std::vector<std::string> primary_key;
  std::vector<ForeignKeyFacts> foreign_keys;

  const ColumnFacts* column(std::string_view folded) const noexcept;
};

using TableFactsByName = std::unordered_map<std::string, std::shared_ptr<const TableFacts>>;

// A statement's parameters, as far as they are known.
class Parameters {
 public:
  virtual ~Parameters() = default;
  // The parameter at that position as a value of that type, or `none`. Its bytes live as long as this; those
  // of a decimal until the next call.
  virtual KnownValue parameter(std::uint32_t position, ValueType type) const = 0;
  virtual bool is_null(std::uint32_t position) const = 0;
};

// The rows that the database gave.
class ResultRows {
 public:
  virtual ~ResultRows() = default;
  virtual std::size_t rows() const = 0;
  enum class Cell { known, null, unknown };
  virtual Cell cell(std::size_t row, std::size_t column, ValueType type, KnownValue& value) const = 0;
};

// Dependencies, and in words too if somebody wants to know.
struct DependencyList {
  std::vector<std::uint64_t> hashes;
  bool in_words = false;
  std::vector<std::string> words;  // as many as hashes then
};

class ReadRule {
 public:
  // `readable` SQL of one select. Tables that `tables` doesn't know are `any`.
  ReadRule(const TokenStream& stream, const Statement& statement, const TableFactsByName& tables);

  // What is known to count before the database is asked.
  struct Footing {
    std::vector<std::uint8_t> of;      // for each occurrence, the rule that holds: see Kind
    bool needs_rows = false;           // after() is to be asked
    bool needs_witnesses = false;      // witnesses are to be asked for first
    std::vector<std::uint64_t> hints;  // to be left for writers: bands of these are asked for
  };
  Footing before(const Parameters& parameters, bool may_witness, DependencyList& out) const;

  // What the rows add. `result` are those of the answer; `witnesses` those of witness_sql(), or null.
  void after(const Footing& footing, const Parameters& parameters, const ResultRows& result,
             const ResultRows* witnesses, DependencyList& out) const;

  // The query for the keys of the rows behind the answer, with a LIMIT of kMostRows + 1; empty: there is
  // none.
  const std::string& witness_sql() const noexcept { return witness_sql_; }
  std::uint32_t first_witness_parameter() const noexcept { return outline_.first_placeholder; }
  std::uint32_t last_witness_parameter() const noexcept { return outline_.last_placeholder; }

 private:
  enum Kind : std::uint8_t { kAny, kByKey, kByValue, kByWitness, kJoined };
  struct Plan {                               // of one occurrence: what it could be, values permitting
    std::shared_ptr<const TableFacts> facts;  // null if there are none, or no primary key
    std::vector<std::size_t> key;     // the pins of the primary key, in its order; empty: not all pinned
    std::vector<std::size_t> pivots;  // pins of other columns whose type is known
    std::vector<std::string> ranges;  // columns with bands that are bounded on both sides
    std::vector<std::string> placing;
    std::vector<std::size_t>
        key_columns;  // of the result, where the primary key stands; empty: not all there
    bool by_value = false, by_witness = false, joined = false;
    std::size_t joined_by = 0;              // the result's column that holds x
    std::optional<std::size_t> joined_key;  // the result's column that holds b.pk
  };

  void plan(std::uint32_t occurrence, const TableFactsByName& tables);
  void plan_values(std::uint32_t occurrence, Plan& plan) const;
  void plan_join(std::uint32_t occurrence, Plan& plan, const TableFactsByName& tables) const;
  std::vector<std::string> placing_columns(std::uint32_t occurrence) const;
  bool names_a_label() const;
  void join_over(std::uint32_t occurrence, std::uint32_t edge, Plan& plan,
                 const TableFactsByName& tables) const;
  bool is_decided_by(std::uint32_t occurrence, std::uint32_t edge) const;
  bool names_what_is_unknown(std::uint32_t occurrence) const;
  std::optional<std::size_t> selected(std::uint32_t occurrence, std::string_view column) const;
  bool rows_are_found_once() const;
  void make_witness_sql(const TokenStream& stream);

  bool key_rows(const Plan& plan, const Parameters& parameters, DependencyList& rows) const;
  bool pivot_values(const Plan& plan, const Parameters& parameters, DependencyList& out) const;
  bool bands(std::uint32_t occurrence, const Parameters& parameters, Footing& footing,
             DependencyList& out) const;
  std::optional<std::int64_t> bound(std::uint32_t occurrence, const ColumnFacts& column, bool is_least,
                                    const Parameters& parameters) const;
  bool result_rows(const Plan& plan, const ResultRows& rows, std::span<const std::size_t> columns,
                   DependencyList& out) const;
  bool joined_rows(const Plan& plan, const ResultRows& rows, DependencyList& out) const;

  std::vector<std::string> always_any_;  // tables
  SelectOutline outline_;
  std::vector<Plan> plans_;
  std::string witness_sql_;
};

class WriteRule {
 public:
  // A statement of a kind that writes one table.
  WriteRule(const TokenStream& stream, const Statement& statement, const TableFactsByName& tables);

  // What executing it with these parameters bumps of its own table; `trusts_values`: the session stores
  // values as they are given (MySQL's strict mode); `hinted`: a bit for each of band_hints() that was left.
  void dependencies(const Parameters& parameters, bool trusts_values, std::uint64_t hinted,
                    DependencyList& out) const;
  // What readers leave who ask for bands; at most 64.
  std::span<const std::uint64_t> band_hints() const noexcept { return band_hints_; }
  // Whether it can be anything but any and bulk.
  bool is_exact() const noexcept { return exact_; }
  // Whether foreign keys may act: rows or keys go.
  bool may_act() const noexcept { return may_act_; }

 private:
  void bulk(DependencyList& out) const;
  bool located_rows(const Parameters& parameters, DependencyList& out) const;
  // `unbanded`: a bit for each column with bands whose band isn't told; they add theirs.
  void new_row(const std::vector<OutlineValue>& row, const Parameters& parameters, bool trusts,
               std::uint64_t& unbanded, DependencyList& out) const;
  void values_of(const std::vector<OutlineValue>& row, const Parameters& parameters, bool trusts,
                 std::uint64_t& unbanded, DependencyList& out) const;
  void bands_of(const std::vector<OutlineValue>& row, const Parameters& parameters, bool trusts,
                std::uint64_t& unbanded, DependencyList& out) const;
  const OutlineValue* given(std::size_t column, const std::vector<OutlineValue>& row, bool trusts) const;
  // `null` says that it is NULL; then the value is none.
  KnownValue written(std::size_t column, const std::vector<OutlineValue>& row, const Parameters& parameters,
                     bool trusts, bool& null) const;

  std::string table_;
  std::shared_ptr<const TableFacts> facts_;
  WriteOutline outline_;
  std::vector<std::size_t> key_;             // pins of the primary key, in its order
  std::vector<std::string> value_prefixes_;  // of the table's columns
  std::vector<std::ptrdiff_t> position_of_;  // of each of the facts' columns in the outline's, or -1
  std::vector<std::size_t> banded_;          // the facts' columns with bands, and of each:
  std::vector<std::uint64_t> band_hints_, unbanded_;
  bool exact_ = false;
  bool whole_ = false;  // an insert, or an update that sets every column
  bool may_act_ = true;
  bool mysql_ = false;
};

}  // namespace cache_me
