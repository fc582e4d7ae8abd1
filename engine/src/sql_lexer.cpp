#include "cache_me/sql_lexer.hpp"

#include <algorithm>
#include <array>

namespace cache_me {
namespace {

struct KeywordName {
  std::string_view name;
  Keyword keyword;
};

constexpr auto sorted_keywords() {
  std::array keywords{
#define CACHE_ME_SQL_KEYWORD(word) KeywordName{#word, Keyword::kw_##word},
      CACHE_ME_SQL_KEYWORDS(CACHE_ME_SQL_KEYWORD)
#undef CACHE_ME_SQL_KEYWORD
  };
  std::sort(keywords.begin(), keywords.end(),
            [](const KeywordName& a, const KeywordName& b) { return a.name < b.name; });
  return keywords;
}
constexpr auto kKeywords = sorted_keywords();
constexpr std::size_t kLongestKeyword = 20;

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}
constexpr bool is_high(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}
constexpr bool starts_word(char c) {
  return is_letter(c) || c == '_' || is_high(c);
}
constexpr bool continues_word(char c) {
  return starts_word(c) || is_digit(c) || c == '$';
}
constexpr bool is_hex(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

Keyword find_keyword(std::string_view word) {
  if (word.size() > kLongestKeyword) return Keyword::none;
  std::array<char, kLongestKeyword> buffer{};
  std::transform(word.begin(), word.end(), buffer.begin(), lower);
  const std::string_view name(buffer.data(), word.size());
  const auto found = std::lower_bound(kKeywords.begin(), kKeywords.end(), name,
                                      [](const KeywordName& k, std::string_view n) { return k.name < n; });
  return found != kKeywords.end() && found->name == name ? found->keyword : Keyword::none;
}

// Whether `body` holds %s or %(…)s, which a driver that fills parameters in on the client would replace.
bool holds_placeholder(std::string_view body) {
  for (std::size_t i = body.find('%'); i != std::string_view::npos && i + 1 < body.size();
       i = body.find('%', i + 2)) {
    if (body[i + 1] == 's' || body[i + 1] == '(') return true;
  }
  return false;
}

// PostgreSQL turns these into the time of the statement when the text becomes a date or timestamp.
bool holds_clock_word(std::string_view body) {
  constexpr std::size_t kLongestDate = 128;  // MAXDATELEN: longer text is refused
  if (body.size() > kLongestDate + 2) return false;
  const std::string text = lower_ascii(body);
  for (const std::string_view word : {"now", "today", "tomorrow", "yesterday"}) {
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      const bool starts = at == 0 || !is_letter(text[at - 1]);
      const bool ends = at + word.size() >= text.size() || !is_letter(text[at + word.size()]);
      if (starts && ends) return true;
    }
  }
  return false;
}

class Lexer {
 public:
  explicit Lexer(TokenStream& stream) : stream_(stream), text_(stream.text), dialect_(stream.dialect) {}

  void run() {
    if (text_.size() > UINT32_MAX) return fail("too_many_tokens");
    stream_.tokens.reserve(text_.size() / 6 + 8);
    while (!stream_.error && at_ < text_.size()) {
      if (stream_.tokens.size() >= kMaxSqlTokens) return fail("too_many_tokens");
      next();
    }
    if (!stream_.error && !open_.empty()) fail("unbalanced_parentheses");
  }

 private:
  bool sqlite() const { return dialect_ == Dialect::sqlite; }
  bool postgresql() const { return dialect_ == Dialect::postgresql; }
  bool mysql() const { return dialect_ == Dialect::mysql; }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void fail(const char* reason) { stream_.error = reason; }

  Token& add(TokenKind kind, std::size_t end) {
    Token token;
    token.begin = static_cast<std::uint32_t>(at_);
    token.end = static_cast<std::uint32_t>(end);
    token.kind = kind;
    stream_.tokens.push_back(token);
    at_ = end;
    return stream_.tokens.back();
  }

  void next() {
    const char c = peek();
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f') {
      ++at_;
    } else if (c == '-' && peek(1) == '-' && starts_line_comment()) {
      line_comment();
    } else if (c == '#' && mysql()) {
      line_comment();
    } else if (c == '/' && peek(1) == '*') {
      block_comment();
    } else if (starts_word(c) || (c == '$' && mysql())) {
      word();
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (c == '\'') {
      text(at_, false);
    } else if (c == '"') {
      mysql() ? text(at_, false) : quoted_name('"');
    } else if (c == '`' && !postgresql()) {
      quoted_name('`');
    } else if (c == '[' && sqlite()) {
      quoted_name(']');
    } else if (c == '$') {
      dollar();
    } else if (c == '%') {
      percent();
    } else if (c == '?' && !postgresql()) {
      std::size_t end = at_ + 1;
      while (end < text_.size() && is_digit(text_[end])) ++end;
      placeholder(end);
    } else if (c == ':') {
      colon();
    } else if (c == '@' && sqlite()) {
      named_placeholder();
    } else {
      symbol(c);
    }
  }

  // MySQL wants white space or a control character behind the two dashes; "5--1" is arithmetic there.
  bool starts_line_comment() const {
    return !mysql() || at_ + 2 >= text_.size() || static_cast<unsigned char>(peek(2)) <= ' ';
  }

  void line_comment() {
    std::size_t end = at_;
    while (end < text_.size() && text_[end] != '\n' && !(postgresql() && text_[end] == '\r')) ++end;
    comment(end);
  }

  void block_comment() {
    if (mysql() && (peek(2) == '!' || (peek(2) == 'M' && peek(3) == '!'))) return fail("executable_comment");
    std::size_t depth = 0;
    for (std::size_t i = at_; i + 1 < text_.size();) {
      if (text_[i] == '*' && text_[i + 1] == '/' && i >= at_ + 2) {
        i += 2;
        if (--depth == 0) return comment(i);
      } else if (text_[i] == '/' && text_[i + 1] == '*' && (depth == 0 || postgresql())) {
        i += 2;
        ++depth;
      } else {
        ++i;
      }
    }
    fail("unfinished_text");
  }

  // A value filled into a comment could end it, so what follows can't be told.
  void comment(std::size_t end) {
    const std::string_view body = text_.substr(at_, end - at_);
    if (body.find('\0') != std::string_view::npos) return fail("stray_byte");
    if (!sqlite() && holds_placeholder(body)) return fail("placeholder_in_text");
    at_ = end;
  }

  void word() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && continues_word(text_[end])) ++end;
    const std::string_view name = text_.substr(at_, end - at_);
    // A byte order mark is white space to SQLite and a letter to others.
    if (name.find("\xEF\xBB\xBF") != std::string_view::npos) return fail("stray_byte");
    const char after = end < text_.size() ? text_[end] : '\0';
    if (name.size() == 1 && after == '\'') {
      const char prefix = lower(name[0]);
      if (prefix == 'b' || prefix == 'x' || prefix == 'n') return text(end, false);
      if (prefix == 'e' && postgresql()) return text(end, true);
    }
    if (postgresql() && name.size() == 1 && lower(name[0]) == 'u' && after == '&' && end + 1 < text_.size()) {
      if (text_[end + 1] == '"') return fail("escaped_text");
      if (text_[end + 1] == '\'') {
        text(end + 1, false);
        if (!stream_.error) stream_.tokens.back().flags |= kEscapedText;
        return;
      }
    }
    add(TokenKind::word, end).keyword = find_keyword(name);
  }

  // A string (or MySQL's "…") whose quote stands at `quote`; at_ is where its prefix begins.
  void text(std::size_t quote, bool escapes) {
    const char mark = text_[quote];
    std::uint8_t flags = mark == '"' ? kAmbiguousQuote : std::uint8_t{0};
    std::size_t i = quote + 1;
    for (;; ++i) {
      if (i >= text_.size()) return fail("unfinished_text");
      if (text_[i] == '\0') return fail("stray_byte");
      if (text_[i] == '\\' && !sqlite()) {
        if (escapes) {
          // \\ and \' stand for themselves; Django writes them. Others may spell what is not seen, as \x6e
          // does.
          ++i;
          if (i < text_.size() && text_[i] != '\\' && text_[i] != mark) flags |= kEscapedText;
          if (i < text_.size() && text_[i] == '\0') return fail("stray_byte");
          continue;
        }
        // Whether a backslash escapes the quote depends on standard_conforming_strings or sql_mode. Two of
        // them leave it alone either way; Django's patterns on MySQL hold such pairs.
        if (i + 1 < text_.size() && text_[i + 1] == '\\') {
          ++i;
        } else if (i + 1 < text_.size() && text_[i + 1] == mark) {
          return fail("ambiguous_escape");
        }
      } else if (text_[i] == mark) {
        if (i + 1 >= text_.size() || text_[i + 1] != mark) break;
        ++i;
      }
    }
    const std::string_view body = text_.substr(quote + 1, i - quote - 1);
    finish_text(mark == '"' ? TokenKind::quoted_name : TokenKind::text, body, flags, i + 1);
  }

  void finish_text(TokenKind kind, std::string_view body, std::uint8_t flags, std::size_t end) {
    if (!sqlite() && holds_placeholder(body)) flags |= kPlaceholderInside;
    if (postgresql() && kind == TokenKind::text && holds_clock_word(body)) flags |= kClockWord;
    add(kind, end).flags = flags;
  }

  void quoted_name(char mark) {
    std::size_t i = at_ + 1;
    for (;; ++i) {
      if (i >= text_.size()) return fail("unfinished_text");
      if (text_[i] == '\0') return fail("stray_byte");
      if (text_[i] != mark) continue;
      if (mark == ']' || i + 1 >= text_.size() || text_[i + 1] != mark) break;
      ++i;
    }
    finish_text(TokenKind::quoted_name, text_.substr(at_ + 1, i - at_ - 1), 0, i + 1);
  }

  void number() {
    std::size_t i = at_;
    const auto digits = [&](auto is) {
      while (i < text_.size() && (is(text_[i]) || text_[i] == '_')) ++i;
    };
    const char base = text_[i] == '0' ? lower(peek(1)) : '\0';
    if (base == 'x' || base == 'b' || base == 'o') {
      i += 2;
      digits(is_hex);
    } else {
      digits(is_digit);
      if (i < text_.size() && text_[i] == '.') ++i;
      digits(is_digit);
      if (i < text_.size() && lower(text_[i]) == 'e') {
        ++i;
        if (i < text_.size() && (text_[i] == '+' || text_[i] == '-')) ++i;
        digits(is_digit);
      }
    }
    // "1FROM": a number and a word to old PostgreSQL, a name to MySQL, an error to others.
    if (i < text_.size() && continues_word(text_[i])) return fail("stray_byte");
    add(TokenKind::number, i);
  }

  void placeholder(std::size_t end) {
    if (end < text_.size() && continues_word(text_[end])) return fail("stray_byte");
    add(TokenKind::placeholder, end);
  }

  void named_placeholder() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && continues_word(text_[end])) ++end;
    if (end == at_ + 1) return fail("stray_byte");
    // SQLite takes Tcl's $name::more(anything) for one parameter, quotes and all.
    if (sqlite() && end < text_.size() && (text_[end] == '(' || text_[end] == ':')) return fail("stray_byte");
    placeholder(end);
  }

  // $1, $name, or PostgreSQL's $tag$ … $tag$.
  void dollar() {
    if (sqlite()) return named_placeholder();
    std::size_t end = at_ + 1;
    if (is_digit(peek(1))) {
      while (end < text_.size() && is_digit(text_[end])) ++end;
      return placeholder(end);
    }
    while (end < text_.size() && continues_word(text_[end]) && text_[end] != '$') ++end;
    if (end >= text_.size() || text_[end] != '$') return fail("stray_byte");
    const std::string_view tag = text_.substr(at_, end + 1 - at_);
    const std::size_t close = text_.find(tag, end + 1);
    if (close == std::string_view::npos) return fail("unfinished_text");
    const std::string_view body = text_.substr(end + 1, close - end - 1);
    if (body.find('\0') != std::string_view::npos) return fail("stray_byte");
    finish_text(TokenKind::text, body, 0, close + tag.size());
  }

  // Python's placeholders, %% for the operator, or the operator itself in a text sent without parameters.
  void percent() {
    const char after = peek(1);
    if (after == '%') {
      add(TokenKind::symbol, at_ + 2).symbol = '%';
      return;
    }
    if (after == 's' || (postgresql() && (after == 'b' || after == 't'))) return placeholder(at_ + 2);
    if (after == '(') {
      std::size_t i = at_ + 2;
      while (i < text_.size() && continues_word(text_[i])) ++i;
      if (i + 1 < text_.size() && text_[i] == ')' && text_[i + 1] == 's') return placeholder(i + 2);
    } else if (starts_word(after)) {
      return fail("unknown_placeholder");
    }
    symbol('%');
  }

  void colon() {
    if (peek(1) == ':' && !sqlite()) {
      add(TokenKind::symbol, at_ + 2).symbol = ':';
    } else if (starts_word(peek(1)) || (sqlite() && is_digit(peek(1)))) {
      named_placeholder();
    } else {
      add(TokenKind::symbol, at_ + 1);
    }
  }

  void symbol(char c) {
    constexpr std::string_view kSymbols = "()[],;.*+-/<>=~!@#%^&|`?";
    if (c == '\0' || kSymbols.find(c) == std::string_view::npos) return fail("stray_byte");
    if ((c == '[' || c == ']' || c == '`' || c == '#') && !postgresql()) return fail("stray_byte");
    const auto index = static_cast<std::uint32_t>(stream_.tokens.size());
    if (c == '(' || c == '[') {
      if (open_.size() >= kMaxSqlNesting) return fail("too_deep");
      open_.push_back(index);
    }
    add(TokenKind::symbol, at_ + 1).symbol = c;
    if (c == ')' || c == ']') {
      const char opening = c == ')' ? '(' : '[';
      if (open_.empty() || stream_.tokens[open_.back()].symbol != opening)
        return fail("unbalanced_parentheses");
      stream_.tokens[index].match = open_.back();
      stream_.tokens[open_.back()].match = index;
      open_.pop_back();
    } else if (c == ';' && !open_.empty()) {
      // Only rules and bodies of routines hold one; where the statement ends can't be told.
      fail("unbalanced_parentheses");
    }
  }

  TokenStream& stream_;
  std::string_view text_;
  Dialect dialect_;
  std::size_t at_ = 0;
  std::vector<std::uint32_t> open_;  // "(" and "[" that wait for their partners
};

}  // namespace

TokenStream tokenize_sql(std::string_view text, Dialect dialect) {
  TokenStream stream;
  stream.text = text;
  stream.dialect = dialect;
  Lexer(stream).run();
  return stream;
}

std::string lower_ascii(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::string folded_name(const TokenStream& stream, std::size_t index) {
  const Token& token = stream.tokens[index];
  const std::string_view raw = stream.raw(index);
  if (token.kind != TokenKind::quoted_name) return lower_ascii(raw);
  const char mark = raw.back();
  std::string name;
  name.reserve(raw.size());
  for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
    name.push_back(raw[i]);
    if (raw[i] == mark && mark != ']') ++i;  // doubled
  }
  return stream.dialect == Dialect::postgresql ? name : lower_ascii(name);
}

}  // namespace cache_me
