// Any bytes, in each dialect: the reader stays inside the text, and its answers keep their own rules.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "cache_me/dependency_rules.hpp"
#include "cache_me/sql_outline.hpp"
#include "cache_me/sql_scanner.hpp"

namespace {

// No parameters and no rows: rules have to do without.
class Nothing : public cache_me::Parameters, public cache_me::ResultRows {
 public:
  cache_me::KnownValue parameter(std::uint32_t, cache_me::ValueType) const override { return {}; }
  bool is_null(std::uint32_t) const override { return false; }
  std::size_t rows() const override { return 0; }
  Cell cell(std::size_t, std::size_t, cache_me::ValueType, cache_me::KnownValue&) const override {
    return Cell::unknown;
  }
};

// A table for every name that the seeds use.
cache_me::TableFactsByName tables_of(const cache_me::Statement& statement) {
  using namespace cache_me;
  TableFactsByName tables;
  for (const std::vector<TableName>* names : {&statement.reads, &statement.writes}) {
    for (const TableName& table : *names) {
      auto facts = std::make_shared<TableFacts>();
      facts->name = table.name;
      for (const char* column : {"id", "a", "b", "c", "x"}) {
        facts->columns.push_back({column, ValueType::integer, 0, column[0] == 'x'});
      }
      facts->primary_key = {"id"};
      tables[table.name] = std::move(facts);
    }
  }
  return tables;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cache_me;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Dialect dialect : {Dialect::sqlite, Dialect::postgresql, Dialect::mysql}) {
    const TokenStream stream = tokenize_sql(text, dialect);
    std::size_t last = 0;
    for (std::size_t i = 0; i < stream.tokens.size(); ++i) {
      const Token& token = stream.tokens[i];
      require(token.begin >= last && token.begin < token.end && token.end <= size);
      last = token.end;
      if (stream.error) continue;
      if (token.symbol == '(' || token.symbol == '[') {
        require(token.match > i && token.match < stream.tokens.size());
        require(stream.tokens[token.match].match == i);
      }
    }
    const Script script = scan_sql(stream);
    for (const Statement& statement : script.statements) {
      require(statement.begin_token <= statement.end_token && statement.end_token <= stream.tokens.size());
      require(statement.readable == statement.reason.empty() || !statement.readable);
      if (statement.readable) {
        require(statement.kind == StatementKind::select && statement.writes.empty());
        require(statement.functions.empty() && !statement.may_have_side_effects && !statement.session_change);
        require(!statement.locking_read && !statement.returning);
      } else {
        require(!statement.reason.empty());
      }
    }
    for (const Statement& statement : script.statements) {
      const Nothing nothing;
      DependencyList list{{}, true, {}};
      if (statement.readable) {
        const SelectOutline outline = outline_select(stream, statement);
        require(!outline.plain || !outline.occurrences.empty());
        require(outline.from_begin <= outline.where_end && outline.where_end <= size);
        require(outline.first_placeholder <= outline.last_placeholder);
        const ReadRule rule(stream, statement, tables_of(statement));
        rule.after(rule.before(nothing, true, list), nothing, nothing, nullptr, list);
        // Whatever is read is rested on.
        require(statement.reads.empty() || !list.hashes.empty());
      } else if (!statement.writes.empty()) {
        const WriteOutline outline = outline_write(stream, statement);
        for (const std::vector<OutlineValue>& row : outline.rows)
          require(row.size() == outline.columns.size());
        const WriteRule rule(stream, statement, tables_of(statement));
        for (const std::uint64_t hinted : {std::uint64_t{0}, ~std::uint64_t{0}})
          rule.dependencies(nothing, true, hinted, list);
        require(!list.hashes.empty());
      }
      require(list.hashes.size() == list.words.size());
    }
    if (stream.error) {
      require(script.statements.size() == 1 && script.statements[0].kind == StatementKind::unknown);
    }
  }
  return 0;
}
