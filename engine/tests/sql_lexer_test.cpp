#include "cache_me/sql_lexer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace cache_me {
namespace {

// The tokens' raw texts, joined by "|", or the error in brackets.
std::string cut(std::string_view sql, Dialect dialect) {
  const TokenStream stream = tokenize_sql(sql, dialect);
  std::string result;
  if (stream.error) return result.append("[").append(stream.error).append("]");
  for (std::size_t i = 0; i < stream.tokens.size(); ++i) {
    result.append(i == 0 ? "" : "|").append(stream.raw(i));
  }
  return result;
}

std::string name(std::string_view sql, Dialect dialect) {
  return folded_name(tokenize_sql(sql, dialect), 0);
}

constexpr Dialect kSqlite = Dialect::sqlite;
constexpr Dialect kPostgresql = Dialect::postgresql;
constexpr Dialect kMysql = Dialect::mysql;

TEST(Lexer, CutsTheSameEverywhere) {
  for (const Dialect dialect : {kSqlite, kPostgresql, kMysql}) {
    EXPECT_EQ(cut("SELECT a1.\"b\"\"c\", 'it''s'/**/+1.5e-3", dialect),
              "SELECT|a1|.|\"b\"\"c\"|,|'it''s'|+|1.5e-3");
    EXPECT_EQ(cut("x=%s AND y=%(a_b)s%%2", dialect), "x|=|%s|AND|y|=|%(a_b)s|%%|2");
    EXPECT_EQ(cut("x'1f' B'01' N'a' 0x1F .5", dialect), "x'1f'|B'01'|N'a'|0x1F|.5");
    EXPECT_EQ(cut("a -- b\nc", dialect), "a|c");
    EXPECT_EQ(cut("%d", dialect), "[unknown_placeholder]");
    EXPECT_EQ(cut("%sx", dialect), "[stray_byte]");
    EXPECT_EQ(cut("{", dialect), "[stray_byte]");
    EXPECT_EQ(cut("(]", dialect), dialect == kPostgresql ? "[unbalanced_parentheses]" : "[stray_byte]");
    EXPECT_EQ(cut("(;)", dialect), "[unbalanced_parentheses]");
    EXPECT_EQ(cut("", dialect), "");
  }
}

TEST(Lexer, FollowsEachDialect) {
  EXPECT_EQ(cut("[a b] `c``d` @p :q $r ?1 # ", kSqlite), "[stray_byte]");
  EXPECT_EQ(cut("[a b] `c``d` @p :q $r ?1", kSqlite), "[a b]|`c``d`|@p|:q|$r|?1");
  EXPECT_EQ(cut("a # b\n5--1 -- x\nc", kMysql), "a|5|-|-|1|c");
  EXPECT_EQ(cut("'a\\'", kSqlite), "'a\\'");
  EXPECT_EQ(cut("'a\\n'", kMysql), "'a\\n'");
  EXPECT_EQ(cut("'a\\'' b'", kMysql), "[ambiguous_escape]");
  EXPECT_EQ(cut("\"a\\\" b\"", kMysql), "[ambiguous_escape]");
  EXPECT_EQ(cut(R"('a\\' b)", kMysql), R"('a\\'|b)");
  EXPECT_EQ(cut(R"('a\\\\' b)", kPostgresql), R"('a\\\\'|b)");
  EXPECT_EQ(cut(R"('a\\\' b')", kMysql), "[ambiguous_escape]");
  EXPECT_EQ(cut("E'a\\'b' c", kPostgresql), "E'a\\'b'|c");
  EXPECT_EQ(cut("$1::int4 a[1:2] $$x'$y$$ $q$ $$ $q$", kPostgresql),
            "$1|::|int4|a|[|1|:|2|]|$$x'$y$$|$q$ $$ $q$");
  EXPECT_EQ(cut("a /* /* */ b */ c", kPostgresql), "a|c");
  EXPECT_EQ(cut("a /* /* */ c", kSqlite), "a|c");
  EXPECT_EQ(cut("a /*/ b", kSqlite), "[unfinished_text]");
  EXPECT_EQ(cut("$q$ x", kPostgresql), "[unfinished_text]");
  EXPECT_EQ(cut("U&\"a\"", kPostgresql), "[escaped_text]");
  EXPECT_EQ(cut("a--\rb", kPostgresql), "a|b");
  EXPECT_EQ(cut("a--\rb", kSqlite), "a");
}

TEST(Lexer, FoldsNamesAsTheDatabaseComparesThem) {
  EXPECT_EQ(name("Abc", kPostgresql), "abc");
  EXPECT_EQ(name("\"Ab\"\"c\"", kPostgresql), "Ab\"c");
  EXPECT_EQ(name("\"AbC\"", kSqlite), "abc");
  EXPECT_EQ(name("[A]", kSqlite), "a");
  EXPECT_EQ(name("`A``B`", kMysql), "a`b");
}

TEST(Lexer, KnowsPartnersAndFlags) {
  const TokenStream stream = tokenize_sql("f(a[1], (b))", kPostgresql);
  ASSERT_EQ(stream.error, nullptr);
  EXPECT_EQ(stream.tokens[1].match, stream.tokens.size() - 1);
  EXPECT_EQ(stream.tokens.back().match, 1U);
  EXPECT_TRUE(tokenize_sql("'to now'", kPostgresql).tokens[0].flags & kClockWord);
  EXPECT_FALSE(tokenize_sql("'known'", kPostgresql).tokens[0].flags & kClockWord);
  EXPECT_TRUE(tokenize_sql("'a%s'", kMysql).tokens[0].flags & kPlaceholderInside);
  EXPECT_FALSE(tokenize_sql("'a%%s'", kMysql).tokens[0].flags & kPlaceholderInside);
  EXPECT_EQ(tokenize_sql("\"select\"", kSqlite).tokens[0].keyword, Keyword::none);
  EXPECT_EQ(tokenize_sql("SeLeCt", kSqlite).tokens[0].keyword, Keyword::kw_select);
}

}  // namespace
}  // namespace cache_me
