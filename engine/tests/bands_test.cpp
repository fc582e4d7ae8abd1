// Ranges and bands by examples, in words.
#include "dependency_rules_fixture.hpp"

namespace cache_me::rules_in_words {
namespace {

// The bands alone, where somebody has asked for those of these columns.
std::string bands(std::string_view sql, Row parameters = {}, std::vector<std::string> asked = {"price"},
                  Dialect dialect = Dialect::postgresql, bool trusts = true) {
  const TokenStream stream = tokenize_sql(sql, dialect);
  const WriteRule rule(stream, scan_sql(stream).statements[0], tables());
  std::uint64_t hinted = 0;
  for (std::size_t n = 0; n < rule.band_hints().size(); ++n) {
    for (const std::string& column : asked) {
      if (rule.band_hints()[n] == dependency_of("banded", "p", column)) hinted |= std::uint64_t{1} << n;
    }
  }
  DependencyList list{{}, true, {}};
  rule.dependencies(TestParameters(std::move(parameters)), trusts, hinted, list);
  EXPECT_EQ(list.hashes.size(), list.words.size());
  std::erase_if(list.words, [](const std::string& word) { return word.find("≈") == std::string::npos; });
  list.hashes.resize(list.words.size());
  return sorted(std::move(list));
}

TEST(ByBand, ARangeRestsOnTheBandsThatItTouches) {
  // Cents, and one on each side.
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.price BETWEEN %s AND %s", {"1.00", "1.02"}, {{7_i}}),
            "p.bulk p.pk=7 p.price≈100 p.price≈101 p.price≈102 p.price≈103 p.price≈99 p.price≈? p~price");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.price >= %s AND p.price < %s ORDER BY p.name LIMIT 2",
                     {"5", "10.005"}, {}),
            "p.bulk p.price≈448..511 p.price≈512..575 p.price≈576..639 p.price≈640..703 p.price≈704..767 "
            "p.price≈768..831 p.price≈832..895 p.price≈896..959 p.price≈960..1023 p.price≈? p~name p~price");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.made BETWEEN %s AND %s", {"2024-01-02", "2024-01-02"}, {}),
            "p.bulk p.made≈19723 p.made≈19724 p.made≈19725 p.made≈? p~made");
  // Below nought, too, bands are in order.
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.price BETWEEN %s AND %s", {"-0.015", "0"}, {}),
            "p.bulk p.price≈-1 p.price≈-2 p.price≈-3 p.price≈0 p.price≈1 p.price≈? p~price");
}

TEST(ByBand, OnlyOfAConjunctThatBoundsBothSides) {
  for (const char* sql :
       {"SELECT p.id FROM p WHERE p.price >= %s AND p.name < %s",
        "SELECT p.id FROM p WHERE p.price >= %s AND p.price > %s",
        "SELECT p.id FROM p WHERE p.price BETWEEN %s AND %s OR p.c = 1",
        "SELECT p.id FROM p WHERE NOT (p.price BETWEEN %s AND %s)",
        "SELECT p.id FROM p WHERE p.price NOT BETWEEN %s AND %s",
        "SELECT p.id FROM p WHERE p.price BETWEEN SYMMETRIC %s AND %s",
        "SELECT p.id FROM p WHERE p.price <> %s AND p.price <> %s",
        "SELECT p.id FROM p WHERE p.price << %s AND p.price >> %s",
        "SELECT p.id FROM p WHERE p.price + 1 BETWEEN %s AND %s",
        "SELECT p.id FROM p WHERE p.price BETWEEN %s AND %s + 1",
        "SELECT p.id FROM p WHERE p.id BETWEEN %s AND %s", "SELECT p.id FROM p WHERE p.c BETWEEN %s AND %s",
        "SELECT p.id FROM p WHERE p.name BETWEEN %s AND %s"}) {
    EXPECT_EQ(rests_on(sql, {"1", "2"}), "p.any") << sql;
  }
}

TEST(ByBand, OnlyOfKnownEndsAndNotTooWide) {
  const char* const sql = "SELECT p.id FROM p WHERE p.price BETWEEN %s AND %s";
  EXPECT_EQ(rests_on(sql, {"1e3", "2"}), "p.any");
  EXPECT_EQ(rests_on(sql, {"NaN", "2"}), "p.any");
  EXPECT_EQ(rests_on(sql, {"1", {}}), "p.any");
  EXPECT_EQ(rests_on(sql, {"0", "1000000"}), "p.any");
  EXPECT_EQ(rests_on(sql, {"0", "99999999999999999999"}), "p.any");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.made BETWEEN %s AND %s", {"2024-1-2", "2024-01-02"}),
            "p.any");
  // Upside down: no row.
  EXPECT_EQ(rests_on(sql, {"9", "1"}), "p.bulk p.price≈? p~price");
}

TEST(ByBand, NotOfPartsOfAKey) {
  EXPECT_EQ(rests_on("SELECT pair.a, pair.b FROM pair WHERE pair.a BETWEEN 1 AND 2", {}, {}), "pair.any");
  EXPECT_EQ(rests_on("SELECT pair.a, pair.b FROM pair WHERE pair.x BETWEEN 1 AND 1", {}, {}),
            "pair.bulk pair.x≈0 pair.x≈1 pair.x≈2 pair.x≈? pair~x");
}

TEST(ByBand, APinnedColumnIsPreferred) {
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = 3 AND p.price BETWEEN 1 AND 2", {}, {}),
            "p.bulk p.c=3 p?c p~c p~price");
}

TEST(ByBand, RowsThatDontShowTheirKeysAreWitnessed) {
  EXPECT_EQ(rests_on("SELECT COUNT(*) FROM p WHERE p.price BETWEEN 1 AND 1", {}, {{1_i}}, {{{7_i}}}),
            "p.bulk p.pk=7 p.price≈100 p.price≈101 p.price≈99 p.price≈? p~price");
}

TEST(Bands, OfARowWrittenAsAWhole) {
  EXPECT_EQ(bands("INSERT INTO p (id, c, name, price, made) VALUES (7, 3, 'x', %s, '2024-01-02')", {"1.5"}),
            "p.c≈? p.made≈? p.price≈0..262143 p.price≈0..4095 p.price≈128..191 p.price≈150 p.total≈?");
  EXPECT_EQ(bands("UPDATE p SET c = 3, name = 'x', price = %s, made = %s WHERE id = 7",
                  {"-0.01", "2024-01-02"}, {"price", "made"}),
            "p.c≈? p.made≈0..262143 p.made≈16384..20479 p.made≈19712..19775 p.made≈19724 p.price≈-1 "
            "p.price≈-262144..-1 p.price≈-4096..-1 p.price≈-64..-1 p.total≈?");
  // What nobody has asked for is told once, whatever its value and the number of rows.
  EXPECT_EQ(bands("INSERT INTO p (id, price) VALUES (7, %s), (8, %s)", {"1", {}}, {}),
            "p.c≈? p.made≈? p.price≈? p.total≈?");
}

TEST(Bands, OfWhatIsNotKnown) {
  for (const char* sql :
       {"INSERT INTO p (id, c) VALUES (7, 3)", "INSERT INTO p (id, price) VALUES (7, 1 + 1)",
        "INSERT INTO p (id, price) VALUES (7, DEFAULT)"}) {
    EXPECT_EQ(bands(sql), "p.c≈? p.made≈? p.price≈? p.total≈?") << sql;
  }
  // The database rounds it.
  EXPECT_EQ(bands("INSERT INTO p (id, price) VALUES (7, %s)", {"1.005"}),
            "p.c≈? p.made≈? p.price≈? p.total≈?");
  EXPECT_EQ(bands("INSERT INTO p (id, price) VALUES (7, %s)", {"1"}, {"price"}, Dialect::mysql, false),
            "p.c≈? p.made≈? p.price≈? p.total≈?");
  // NULL lies in no range; what the database computes, anywhere.
  EXPECT_EQ(bands("INSERT INTO p (id, price) VALUES (7, NULL)"), "p.c≈? p.made≈? p.total≈?");
  EXPECT_EQ(bands("INSERT INTO p (id, total) VALUES (7, 1)", {}, {"total"}),
            "p.c≈? p.made≈? p.price≈? p.total≈?");
}

TEST(Bands, NotOfOtherWrites) {
  EXPECT_EQ(bands("UPDATE p SET price = 1 WHERE id = 7"), "");
  EXPECT_EQ(bands("DELETE FROM p WHERE id = 7"), "");
  EXPECT_EQ(bands("UPDATE p SET c = 3, name = 'x', price = 1, made = NULL WHERE c = 7"), "");
}

}  // namespace
}  // namespace cache_me::rules_in_words
