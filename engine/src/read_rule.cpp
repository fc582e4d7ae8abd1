#include <algorithm>
#include <string>

#include "bands.hpp"
#include "cache_me/dependency_rules.hpp"
#include "dependency_words.hpp"

namespace cache_me {

const ColumnFacts* TableFacts::column(std::string_view folded) const noexcept {
  for (const ColumnFacts& column : columns) {
    if (column.name == folded) return &column;
  }
  return nullptr;
}

std::string words_of(const KnownValue& value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  switch (value.type) {
    case ValueType::text:
      return std::string("'").append(value.bytes).append("'");
    case ValueType::uuid: {
      std::string text;
      for (const char byte : value.bytes) {
        const auto number = static_cast<unsigned char>(byte);
        text.push_back(kDigits[number >> 4]);
        text.push_back(kDigits[number & 15]);
      }
      return text;
    }
    case ValueType::boolean:
      return value.number != 0 ? "true" : "false";
    case ValueType::date:
      return std::string("day ").append(std::to_string(value.number));
    default:
      return std::to_string(value.number);
  }
}

ReadRule::ReadRule(const TokenStream& stream, const Statement& statement, const TableFactsByName& tables)
    : outline_(outline_select(stream, statement)) {
  if (!outline_.plain) {
    for (const TableName& table : statement.reads) always_any_.push_back(table.name);
    return;
  }
  for (const TableName& table : outline_.inner_tables) always_any_.push_back(table.name);
  for (const Occurrence& one : outline_.occurrences) {
    const auto found = tables.find(one.table.name);
    Plan& plan = plans_.emplace_back();
    if (found != tables.end() && !found->second->primary_key.empty()) plan.facts = found->second;
  }
  for (std::uint32_t n = 0; n < outline_.occurrences.size(); ++n) plan(n, tables);
  make_witness_sql(stream);
}

void ReadRule::plan(std::uint32_t occurrence, const TableFactsByName& tables) {
  Plan& plan = plans_[occurrence];
  const Occurrence& one = outline_.occurrences[occurrence];
  if (!plan.facts) return;
  plan_join(occurrence, plan, tables);
  // What LEFT JOIN brings along is there or not by its ON; conditions pin it only once it is there.
  if (one.join != Occurrence::Join::left) plan_values(occurrence, plan);
}

void ReadRule::plan_values(std::uint32_t occurrence, Plan& plan) const {
  const TableFacts& facts = *plan.facts;
  for (const std::string& name : facts.primary_key) {
    const auto pin = std::find_if(outline_.pins.begin(), outline_.pins.end(), [&](const Pin& one) {
      return one.occurrence == occurrence && one.column == name &&
             (one.values.size() == 1 || facts.primary_key.size() == 1);
    });
    if (pin == outline_.pins.end()) {
      plan.key.clear();
      break;
    }
    plan.key.push_back(static_cast<std::size_t>(pin - outline_.pins.begin()));
  }
  for (const std::string& name : facts.primary_key) {
    const auto column = selected(occurrence, name);
    if (!column || outline_.selects_star) {
      plan.key_columns.clear();
      break;
    }
    plan.key_columns.push_back(*column);
  }
  for (std::size_t n = 0; n < outline_.pins.size(); ++n) {
    const Pin& pin = outline_.pins[n];
    const ColumnFacts* column = pin.occurrence == occurrence ? facts.column(pin.column) : nullptr;
    if (column == nullptr || column->type == ValueType::none || pin.values.size() > kMostRows) continue;
    if (facts.primary_key.size() == 1 && facts.primary_key[0] == pin.column) continue;
    plan.pivots.push_back(n);
  }
  for (const std::size_t n : banded_columns(facts)) {
    const ColumnFacts& column = facts.columns[n];
    if (!may_rest_on_bands(facts, column)) continue;
    bool sides[2] = {false, false};
    for (const Bound& one : outline_.bounds) {
      if (one.occurrence == occurrence && one.column == column.name) sides[one.is_least ? 0 : 1] = true;
    }
    if (sides[0] && sides[1]) plan.ranges.push_back(column.name);
  }
  if ((plan.pivots.empty() && plan.ranges.empty()) || names_what_is_unknown(occurrence)) return;
  plan.placing = placing_columns(occurrence);
  const bool several = outline_.occurrences.size() > 1;
  plan.by_value = !plan.key_columns.empty() && !outline_.aggregates && !outline_.window && !outline_.offset &&
                  !(outline_.distinct && several);
  plan.by_witness = !several && !names_a_label();
}

// The columns of `occurrence` that decide which of its rows are in the result.
std::vector<std::string> ReadRule::placing_columns(std::uint32_t occurrence) const {
  std::vector<std::string> names;
  const auto place = [&](const OutlineColumn& column) {
    // A name without its table may be any table's.
    if (column.occurrence != occurrence && column.occurrence != kNoOccurrence) return;
    if (std::find(names.begin(), names.end(), column.name) == names.end()) names.push_back(column.name);
  };
  std::for_each(outline_.used.begin(), outline_.used.end(), place);
  if (outline_.limit || outline_.offset) {
    std::for_each(outline_.ordering.begin(), outline_.ordering.end(), place);
  }
  for (std::uint32_t n = 0; n < outline_.occurrences.size(); ++n) {
    const Occurrence& one = outline_.occurrences[n];
    if (!one.on || (one.join == Occurrence::Join::left && !is_decided_by(n, n))) continue;
    place(one.on->first);
    place(one.on->second);
  }
  // Positions and labels stand for columns of the select list.
  if (outline_.orders_by_position || names_a_label()) {
    std::for_each(outline_.selected.begin(), outline_.selected.end(), place);
  }
  return names;
}

// Whether a name stands for columns that it doesn't say: f of table.f may be PostgreSQL's function of the
// row; MySQL folds more letters than the scanner, and PostgreSQL cuts long names.
bool ReadRule::names_what_is_unknown(std::uint32_t occurrence) const {
  constexpr std::size_t kLongestName = 63;
  const auto is_unknown = [&](const OutlineColumn& column) {
    if (column.occurrence != occurrence && column.occurrence != kNoOccurrence) return false;
    if (plans_[occurrence].facts->column(column.name) != nullptr) return false;
    if (column.qualified && column.occurrence == occurrence) return true;
    return column.name.size() > kLongestName ||
           std::any_of(column.name.begin(), column.name.end(),
                       [](char byte) { return static_cast<unsigned char>(byte) >= 0x80U; });
  };
  return std::any_of(outline_.used.begin(), outline_.used.end(), is_unknown) ||
         std::any_of(outline_.ordering.begin(), outline_.ordering.end(), is_unknown);
}

bool ReadRule::names_a_label() const {
  const auto is_label = [&](const OutlineColumn& column) {
    return std::find(outline_.labels.begin(), outline_.labels.end(), column.name) != outline_.labels.end();
  };
  return std::any_of(outline_.used.begin(), outline_.used.end(), is_label) ||
         std::any_of(outline_.ordering.begin(), outline_.ordering.end(), is_label);
}

// Whether columns of `occurrence`, joined by the ON of `edge`, decide about more than what is shown of it.
// Its primary key doesn't, where rows of others are compared with it: it stays as it is, once it is there.
bool ReadRule::is_decided_by(std::uint32_t occurrence, std::uint32_t edge) const {
  const auto of_it = [&](const OutlineColumn& column) {
    return column.occurrence == occurrence || column.occurrence == kNoOccurrence;
  };
  const TableFacts* facts = plans_[occurrence].facts.get();
  const bool may_be_missing =
      outline_.occurrences[occurrence].join == Occurrence::Join::left || facts == nullptr;
  const auto decides = [&](const OutlineColumn& column) {
    return of_it(column) && (may_be_missing || column.name != facts->primary_key[0]);
  };
  if (std::any_of(outline_.used.begin(), outline_.used.end(), of_it)) return true;
  if ((outline_.limit || outline_.offset) &&
      (outline_.orders_by_position || names_a_label() ||
       std::any_of(outline_.ordering.begin(), outline_.ordering.end(), decides))) {
    return true;
  }
  for (std::uint32_t n = 0; n < outline_.occurrences.size(); ++n) {
    const Occurrence& one = outline_.occurrences[n];
    if (n == edge || !one.on || !(decides(one.on->first) || decides(one.on->second))) continue;
    // What LEFT JOIN brings along by it may decide in its turn.
    if (one.join != Occurrence::Join::left || n <= occurrence || is_decided_by(n, n)) return true;
  }
  return false;
}

void ReadRule::plan_join(std::uint32_t occurrence, Plan& plan, const TableFactsByName& tables) const {
  if (plan.facts->primary_key.size() != 1 || outline_.selects_star || outline_.aggregates ||
      outline_.window) {
    return;
  }
  if (outline_.occurrences[occurrence].on) {
    join_over(occurrence, occurrence, plan, tables);
  }
  // In an INNER JOIN it is all one which side is named first.
  for (std::uint32_t edge = occurrence + 1; edge < outline_.occurrences.size() && !plan.joined; ++edge) {
    const Occurrence& one = outline_.occurrences[edge];
    if (one.on && one.join == Occurrence::Join::inner &&
        outline_.occurrences[occurrence].join != Occurrence::Join::left) {
      join_over(occurrence, edge, plan, tables);
    }
  }
}

// Plans `occurrence` as joined by its primary key in the ON of `edge`, if it is.
void ReadRule::join_over(std::uint32_t occurrence, std::uint32_t edge, Plan& plan,
                         const TableFactsByName& tables) const {
  const auto& [first, second] = *outline_.occurrences[edge].on;
  const bool is_second = second.occurrence == occurrence;
  const OutlineColumn& own = is_second ? second : first;
  const OutlineColumn& other = is_second ? first : second;
  if (own.occurrence != occurrence || other.occurrence == occurrence ||
      own.name != plan.facts->primary_key[0] || is_decided_by(occurrence, edge)) {
    return;
  }
  const auto from = tables.find(outline_.occurrences[other.occurrence].table.name);
  if (from == tables.end()) return;
  const std::vector<ForeignKeyFacts>& keys = from->second->foreign_keys;
  const bool enforced = std::any_of(keys.begin(), keys.end(), [&](const ForeignKeyFacts& key) {
    return key.column == other.name && key.table == plan.facts->name && key.to_column == own.name;
  });
  // Where x isn't shown, b.pk shows the same; NULL then means that x is.
  std::optional<std::size_t> held = selected(other.occurrence, other.name);
  const std::optional<std::size_t> key = selected(occurrence, own.name);
  if (!held && enforced) held = key;
  if (!held) return;
  plan.joined_by = *held;
  if (!enforced) plan.joined_key = key;  // otherwise it needn't be looked whether one was found
  plan.joined = enforced || (outline_.occurrences[occurrence].join == Occurrence::Join::left && key);
}

std::optional<std::size_t> ReadRule::selected(std::uint32_t occurrence, std::string_view column) const {
  for (std::size_t n = 0; n < outline_.selected.size(); ++n) {
    if (outline_.selected[n].occurrence == occurrence && outline_.selected[n].name == column) return n;
  }
  return std::nullopt;
}

void ReadRule::make_witness_sql(const TokenStream& stream) {
  if (plans_.size() != 1 || !plans_[0].by_witness) return;
  const char quote = stream.dialect == Dialect::mysql ? '`' : '"';
  std::string columns;
  for (const std::string& name : plans_[0].facts->primary_key) {
    if (name.find(quote) != std::string::npos || name.find('%') != std::string::npos) return;
    columns.append(columns.empty() ? "" : ", ").append(1, quote).append(name).append(1, quote);
  }
  witness_sql_.append("SELECT ").append(columns).append(" ");
  witness_sql_.append(stream.text.substr(outline_.from_begin, outline_.where_end - outline_.from_begin));
  witness_sql_.append(" LIMIT ").append(std::to_string(kMostRows + 1));
}

// Whether no row of the first occurrence comes twice: all others are found by their whole primary key.
bool ReadRule::rows_are_found_once() const {
  if (outline_.aggregates) return false;
  for (std::uint32_t n = 1; n < outline_.occurrences.size(); ++n) {
    const Occurrence& one = outline_.occurrences[n];
    if (!one.on || !plans_[n].facts || plans_[n].facts->primary_key.size() != 1) return false;
    const OutlineColumn& own = one.on->first.occurrence == n ? one.on->first : one.on->second;
    if (own.occurrence != n || own.name != plans_[n].facts->primary_key[0]) return false;
    if (one.on->first.occurrence == one.on->second.occurrence) return false;
  }
  return true;
}

ReadRule::Footing ReadRule::before(const Parameters& parameters, bool may_witness,
                                   DependencyList& out) const {
  Footing footing;
  for (const std::string& table : always_any_) add(out, "any", table);
  for (std::size_t n = 0; n < plans_.size(); ++n) {
    const Plan& plan = plans_[n];
    const std::string& table = outline_.occurrences[n].table.name;
    DependencyList rows{{}, out.in_words, {}};
    Kind kind = kAny;
    if (!plan.key.empty() && key_rows(plan, parameters, rows)) {
      kind = kByKey;
    } else if ((plan.by_value || (plan.by_witness && may_witness)) &&
               (pivot_values(plan, parameters, out) ||
                bands(static_cast<std::uint32_t>(n), parameters, footing, out))) {
      kind = plan.by_value ? kByValue : kByWitness;
      for (const std::string& column : plan.placing) {
        if (plan.facts->column(column) != nullptr) add(out, "set", table, column);
      }
    } else if (plan.joined) {
      kind = kJoined;
    }
    add(out, kind == kAny ? "any" : "bulk", table);
    if (kind == kByKey) {
      out.hashes.insert(out.hashes.end(), rows.hashes.begin(), rows.hashes.end());
      out.words.insert(out.words.end(), rows.words.begin(), rows.words.end());
    }
    footing.of.push_back(kind);
    footing.needs_rows = footing.needs_rows || kind == kByKey || kind == kByValue || kind == kJoined;
    footing.needs_witnesses = footing.needs_witnesses || kind == kByWitness;
  }
  return footing;
}

// The rows that the pins of the primary key name, each once; false: one of the values isn't known.
bool ReadRule::key_rows(const Plan& plan, const Parameters& parameters, DependencyList& rows) const {
  const std::vector<std::string>& columns = plan.facts->primary_key;
  std::vector<KnownValue> key(columns.size());
  const std::size_t count = columns.size() == 1 ? outline_.pins[plan.key[0]].values.size() : 1;
  if (count > kMostRows) return false;
  for (std::size_t n = 0; n < count; ++n) {
    for (std::size_t part = 0; part < columns.size(); ++part) {
      const ColumnFacts* column = plan.facts->column(columns[part]);
      const std::vector<OutlineValue>& values = outline_.pins[plan.key[part]].values;
      key[part] = column == nullptr ? KnownValue{} : known(values[n], parameters, column->type);
      if (key[part].type == ValueType::none) return false;
    }
    const std::uint64_t row = row_dependency(plan.facts->name, key);
    if (std::find(rows.hashes.begin(), rows.hashes.end(), row) == rows.hashes.end()) {
      add_row(rows, plan.facts->name, key);
    }
  }
  return true;
}

// Adds the values of the first pivot that is known, and what is unknown of it.
bool ReadRule::pivot_values(const Plan& plan, const Parameters& parameters, DependencyList& out) const {
  for (const std::size_t n : plan.pivots) {
    const Pin& pin = outline_.pins[n];
    const ValueType type = plan.facts->column(pin.column)->type;
    std::vector<KnownValue> values;
    for (const OutlineValue& value : pin.values) {
      values.push_back(known(value, parameters, type));
      if (values.back().type == ValueType::none) break;
    }
    if (values.back().type == ValueType::none) continue;
    const std::string prefix = value_prefix(plan.facts->name, pin.column);
    for (const KnownValue& value : values) add_value(out, prefix, plan.facts->name, pin.column, value);
    add(out, "unknown", plan.facts->name, pin.column);
    return true;
  }
  return false;
}

// Adds the bands of the first range whose ends are known, and what isn't banded of its column.
bool ReadRule::bands(std::uint32_t occurrence, const Parameters& parameters, Footing& footing,
                     DependencyList& out) const {
  const Plan& plan = plans_[occurrence];
  for (const std::string& name : plan.ranges) {
    const ColumnFacts& column = *plan.facts->column(name);
    const auto least = bound(occurrence, column, true, parameters);
    const auto most = bound(occurrence, column, false, parameters);
    if (!least || !most || !add_bands_between(out, plan.facts->name, name, *least, *most)) continue;
    add(out, "unbanded", plan.facts->name, name);
    footing.hints.push_back(dependency_of("banded", plan.facts->name, name));
    return true;
  }
  return false;
}

// The place beyond which no value of the column is in the result; nothing: none is known.
std::optional<std::int64_t> ReadRule::bound(std::uint32_t occurrence, const ColumnFacts& column,
                                            bool is_least, const Parameters& parameters) const {
  for (const Bound& one : outline_.bounds) {
    if (one.occurrence != occurrence || one.is_least != is_least || one.column != column.name) continue;
    const auto place = place_of(one.value, parameters, column);
    if (!place) continue;
    const bool is_cut = !is_least && !place->exact;
    return place->at + (is_least ? -1 : is_cut ? 2 : 1);
  }
  return std::nullopt;
}

void ReadRule::after(const Footing& footing, const Parameters& parameters, const ResultRows& result,
                     const ResultRows* witnesses, DependencyList& out) const {
  for (std::size_t n = 0; n < footing.of.size(); ++n) {
    const Plan& plan = plans_[n];
    bool holds = true;
    switch (footing.of[n]) {
      case kByKey: {
        DependencyList rows;
        key_rows(plan, parameters, rows);
        if (n == 0 && rows_are_found_once() && result.rows() == rows.hashes.size()) break;
        for (const std::string& column : plan.facts->primary_key) {
          add(out, "unknown", plan.facts->name, column);
        }
        break;
      }
      case kByValue:
        holds = result_rows(plan, result, plan.key_columns, out);
        break;
      case kByWitness: {
        std::vector<std::size_t> columns(plan.facts->primary_key.size());
        for (std::size_t column = 0; column < columns.size(); ++column) columns[column] = column;
        holds = witnesses != nullptr && result_rows(plan, *witnesses, columns, out);
        break;
      }
      case kJoined:
        holds = joined_rows(plan, result, out);
        break;
      default:
        break;
    }
    if (!holds) add(out, "any", plan.facts->name);
  }
}

bool ReadRule::result_rows(const Plan& plan, const ResultRows& rows, std::span<const std::size_t> columns,
                           DependencyList& out) const {
  if (rows.rows() > kMostRows) return false;
  std::vector<KnownValue> key(columns.size());
  std::vector<ValueType> types;
  for (const std::string& name : plan.facts->primary_key) {
    const ColumnFacts* column = plan.facts->column(name);
    types.push_back(column == nullptr ? ValueType::none : column->type);
  }
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    for (std::size_t part = 0; part < columns.size(); ++part) {
      if (rows.cell(row, columns[part], types[part], key[part]) != ResultRows::Cell::known) return false;
    }
    add_row(out, plan.facts->name, key);
  }
  return true;
}

bool ReadRule::joined_rows(const Plan& plan, const ResultRows& rows, DependencyList& out) const {
  const ColumnFacts* column = plan.facts->column(plan.facts->primary_key[0]);
  if (column == nullptr || rows.rows() > kMostRows * 4) return false;
  std::vector<std::uint64_t> seen;
  KnownValue key[1];
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    const ResultRows::Cell cell = rows.cell(row, plan.joined_by, column->type, key[0]);
    if (cell == ResultRows::Cell::null) continue;
    if (cell == ResultRows::Cell::unknown) return false;
    if (plan.joined_key) {
      KnownValue found;
      if (rows.cell(row, *plan.joined_key, column->type, found) == ResultRows::Cell::null) return false;
    }
    const std::uint64_t hash = row_dependency(plan.facts->name, key);
    if (std::find(seen.begin(), seen.end(), hash) != seen.end()) continue;
    if (seen.size() >= kMostRows) return false;
    seen.push_back(hash);
    add_row(out, plan.facts->name, key);
  }
  return true;
}

}  // namespace cache_me
