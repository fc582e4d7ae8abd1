// Any bytes, in each dialect: the reader stays inside the text, and its answers keep their own rules.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cache_me/sql_scanner.hpp"

namespace {

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
    if (stream.error) {
      require(script.statements.size() == 1 && script.statements[0].kind == StatementKind::unknown);
    }
  }
  return 0;
}
