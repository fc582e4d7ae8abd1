// Outlines of INSERT, UPDATE and DELETE.
#include <utility>

#include "sql_outline_reader.hpp"

namespace cache_me {
namespace {

using enum Keyword;

class WriteOutliner {
 public:
  WriteOutliner(const TokenStream& stream, const Statement& statement)
      : reader_(stream, statement), end_(statement.end_token), mysql_(stream.dialect == Dialect::mysql) {}

  bool read(std::size_t i, WriteOutline& out) {
    if (!reader_.readable()) return false;
    switch (out.kind) {
      case StatementKind::insert:
        return reader_.is(i, end_, kw_insert) && insert(i + 1, out);
      case StatementKind::update:
        return reader_.is(i, end_, kw_update) && update(i + 1, out);
      case StatementKind::delete_:
        return reader_.is(i, end_, kw_delete) && delete_from(i + 1, out);
      default:
        return false;
    }
  }

 private:
  // [INTO] table [(columns)] VALUES (…), (…) | DEFAULT VALUES, then nothing or RETURNING.
  bool insert(std::size_t i, WriteOutline& out) {
    if (reader_.is(i, end_, kw_into)) ++i;
    if (!table(i, out)) return false;
    if (reader_.is_symbol(i, end_, '(')) {
      const std::size_t close = reader_.token(i).match;
      for (++i; i < close; ++i) {
        if (!reader_.is_name(i, close)) return false;
        out.columns.push_back(reader_.folded(i++));
        if (i < close && !reader_.is_symbol(i, close, ',')) return false;
      }
      i = close + 1;
    }
    if (reader_.is(i, end_, kw_default) && reader_.is(i + 1, end_, kw_values)) {
      if (!out.columns.empty()) return false;
      out.rows.emplace_back();
      return ends(i + 2);
    }
    // Without their names nobody knows here which columns the values are for.
    if (out.columns.empty() || !reader_.is(i, end_, kw_values)) return false;
    do {
      ++i;
      if (!reader_.is_symbol(i, end_, '(')) return false;
      if (!row(i + 1, reader_.token(i).match, out)) return false;
      i = reader_.token(i).match + 1;
    } while (reader_.is_symbol(i, end_, ','));
    return ends(i);
  }

  bool row(std::size_t i, std::size_t close, WriteOutline& out) {
    std::vector<OutlineValue>& values = out.rows.emplace_back();
    for (; i <= close; ++i) {
      const std::size_t start = i;
      while (i < close && !reader_.is_symbol(i, close, ',')) i = reader_.next(i);
      values.push_back(reader_.value(start, i));
    }
    return values.size() == out.columns.size();
  }

  // table [[AS] alias] SET column = value, … [WHERE …] [RETURNING …]
  bool update(std::size_t i, WriteOutline& out) {
    if (!table(i, out) || !alias(i) || !reader_.is(i, end_, kw_set)) return false;
    std::vector<OutlineValue>& values = out.rows.emplace_back();
    do {
      ++i;
      const OutlineName column = reader_.name_at(i, end_);
      // PostgreSQL: a.b is the field b of the column a.
      if (column.parts == 0 || (column.parts > 1 && !mysql_)) return false;
      if (!reader_.is_symbol(column.end, end_, '=')) return false;
      out.columns.push_back(reader_.folded(column.end - 1));
      const std::size_t start = i = column.end + 1;
      while (i < end_ && !reader_.is_symbol(i, end_, ',') && !ends_clause(i)) i = reader_.next(i);
      values.push_back(reader_.value(start, i));
    } while (reader_.is_symbol(i, end_, ','));
    return condition(i, out);
  }

  // FROM table [[AS] alias] [WHERE …] [RETURNING …]
  bool delete_from(std::size_t i, WriteOutline& out) {
    if (!reader_.is(i, end_, kw_from)) return false;
    ++i;
    return table(i, out) && alias(i) && condition(i, out);
  }

  bool table(std::size_t& i, WriteOutline& out) {
    const OutlineName name = reader_.name_at(i, end_);
    if (name.parts == 0 || name.parts > 2) return false;
    out.table = reader_.table_of(name);
    names_[0] = out.table.name;
    i = name.end;
    return true;
  }

  bool alias(std::size_t& i) {
    const bool as = reader_.is(i, end_, kw_as);
    if (as) ++i;
    if (!reader_.is_name(i, end_)) return !as;
    names_[1] = reader_.folded(i++);
    return true;
  }

  bool condition(std::size_t i, WriteOutline& out) {
    if (!reader_.is(i, end_, kw_where)) return ends(i);
    const std::size_t start = ++i;
    while (i < end_ && !ends_clause(i)) i = reader_.next(i);
    reader_.pins(start, i, [&](const OutlineName& name, std::vector<OutlineValue> values) {
      const auto named = reader_.named(name);
      if (!named ||
          (!named->qualifier.empty() && named->qualifier != names_[0] && named->qualifier != names_[1])) {
        return;
      }
      out.pins.push_back({0, named->column, std::move(values)});
    });
    return ends(i);
  }

  // What may stand behind SET's list and behind WHERE. ORDER BY and LIMIT (MySQL) make not located what is
  // easier left out than understood.
  bool ends_clause(std::size_t i) const {
    switch (reader_.keyword(i)) {
      case kw_where:
      case kw_from:
      case kw_returning:
      case kw_order:
      case kw_limit:
      case kw_using:
        return true;
      default:
        return false;
    }
  }

  // Behind an operator, RETURNING is a column's name (MySQL), and the condition goes on.
  bool ends(std::size_t i) const {
    return i >= end_ || (reader_.is(i, end_, kw_returning) && ends_expression(i - 1));
  }

  bool ends_expression(std::size_t i) const {
    if (reader_.token(i).kind == TokenKind::symbol) {
      return reader_.is_symbol(i, end_, ')') || reader_.is_symbol(i, end_, ']');
    }
    switch (reader_.keyword(i)) {
      case none:
      case kw_default:
      case kw_end:
      case kw_false:
      case kw_null:
      case kw_true:
      case kw_values:
        return true;
      default:
        return false;
    }
  }

  OutlineReader reader_;
  const std::size_t end_;
  const bool mysql_;
  std::string names_[2];  // of the table in its columns' qualifiers
};

}  // namespace

WriteOutline outline_write(const TokenStream& stream, const Statement& statement) {
  WriteOutline out;
  out.kind = statement.kind;
  // One table and no conflict clause; CTEs that write make several.
  if (stream.error || statement.writes.size() != 1 || statement.replace || statement.upsert) return out;
  WriteOutline found = out;
  if (!WriteOutliner(stream, statement).read(statement.begin_token, found)) return out;
  if (!(found.table == statement.writes.front())) return out;
  found.located = true;
  return found;
}

}  // namespace cache_me
