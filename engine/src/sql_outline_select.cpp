// Outlines of SELECT.
#include <algorithm>
#include <array>
#include <string_view>

#include "sql_outline_reader.hpp"

namespace cache_me {
namespace {

using enum Keyword;

// Functions that make one value of one row's. Any other may be an aggregate.
constexpr std::array<std::string_view, 40> kScalars = {"abs",
                                                       "cast",
                                                       "ceil",
                                                       "ceiling",
                                                       "char_length",
                                                       "coalesce",
                                                       "concat",
                                                       "concat_ws",
                                                       "date_trunc",
                                                       "django_date_extract",
                                                       "django_date_trunc",
                                                       "django_datetime_cast_date",
                                                       "django_datetime_cast_time",
                                                       "django_datetime_extract",
                                                       "django_datetime_trunc",
                                                       "django_time_extract",
                                                       "django_time_trunc",
                                                       "extract",
                                                       "floor",
                                                       "greatest",
                                                       "ifnull",
                                                       "instr",
                                                       "json_extract",
                                                       "json_type",
                                                       "least",
                                                       "length",
                                                       "lower",
                                                       "lpad",
                                                       "ltrim",
                                                       "mod",
                                                       "nullif",
                                                       "power",
                                                       "replace",
                                                       "round",
                                                       "rpad",
                                                       "rtrim",
                                                       "substr",
                                                       "substring",
                                                       "trim",
                                                       "upper"};

// Columns that every table has, and that change without being written: nothing is pinned or placed by them.
constexpr std::array<std::string_view, 9> kSystemColumns = {"rowid", "_rowid_", "oid",  "ctid",    "xmin",
                                                            "xmax",  "cmin",    "cmax", "tableoid"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

class SelectOutliner {
 public:
  SelectOutliner(const TokenStream& stream, const Statement& statement, SelectOutline& out)
      : stream_(stream), reader_(stream, statement), statement_(statement), out_(out) {}

  bool read() {
    const std::size_t end = statement_.end_token;
    std::size_t i = statement_.begin_token;
    if (!reader_.readable() || !reader_.is(i, end, kw_select)) return false;
    ++i;
    if (reader_.is(i, end, kw_distinct)) {
      out_.distinct = true;
      if (reader_.is(++i, end, kw_on)) {
        if (!reader_.is_symbol(++i, end, '(')) return false;
        distinct_on_ = {i + 1, reader_.token(i).match};
        i = reader_.token(i).match + 1;
      }
    } else if (reader_.is(i, end, kw_all)) {
      ++i;
    }
    const std::size_t select_begin = i;
    for (; i < end && !is_from(i); i = reader_.next(i)) {
      if (ends_plainness(i)) return false;
    }
    if (i >= end) return false;
    const std::size_t select_end = i;
    out_.from_begin = reader_.token(i).begin;
    out_.first_placeholder = reader_.placeholders_before(i);
    if (!from(i + 1, end, i)) return false;
    select_list(select_begin, select_end);
    collect(distinct_on_.first, distinct_on_.second, out_.used);
    look_for_positions(distinct_on_.first, distinct_on_.second);
    // Which row DISTINCT ON takes of several goes by ORDER BY, as with a LIMIT.
    out_.limit = distinct_on_.second != 0;
    return clauses(i, end) && inner_tables() && no_row_as_a_whole();
  }

 private:
  bool is_from(std::size_t i) const {
    return reader_.is(i, i + 1, kw_from) &&
           !(i > statement_.begin_token && reader_.is(i - 1, i, kw_distinct));
  }

  // table [[AS] alias] {, table | [INNER | CROSS | LEFT [OUTER]] JOIN table [ON condition]}
  bool from(std::size_t i, const std::size_t end, std::size_t& after) {
    Occurrence::Join join = Occurrence::Join::first;
    while (true) {
      const OutlineName name = reader_.name_at(i, end);
      if (name.parts == 0 || name.parts > 2) return false;
      Occurrence& occurrence = out_.occurrences.emplace_back();
      occurrence.table = reader_.table_of(name);
      occurrence.alias = occurrence.table.name;
      occurrence.join = join;
      i = name.end;
      const bool as = reader_.is(i, end, kw_as);
      if (as) ++i;
      if (reader_.is_name(i, end)) {
        occurrence.alias = reader_.folded(i++);
      } else if (as) {
        return false;
      }
      if (reader_.is(i, end, kw_on)) {
        const std::size_t start = ++i;
        while (i < end && !reader_.is_symbol(i, end, ',') && !begins_join(i, end) && !ends_from(i)) {
          if (ends_plainness(i)) return false;
          i = reader_.next(i);
        }
        conditions_.emplace_back(start, i);
        on_of_.push_back(out_.occurrences.size() - 1);
      }
      if (i >= end || ends_from(i)) break;
      if (reader_.is_symbol(i, end, ',')) {
        join = Occurrence::Join::inner;
        ++i;
        continue;
      }
      if (!read_join(i, end, join)) return false;
    }
    after = i;
    for (std::size_t n = 0; n < on_of_.size(); ++n) {
      std::optional<std::pair<OutlineColumn, OutlineColumn>>& on = out_.occurrences[on_of_[n]].on;
      on = equality(conditions_[n].first, conditions_[n].second);
      if (!on) collect(conditions_[n].first, conditions_[n].second, out_.used);
    }
    // Two tables of one name can't be told apart by their columns.
    for (std::size_t a = 0; a < out_.occurrences.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (out_.occurrences[a].alias == out_.occurrences[b].alias) return false;
      }
    }
    return true;
  }

  bool begins_join(std::size_t i, std::size_t end) const {
    switch (reader_.keyword(i)) {
      case kw_join:
      case kw_inner:
      case kw_cross:
      case kw_natural:
      case kw_full:
      case kw_straight_join:
        return true;
      case kw_left:  // LEFT(x, 1) is a function
      case kw_right:
        return !reader_.is_symbol(i + 1, end, '(');
      default:
        return false;
    }
  }

  bool read_join(std::size_t& i, std::size_t end, Occurrence::Join& join) const {
    join = Occurrence::Join::inner;
    if (reader_.is(i, end, kw_inner) || reader_.is(i, end, kw_cross)) {
      ++i;
    } else if (reader_.is(i, end, kw_left)) {
      join = Occurrence::Join::left;
      ++i;
      if (reader_.is(i, end, kw_outer)) ++i;
    }
    if (!reader_.is(i, end, kw_join)) return false;
    ++i;
    return true;
  }

  bool ends_from(std::size_t i) const {
    switch (reader_.keyword(i)) {
      case kw_where:
      case kw_group:
      case kw_having:
      case kw_order:
      case kw_limit:
      case kw_offset:
      case kw_fetch:
        return true;
      default:
        return false;
    }
  }

  // The whole of [begin, end) as column = column.
  std::optional<std::pair<OutlineColumn, OutlineColumn>> equality(std::size_t begin, std::size_t end) const {
    const auto [from, to] = reader_.stripped(begin, end);
    const OutlineName left = reader_.name_at(from, to);
    if (left.parts != 2 || !reader_.is_symbol(left.end, to, '=')) return std::nullopt;
    const OutlineName right = reader_.name_at(left.end + 1, to);
    if (right.parts != 2 || right.end != to) return std::nullopt;
    std::pair pair{placed(left), placed(right)};
    if (pair.first.occurrence == kNoOccurrence || pair.second.occurrence == kNoOccurrence)
      return std::nullopt;
    return pair;
  }

  OutlineColumn placed(const OutlineName& name) const {
    const auto named = reader_.named(name);
    if (!named) return {};
    OutlineColumn column{kNoOccurrence, named->column, !named->qualifier.empty()};
    if (!column.qualified) {
      if (out_.occurrences.size() == 1) column.occurrence = 0;
      return column;
    }
    for (std::uint32_t n = 0; n < out_.occurrences.size(); ++n) {
      if (out_.occurrences[n].alias == named->qualifier) column.occurrence = n;
    }
    return column;
  }

  void select_list(std::size_t i, std::size_t end) {
    for (; i <= end; ++i) {
      const std::size_t start = i;
      std::size_t as = end;
      while (i < end && !reader_.is_symbol(i, end, ',')) {
        if (reader_.is(i, end, kw_as)) as = i;
        i = reader_.next(i);
      }
      select_item(start, i, std::min(as, i));
    }
  }

  void select_item(std::size_t begin, std::size_t end, std::size_t as) {
    if (as < end) {
      if (as + 1 < end) out_.labels.push_back(label(as + 1));
      end = as;
    }
    const OutlineName name = reader_.name_at(begin, end);
    std::size_t behind = name.end;
    if (name.parts != 0 && behind + 1 == end && reader_.is_name(behind, end)) {  // a label without AS
      out_.labels.push_back(reader_.folded(behind));
      ++behind;
    }
    const OutlineColumn column = name.parts != 0 && behind == end ? placed(name) : OutlineColumn{};
    if (column.occurrence != kNoOccurrence) {
      out_.selected.push_back(column);
      return;
    }
    if (end > begin && reader_.is_symbol(end - 1, end, '*') &&
        (end - begin == 1 || reader_.is_symbol(end - 2, end, '.'))) {
      out_.selects_star = true;
      if (reader_.is_symbol(begin, end, '(')) {  // (expression).*
        collect(begin, end - 2, out_.used);
        look_for_aggregates(begin, end);
      }
      return;
    }
    out_.selected.emplace_back();
    if (end > begin && reader_.is_name(end - 1, end)) out_.labels.push_back(reader_.folded(end - 1));
    collect(begin, end, out_.used);
    look_for_aggregates(begin, end);
  }

  // Of SQLite and MySQL it may be a text.
  std::string label(std::size_t i) const {
    std::string name = reader_.folded(i);
    if (reader_.token(i).kind == TokenKind::text && name.size() >= 2) name = name.substr(1, name.size() - 2);
    return name;
  }

  // WHERE … GROUP BY … HAVING … ORDER BY … LIMIT … OFFSET …, each at most once and in this order.
  bool clauses(std::size_t i, const std::size_t end) {
    out_.where_end = i < end ? reader_.token(i).begin : reader_.token(end - 1).end;
    out_.last_placeholder = reader_.placeholders_before(i);
    int last = 0;
    while (i < end) {
      const Keyword word = reader_.keyword(i);
      const int order = order_of(word);
      if (order <= last) return false;
      last = order;
      // In SQLite and MySQL OFFSET may be a column's name, but for behind a LIMIT.
      if (word == kw_offset && stream_.dialect != Dialect::postgresql && !out_.limit) return false;
      if (word == kw_fetch && stream_.dialect != Dialect::postgresql) return false;
      const std::size_t start = i + 1;
      for (i = start; i < end && order_of(reader_.keyword(i)) == 0; i = reader_.next(i)) {
        if (ends_plainness(i)) return false;
      }
      clause(word, start, i);
    }
    return true;
  }

  static int order_of(Keyword word) {
    switch (word) {
      case kw_where:
        return 1;
      case kw_group:
        return 2;
      case kw_having:
        return 3;
      case kw_order:
        return 4;
      case kw_limit:
        return 5;
      case kw_offset:
        return 6;
      case kw_fetch:
        return 7;
      default:
        return 0;
    }
  }

  bool ends_plainness(std::size_t i) const {
    switch (reader_.keyword(i)) {
      case kw_from:
        return is_from(i);
      case kw_select:
      case kw_union:
      case kw_intersect:
      case kw_except:
      case kw_minus:
      case kw_into:
      case kw_for:
      case kw_lock:
      case kw_window:
      case kw_procedure:
      case kw_returning:
        return true;
      default:
        return false;
    }
  }

  void clause(Keyword word, std::size_t begin, std::size_t end) {
    switch (word) {
      case kw_where:
        out_.where_end = reader_.token(end - 1).end;
        out_.last_placeholder = reader_.placeholders_before(end);
        reader_.pins(begin, end, [&](const OutlineName& name, std::vector<OutlineValue> values) {
          const OutlineColumn column = placed(name);
          if (column.occurrence != kNoOccurrence) {
            out_.pins.push_back({column.occurrence, column.name, std::move(values)});
          }
        });
        reader_.bounds(begin, end, [&](const OutlineName& name, bool is_least, const OutlineValue& value) {
          const OutlineColumn column = placed(name);
          if (column.occurrence != kNoOccurrence) {
            out_.bounds.push_back({column.occurrence, column.name, is_least, value});
          }
        });
        break;
      case kw_group:
      case kw_having:
        out_.aggregates = true;
        break;
      case kw_order:
        order_by(begin, end);
        return;
      case kw_limit:
        out_.limit = true;
        for (std::size_t i = begin; i < end; i = reader_.next(i)) {
          if (reader_.is_symbol(i, end, ',')) out_.offset = true;  // LIMIT offset, count
        }
        break;
      case kw_offset:
        out_.offset = true;
        break;
      default:
        out_.limit = true;
        break;
    }
    collect(begin, end, out_.used);
  }

  void order_by(std::size_t begin, std::size_t end) {
    if (reader_.is(begin, end, kw_by)) ++begin;
    for (std::size_t i = begin; i < end;) {  // but for the directions
      const std::size_t start = i;
      while (i < end && !is_direction(i, begin)) ++i;
      collect(start, i, out_.ordering);
      ++i;
    }
    look_for_aggregates(begin, end);
    look_for_positions(begin, end);
  }

  // ASC or DESC behind an operand. Elsewhere they may be names, in SQLite.
  bool is_direction(std::size_t i, std::size_t begin) const {
    if (i == begin || reader_.token(i).kind != TokenKind::word) return false;
    const std::string word = reader_.folded(i);
    if (lower_ascii(word) != "asc" && lower_ascii(word) != "desc") return false;
    if (reader_.is_symbol(i - 1, i, ')')) return true;
    // SQLite's operators that aren't keywords.
    static constexpr std::array<std::string_view, 3> kOperators = {"glob", "regexp", "match"};
    return reader_.is_name(i - 1, i) && !(reader_.token(i - 1).kind == TokenKind::word &&
                                          among(kOperators, lower_ascii(reader_.folded(i - 1))));
  }

  // Terms that begin with a number: SQLite takes (2) and +2 for a position too, and a driver may write a
  // parameter into the text.
  void look_for_positions(std::size_t begin, std::size_t end) {
    bool starts = true;
    for (std::size_t i = begin; i < end; ++i) {
      const TokenKind kind = reader_.token(i).kind;
      if (starts && (kind == TokenKind::number || kind == TokenKind::placeholder)) {
        out_.orders_by_position = true;
      }
      const bool is_sign = reader_.is_symbol(i, end, '+') || reader_.is_symbol(i, end, '-');
      starts = reader_.is_symbol(i, end, ',') || reader_.is_symbol(i, end, '(') || (starts && is_sign);
    }
  }

  void look_for_aggregates(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (reader_.is(i, end, kw_over)) out_.window = true;
      if (reader_.is_name(i, end) && reader_.is_symbol(i + 1, end, '(') &&
          !among(kScalars, reader_.folded(i))) {
        out_.aggregates = true;
      }
    }
  }

  // Every name in [begin, end) that may be a column's, however deep; keywords too, for they may be names.
  void collect(std::size_t begin, std::size_t end, std::vector<OutlineColumn>& into) {
    for (std::size_t i = begin; i < end;) {
      if (!is_any_word(i, end)) {
        // x.* where no row is meant
        if (reader_.is_symbol(i, end, '*') && i > begin && reader_.is_symbol(i - 1, end, '.')) whole_ = true;
        ++i;
        continue;
      }
      std::size_t last = i;
      std::size_t parts = 1;
      while (reader_.is_symbol(last + 1, end, '.') && is_any_word(last + 2, end)) {
        last += 2;
        ++parts;
      }
      if (!reader_.is_symbol(last + 1, end, '(')) add_column(i, last, parts, into);
      i = last + 1;
    }
  }

  bool is_any_word(std::size_t i, std::size_t end) const {
    return i < end &&
           (reader_.token(i).kind == TokenKind::word || reader_.token(i).kind == TokenKind::quoted_name);
  }

  void add_column(std::size_t first, std::size_t last, std::size_t parts, std::vector<OutlineColumn>& into) {
    const std::string name = reader_.folded(last);
    if (among(kSystemColumns, name)) whole_ = true;
    OutlineColumn column{kNoOccurrence, name, parts > 1};
    if (parts == 1) {
      names_alone_.push_back(name);
      if (out_.occurrences.size() == 1) column.occurrence = 0;
    } else {
      const std::string qualifier = reader_.folded(last - 2);
      bool outer = false;
      for (std::uint32_t n = 0; n < out_.occurrences.size(); ++n) {
        if (out_.occurrences[n].alias == qualifier ||
            (parts > 2 && out_.occurrences[n].table.name == qualifier)) {
          column.occurrence = n;
          outer = true;
        }
      }
      // PostgreSQL's (alias.composite).field and alias.composite.field begin with the alias too.
      if (!outer && parts > 2) column = {kNoOccurrence, reader_.folded(first + 2), false};
      if (!outer && parts == 2) return;  // a subquery's own
    }
    if (std::find(into.begin(), into.end(), column) == into.end()) into.push_back(column);
  }

  // The tables of subqueries: of those that the statement reads, all whose names stand there unqualified.
  bool inner_tables() {
    const std::size_t end = statement_.end_token;
    for (std::size_t i = statement_.begin_token + 1; i < end; ++i) {
      if (!reader_.is_symbol(i, end, '(')) continue;
      const Keyword first = reader_.token(i + 1).keyword;
      if (first == kw_with || first == kw_values || first == kw_table) return false;
      if (first != kw_select && !reader_.is_symbol(i + 1, end, '(')) continue;
      const std::size_t close = reader_.token(i).match;
      for (++i; i < close; ++i) {
        if (is_any_word(i, close) && !reader_.is_symbol(i + 1, close, '.')) add_inner(reader_.folded(i));
      }
    }
    for (const TableName& table : statement_.reads) {
      const bool outer = std::any_of(out_.occurrences.begin(), out_.occurrences.end(),
                                     [&](const Occurrence& one) { return one.table == table; });
      if (!outer) add_inner(table.name);
    }
    return true;
  }

  void add_inner(const std::string& name) {
    for (const TableName& table : statement_.reads) {
      if (table.name != name) continue;
      if (std::find(out_.inner_tables.begin(), out_.inner_tables.end(), table) == out_.inner_tables.end()) {
        out_.inner_tables.push_back(table);
      }
    }
  }

  // A table's name for its whole row (PostgreSQL) or for a subquery (SQLite's IN), system columns.
  bool no_row_as_a_whole() const {
    if (whole_) return false;
    for (const Occurrence& one : out_.occurrences) {
      for (const std::string& name : names_alone_) {
        if (name == one.alias || name == one.table.name) return false;
      }
    }
    return true;
  }

  const TokenStream& stream_;
  const OutlineReader reader_;
  const Statement& statement_;
  SelectOutline& out_;
  std::pair<std::size_t, std::size_t> distinct_on_{0, 0};
  std::vector<std::pair<std::size_t, std::size_t>> conditions_;  // of ON
  std::vector<std::size_t> on_of_;                               // the occurrence of each
  std::vector<std::string> names_alone_;
  bool whole_ = false;
};

}  // namespace

SelectOutline outline_select(const TokenStream& stream, const Statement& statement) {
  SelectOutline out;
  if (stream.error || statement.kind != StatementKind::select || !statement.readable) return SelectOutline();
  out.plain = SelectOutliner(stream, statement, out).read();
  return out.plain ? out : SelectOutline();
}

}  // namespace cache_me
