#include "cache_me/sql_lexer.hpp"

#include <algorithm>

namespace cache_me {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
// Bytes from 0x80 on are letters in all three dialects.
bool begins_word(char c) {
  return is_letter(c) || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_word(char c) {
  return begins_word(c) || is_digit(c) || c == '$';
}
bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool is_punctuation(char c) {
  return c == '(' || c == ')' || c == '[' || c == ']' || c == ',' || c == ';' || c == '.';
}
bool is_operation(char c) {
  return std::string_view("+-*/<>=~!@#%^&|`?:{}\\").find(c) != std::string_view::npos;
}

class Lexer {
 public:
  Lexer(std::string_view sql, Dialect dialect, std::vector<SqlToken>& tokens)
      : sql_(sql), dialect_(dialect), tokens_(tokens) {}

  bool run() {
    while (at_ < sql_.size()) {
      if (is_space(sql_[at_])) {
        ++at_;
        continue;
      }
      if (tokens_.size() >= kMaxSqlTokens) return false;
      if (!(comment_ahead() ? skip_comment() : take_token())) return false;
    }
    return true;
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  bool emit(SqlTokenKind kind, std::size_t end) {
    tokens_.push_back({kind, sql_.substr(at_, end - at_)});
    at_ = end;
    return true;
  }

  bool comment_ahead() const {
    if (peek() == '/' && peek(1) == '*') return true;
    if (peek() == '#') return dialect_ == Dialect::mysql;
    if (peek() != '-' || peek(1) != '-') return false;
    // MySQL wants a space after the dashes; without one they're two minus signs.
    return dialect_ != Dialect::mysql || at_ + 2 >= sql_.size() || is_space(peek(2));
  }

  bool skip_comment() {
    if (peek() != '/') {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
      return true;
    }
    if (dialect_ == Dialect::mysql && (peek(2) == '!' || (peek(2) == 'M' && peek(3) == '!'))) return false;
    int depth = 0;
    while (at_ + 1 < sql_.size()) {
      if (sql_[at_] == '*' && sql_[at_ + 1] == '/') {
        at_ += 2;
        if (--depth == 0) return true;
      } else if (sql_[at_] == '/' && sql_[at_ + 1] == '*' &&
                 (depth == 0 || dialect_ == Dialect::postgresql)) {
        at_ += 2;
        ++depth;
      } else {
        ++at_;
      }
    }
    // SQLite lets the text's end close a comment; nobody means that.
    return false;
  }

  bool take_token() {
    const char c = sql_[at_];
    if (c == '\0') return false;
    if (is_punctuation(c)) {
      if (c == '.' && is_digit(peek(1)) && !after_name()) return take_number();
      if (c == '[' && dialect_ == Dialect::sqlite) return take_bracketed();
      return emit(SqlTokenKind::punctuation, at_ + 1);
    }
    if (c == '\'') return take_text(0, dialect_ == Dialect::mysql);
    if (c == '"') return take_double_quoted();
    if (c == '`') return dialect_ == Dialect::postgresql ? take_operation() : take_quoted('`');
    if (c == '$') return take_dollar();
    if (is_digit(c)) return take_number();
    if (begins_word(c)) return take_word();
    if (is_operation(c)) return take_placeholder_or_operation();
    return false;
  }

  bool after_name() const {
    return !tokens_.empty() && (tokens_.back().kind == SqlTokenKind::word ||
                                tokens_.back().kind == SqlTokenKind::quoted_identifier);
  }

  // A string in single quotes that begins after `prefix` bytes.
  bool take_text(std::size_t prefix, bool escapes) {
    std::size_t i = at_ + prefix + 1;
    while (i < sql_.size()) {
      if (sql_[i] == '\\') {
        const bool decides = i + 1 < sql_.size() && (sql_[i + 1] == '\'' || sql_[i + 1] == '\\');
        // MySQL: NO_BACKSLASH_ESCAPES may be on; PostgreSQL: standard_conforming_strings may be off.
        if (prefix == 0 && dialect_ != Dialect::sqlite && decides) return false;
        i += escapes ? 2 : 1;
      } else if (sql_[i] != '\'') {
        ++i;
      } else if (i + 1 < sql_.size() && sql_[i + 1] == '\'') {
        i += 2;
      } else {
        return emit(SqlTokenKind::text, i + 1);
      }
    }
    return false;
  }

  bool take_double_quoted() {
    // MySQL: text, or an identifier under ANSI_QUOTES; the scanner takes it for neither.
    if (dialect_ != Dialect::mysql) return take_quoted('"');
    const std::size_t begin = at_;
    if (!take_quoted('"')) return false;
    if (sql_.substr(begin, at_ - begin).find('\\') != std::string_view::npos) return false;
    return true;
  }

  bool take_quoted(char quote) {
    std::size_t i = at_ + 1;
    while (i < sql_.size()) {
      if (sql_[i] == '\0') return false;
      if (sql_[i] != quote) {
        ++i;
      } else if (i + 1 < sql_.size() && sql_[i + 1] == quote) {
        i += 2;
      } else {
        return emit(SqlTokenKind::quoted_identifier, i + 1);
      }
    }
    return false;
  }

  bool take_bracketed() {
    const std::size_t end = sql_.find(']', at_);
    return end != std::string_view::npos && emit(SqlTokenKind::quoted_identifier, end + 1);
  }

  bool take_dollar() {
    if (is_digit(peek(1))) {
      std::size_t i = at_ + 1;
      while (i < sql_.size() && is_digit(sql_[i])) ++i;
      return emit(SqlTokenKind::placeholder, i);
    }
    if (dialect_ != Dialect::postgresql) {
      std::size_t i = at_ + 1;  // SQLite's $name
      while (i < sql_.size() && continues_word(sql_[i])) ++i;
      return dialect_ == Dialect::sqlite && i > at_ + 1 && emit(SqlTokenKind::placeholder, i);
    }
    std::size_t i = at_ + 1;
    while (i < sql_.size() && sql_[i] != '$' && continues_word(sql_[i])) ++i;
    if (i >= sql_.size() || sql_[i] != '$') return false;
    const std::string_view tag = sql_.substr(at_, i + 1 - at_);
    const std::size_t end = sql_.find(tag, i + 1);
    return end != std::string_view::npos && emit(SqlTokenKind::text, end + tag.size());
  }

  bool take_number() {
    std::size_t i = at_;
    while (i < sql_.size() && (continues_word(sql_[i]) || sql_[i] == '.' ||
                               ((sql_[i] == '+' || sql_[i] == '-') && i > at_ && is_exponent(i - 1)))) {
      ++i;
    }
    return emit(SqlTokenKind::number, i);
  }

  bool is_exponent(std::size_t i) const {
    return (sql_[i] == 'e' || sql_[i] == 'E') && !(peek() == '0' && (peek(1) == 'x' || peek(1) == 'X'));
  }

  bool take_word() {
    std::size_t i = at_ + 1;
    while (i < sql_.size() && continues_word(sql_[i])) ++i;
    const std::size_t size = i - at_;
    if (i < sql_.size() && sql_[i] == '\'') {
      const char first = static_cast<char>(sql_[at_] | 0x20);
      if (size == 1 && first == 'e' && dialect_ == Dialect::postgresql) return take_text(1, true);
      if (size == 1 && (first == 'x' || first == 'b' || first == 'n')) {
        return take_text(1, dialect_ == Dialect::mysql);
      }
      if (sql_[at_] == '_' && dialect_ == Dialect::mysql) return take_text(size, true);
    }
    // U&'…' and U&"…": escapes of an escape character that may be declared behind the text.
    if (size == 1 && (sql_[at_] | 0x20) == 'u' && i + 1 < sql_.size() && sql_[i] == '&' &&
        (sql_[i + 1] == '\'' || sql_[i + 1] == '"')) {
      return false;
    }
    return emit(SqlTokenKind::word, i);
  }

  bool take_placeholder_or_operation() {
    const char c = sql_[at_];
    if (c == '%' && peek(1) == 's') return emit(SqlTokenKind::placeholder, at_ + 2);
    if (c == '%' && peek(1) == '(') {
      const std::size_t end = sql_.find(")s", at_);
      return end != std::string_view::npos && emit(SqlTokenKind::placeholder, end + 2);
    }
    if (c == '?' && dialect_ != Dialect::postgresql) {
      std::size_t i = at_ + 1;
      while (i < sql_.size() && is_digit(sql_[i])) ++i;
      return emit(SqlTokenKind::placeholder, i);
    }
    if (c == ':' && begins_word(peek(1)) && (at_ == 0 || sql_[at_ - 1] != ':')) {
      std::size_t i = at_ + 1;
      while (i < sql_.size() && continues_word(sql_[i])) ++i;
      return emit(SqlTokenKind::placeholder, i);
    }
    return take_operation();
  }

  bool take_operation() {
    std::size_t i = at_ + 1;
    while (i < sql_.size() && is_operation(sql_[i])) {
      // The beginning of a comment or of a placeholder ends an operator.
      const char next = i + 1 < sql_.size() ? sql_[i + 1] : '\0';
      if ((sql_[i] == '-' && next == '-') || (sql_[i] == '/' && next == '*') || sql_[i] == '`') break;
      if (sql_[i] == '%' && (next == 's' || next == '(') && sql_[i - 1] != '%') break;
      if (sql_[i] == '#' && dialect_ == Dialect::mysql) break;
      if (sql_[i] == '?' && dialect_ != Dialect::postgresql) break;
      if (sql_[i] == ':' && sql_[i - 1] != ':' && next != ':') break;
      ++i;
    }
    return emit(SqlTokenKind::operation, i);
  }

  const std::string_view sql_;
  const Dialect dialect_;
  std::vector<SqlToken>& tokens_;
  std::size_t at_ = 0;
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

bool SqlToken::is_word(std::string_view upper) const noexcept {
  return kind == SqlTokenKind::word && text.size() == upper.size() &&
         std::equal(text.begin(), text.end(), upper.begin(),
                    [](char mine, char capital) { return lower(mine) == lower(capital); });
}

bool lex_sql(std::string_view sql, Dialect dialect, std::vector<SqlToken>& tokens) {
  tokens.clear();
  tokens.reserve(std::min<std::size_t>(sql.size() / 4 + 8, 4096));
  return Lexer(sql, dialect, tokens).run();
}

std::string ascii_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::string identifier_name(const SqlToken& token, Dialect dialect) {
  if (token.kind != SqlTokenKind::quoted_identifier) return ascii_lower(token.text);
  const char quote = token.text.back();
  std::string name;
  for (std::size_t i = 1; i + 1 < token.text.size(); ++i) {
    name += token.text[i];
    if (token.text[i] == quote && quote != ']') ++i;  // a doubled quote stands for one
  }
  return dialect == Dialect::postgresql ? name : ascii_lower(name);
}

}  // namespace cache_me
