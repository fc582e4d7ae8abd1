#include "sql_functions.hpp"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <unordered_set>

namespace cache_me {
namespace {

using NameSet = std::unordered_set<std::string_view>;

// Splits a list of names written as one text, so that the lists below read as prose.
NameSet names(std::initializer_list<std::string_view> lists) {
  NameSet set;
  for (const std::string_view list : lists) {
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t end = std::min(list.find(' ', at), list.size());
      if (end > at) set.insert(list.substr(at, end - at));
      at = end + 1;
    }
  }
  return set;
}

constexpr std::string_view kEverywhere =
    "abs acos ascii asin atan atan2 avg bit_and bit_or bit_xor ceil ceiling coalesce "
    "concat "
    "concat_ws cos cot count cume_dist degrees dense_rank exp first_value floor greatest "
    "lag "
    "last_value lead least left length ln log log10 lower lpad ltrim max md5 min mod nth_value ntile "
    "nullif "
    "percent_rank pi pow power radians rank repeat replace reverse right round row_number rpad rtrim sign "
    "sin "
    "sqrt stddev_pop stddev_samp substr substring sum tan trim upper var_pop var_samp any_value "
    "cast";

constexpr std::string_view kSqlite =
    "acosh asinh atanh cosh sinh tanh trunc log2 group_concat bitxor django_date_extract django_date_trunc "
    "django_datetime_cast_date django_datetime_cast_time "
    "django_datetime_extract django_datetime_trunc django_format_dtdelta django_time_diff "
    "django_time_extract "
    "django_time_trunc django_timestamp_diff regexp sha1 sha224 sha256 sha384 sha512 "
    "char format glob hex ifnull iif if instr like likelihood likely unlikely nullif octet_length printf "
    "quote "
    "soundex string_agg total typeof unhex unicode unistr unistr_quote zeroblob median percentile "
    "percentile_cont "
    "percentile_disc subtype concat "
    "json json_array json_array_length json_array_insert json_error_position json_extract json_group_array "
    "json_group_object json_insert json_object json_patch json_pretty json_quote json_remove json_replace "
    "json_set "
    "json_type json_valid jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert "
    "jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set "
    "bm25 highlight snippet "
    // SpatiaLite: pure functions of geometries, by the names that Django uses.
    "area asbinary asewkb asgeojson asgml askml assvg astext aswkt azimuth centroid closestpoint collect "
    "contains coveredby covers crosses difference disjoint distance envelope equals extent geodesiclength "
    "geohash geometrytype geomfromtext geomfromwkb geosminimumboundingcircle greatcirclelength gunion "
    "intersection intersects isempty isvalid makeline makevalid mbrcontains mbrdisjoint mbrequal "
    "mbrintersects mbroverlaps mbrtouches mbrwithin numgeometries numpoints overlaps perimeter "
    "pointonsurface ptdistwithin relate scalecoords snaptogrid srid symdifference touches transform within "
    "st_area st_asbinary st_astext st_azimuth st_centroid st_closestpoint st_collect st_contains "
    "st_convexhull st_coveredby st_covers st_crosses st_difference st_dimension st_disjoint st_distance "
    "st_envelope st_equals st_forcelhr st_forcepolygoncw st_geohash st_geometrytype st_geomfromtext "
    "st_geomfromwkb st_intersection st_intersects st_isempty st_isvalid st_length st_line_locate_point "
    "st_makevalid st_ndims st_npoints st_numgeometries st_numpoints st_overlaps st_perimeter st_point "
    "st_pointonsurface st_relate st_reverse st_snaptogrid st_srid st_symdifference st_touches st_transform "
    "st_translate st_union st_within st_x st_y st_z";

constexpr std::string_view kSqliteClock = "date time datetime julianday unixepoch strftime timediff";

constexpr std::string_view kPostgresqlValues =
    "acosh asinh atanh cosh sinh tanh trunc acosd asind atand atan2d cbrt cosd cotd div erf erfc factorial "
    "gamma gcd lcm lgamma min_scale scale "
    "sind tand "
    "trim_scale width_bucket bit_count bit_length btrim char_length character_length chr convert "
    "convert_from "
    "convert_to crc32 crc32c decode encode format get_bit get_byte initcap normalize octet_length overlay "
    "parse_ident position quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like "
    "regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr "
    "set_bit set_byte sha224 sha256 sha384 sha512 split_part starts_with string_to_array string_to_table "
    "strpos "
    "substring to_ascii to_bin to_hex to_oct translate unistr casefold unaccent similarity word_similarity "
    "strict_word_similarity show_trgm levenshtein "
    // Dates: the zone and the styles are the session's, which the key holds.
    "age date date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days "
    "justify_hours "
    "justify_interval make_date make_interval make_time make_timestamp make_timestamptz overlaps to_char "
    "to_date "
    "to_number to_timestamp timezone timestamp time interval timestamptz "
    // Aggregates and windows.
    "array_agg bool_and bool_or corr covar_pop covar_samp every grouping json_agg json_agg_strict "
    "json_arrayagg "
    "json_object_agg json_object_agg_strict json_object_agg_unique json_objectagg jsonb_agg jsonb_agg_strict "
    "jsonb_object_agg jsonb_object_agg_strict mode percentile_cont percentile_disc range_agg "
    "range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy "
    "regr_syy stddev string_agg variance xmlagg cube rollup "
    // Text search: its configuration is a setting of the session.
    "array_to_tsvector numnode phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery "
    "to_tsvector "
    "ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsquery_phrase tsvector_to_array "
    "websearch_to_tsquery";

constexpr std::string_view kPostgresqlStructures =
    "array array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position "
    "array_positions array_prepend array_remove array_replace array_reverse array_sort array_to_json "
    "array_to_string array_upper cardinality generate_series generate_subscripts trim_array unnest row "
    "row_to_json "
    "json json_array json_array_elements json_array_elements_text json_array_length json_build_array "
    "json_build_object json_each json_each_text json_exists json_extract_path json_extract_path_text "
    "json_object "
    "json_object_keys json_query json_scalar json_serialize json_strip_nulls json_typeof json_value "
    "jsonb_array_elements "
    "jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_concat "
    "jsonb_delete "
    "jsonb_each jsonb_each_text jsonb_exists jsonb_exists_all jsonb_exists_any jsonb_extract_path "
    "jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match "
    "jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax "
    "jsonb_strip_nulls jsonb_typeof to_json to_jsonb hstore akeys avals skeys svals hstore_to_json "
    "hstore_to_jsonb hstore_to_array hstore_to_matrix "
    "int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange "
    "tsmultirange tstzmultirange datemultirange multirange isempty lower_inc lower_inf upper_inc upper_inf "
    "range_merge abbrev broadcast family host hostmask inet_merge inet_same_family masklen netmask network "
    "set_masklen macaddr8_set7bit area box center circle diagonal diameter height isclosed isopen line lseg "
    "npoints path pclose point polygon popen radius slope width bound_box "
    "num_nonnulls num_nulls uuid_extract_timestamp uuid_extract_version xmlelement xmlforest xmlconcat xpath "
    "xpath_exists xmlcomment subpath subltree nlevel text2ltree ltree2text "
    // PostGIS: pure functions of geometries and rasters (pg_proc has them as immutable, or as stable where
    // they look a reference system up in spatial_ref_sys, as st_transform does).
    "geometrytype st_3dextent st_3dlength st_3dperimeter st_convexhull st_dimension st_force3d "
    "st_forcepolygoncw st_forcerhr st_geogfromwkb st_memsize st_minimumboundingcircle st_ndims st_npoints "
    "st_polygon st_reverse st_rotate "
    "st_area st_asbinary st_asewkb st_asewkt st_asgeojson st_asgml st_askml st_assvg st_astext st_azimuth "
    "st_boundary st_buffer st_centroid st_closestpoint st_collect st_contains st_containsproperly "
    "st_coveredby "
    "st_covers st_crosses st_difference st_disjoint st_distance st_distancesphere st_distancespheroid "
    "st_dwithin "
    "st_envelope st_equals st_expand st_extent st_force2d st_geohash st_geometrytype st_geomfromewkb "
    "st_geomfromewkt st_geomfromgeojson st_geomfromtext st_geomfromwkb st_intersection st_intersects "
    "st_isempty "
    "st_isvalid st_length st_lengthspheroid st_linelocatepoint st_makeline st_makepoint st_makevalid "
    "st_numgeometries "
    "st_numpoints st_overlaps st_perimeter st_point st_pointonsurface st_relate st_scale st_setsrid "
    "st_simplify "
    "st_snaptogrid st_srid st_symdifference st_touches st_transform st_translate st_union st_within st_x "
    "st_y st_z";

constexpr std::string_view kMysqlValues =
    "group_concat log2 bin binary bit_count bit_length char char_length character_length compress conv "
    "convert crc32 elt "
    "export_set "
    "field find_in_set format format_bytes from_base64 hex if ifnull inet_aton inet_ntoa inet6_aton "
    "inet6_ntoa "
    "insert instr interval is_ipv4 is_ipv6 is_ipv4_compat is_ipv4_mapped is_uuid isnull lcase like locate "
    "make_set "
    "mid nvl nvl2 oct octet_length ord position quote regexp_instr regexp_like regexp_replace regexp_substr "
    "sha "
    "sha1 sha2 soundex space std stddev strcmp substring_index to_base64 truncate ucase uncompress "
    "uncompressed_length unhex uuid_to_bin bin_to_uuid variance weight_string values value default grouping "
    "row "
    "decimal natural_sort_key sformat to_char chr crc32c match against json_array_intersect "
    "json_object_filter_keys json_object_to_array json_key_value "
    // Dates: the zone and the names' language are the session's, which the key holds.
    "adddate addtime convert_tz date date_add date_format date_sub datediff day dayname dayofmonth dayofweek "
    "dayofyear extract from_days from_unixtime get_format hour last_day makedate maketime microsecond minute "
    "month "
    "monthname period_add period_diff quarter sec_to_time second str_to_date subdate subtime time "
    "time_format "
    "time_to_sec timediff timestamp timestampadd timestampdiff to_days to_seconds unix_timestamp week "
    "weekday "
    "weekofyear year yearweek "
    "json_array json_array_append json_array_insert json_arrayagg json_compact json_contains "
    "json_contains_path "
    "json_depth json_detailed json_equals json_exists json_extract json_insert json_keys json_length "
    "json_loose "
    "json_merge json_merge_patch json_merge_preserve json_normalize json_object json_objectagg json_overlaps "
    "json_pretty json_query json_quote json_remove json_replace json_schema_valid json_search json_set "
    "json_type "
    "json_unquote json_valid json_value "
    "st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_buffer st_centroid st_contains "
    "st_crosses "
    "st_difference st_disjoint st_distance st_distance_sphere st_envelope st_equals st_geohash "
    "st_geometrytype "
    "st_geomfromgeojson st_geomfromtext st_geomfromwkb st_intersection st_intersects st_isempty st_isvalid "
    "st_latitude st_length st_longitude st_numgeometries st_numpoints st_overlaps st_srid st_symdifference "
    "st_touches st_transform st_union st_within st_x st_y mbrcontains mbrequal mbrequals mbrintersects "
    "mbroverlaps "
    "mbrtouches mbrwithin mbrcoveredby mbrdisjoint point polygon linestring";

// Lists by dialect: what is built in here may be a user's function, which writes, there.
constexpr std::string_view kSqliteVolatile =
    "random rand randomblob uuidv4 uuidv7 sqlite_version sqlite_source_id sqlite_compileoption_used "
    "sqlite_compileoption_get";
constexpr std::string_view kSqliteSession = "last_insert_rowid changes total_changes";

constexpr std::string_view kPostgresqlVolatile =
    "random random_normal now clock_timestamp statement_timestamp transaction_timestamp timeofday "
    "current_timestamp current_time localtime localtimestamp gen_random_uuid uuidv4 uuidv7 uuid_generate_v1 "
    "uuid_generate_v1mc uuid_generate_v4 pg_sleep pg_sleep_for pg_sleep_until txid_current "
    "txid_current_if_assigned txid_current_snapshot pg_current_xact_id pg_current_xact_id_if_assigned "
    "pg_current_snapshot pg_size_pretty pg_relation_size pg_table_size pg_total_relation_size "
    "pg_database_size "
    "pg_column_size version pg_get_serial_sequence pg_get_indexdef pg_get_constraintdef pg_get_expr "
    "pg_get_userbyid "
    "pg_get_viewdef pg_table_is_visible obj_description col_description to_regclass to_regtype format_type "
    "pg_typeof pg_encoding_to_char pg_get_keywords pg_control_system pg_relation_filepath";
constexpr std::string_view kPostgresqlSession =
    "currval lastval current_database current_schema current_schemas current_setting session_user "
    "pg_backend_pid "
    "inet_client_addr inet_client_port inet_server_addr inet_server_port has_table_privilege "
    "has_column_privilege "
    "has_schema_privilege pg_has_role pg_is_in_recovery pg_last_wal_replay_lsn pg_last_wal_receive_lsn "
    "pg_last_xact_replay_timestamp pg_postmaster_start_time pg_is_other_temp_schema pg_my_temp_schema "
    "row_security_active";

constexpr std::string_view kMysqlVolatile =
    "rand random_bytes now current_timestamp current_date current_time localtime localtimestamp curdate "
    "curtime "
    "sysdate utc_date utc_time utc_timestamp uuid uuid_short sys_guid sleep benchmark version";
constexpr std::string_view kMysqlSession =
    "last_insert_id row_count found_rows connection_id current_user current_role session_user system_user "
    "user "
    "database schema is_free_lock is_used_lock charset coercibility collation lastval";

// Known to write, lock, signal or run handed SQL; the families pg_*, lo_* and dblink* are matched below.
constexpr std::string_view kSideEffect =
    "nextval setval set_config query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml "
    "table_to_xml schema_to_xml database_to_xml ts_stat ts_rewrite crosstab load_extension load_file "
    "get_lock "
    "release_lock release_all_locks writefile readfile edit fts3_tokenizer master_pos_wait source_pos_wait "
    "wait_for_executed_gtid_set sys_exec sys_eval";

constexpr std::string_view kPlainTypes =
    "bigint bigserial bit bool boolean box bpchar bytea char character cidr circle citext date "
    "datemultirange "
    "daterange decimal double float float4 float8 geography geometry hstore inet int int2 int4 "
    "int4multirange "
    "int4range int8 int8multirange int8range integer interval json jsonb jsonpath line lquery lseg ltree "
    "macaddr "
    "macaddr8 money name numeric nummultirange numrange oid path point polygon raster real smallint text "
    "time "
    "timestamp "
    "timestamptz timetz tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector uuid varbit varchar "
    "xml "
    // The text search configuration is looked up by name: DDL, like a column's own.
    "regconfig";

const NameSet& deterministic(Dialect dialect) {
  static const NameSet kSqliteSet = names({kEverywhere, kSqlite});
  static const NameSet kPostgresqlSet = names({kEverywhere, kPostgresqlValues, kPostgresqlStructures});
  static const NameSet kMysqlSet = names({kEverywhere, kMysqlValues});
  switch (dialect) {
    case Dialect::sqlite:
      return kSqliteSet;
    case Dialect::postgresql:
      return kPostgresqlSet;
    case Dialect::mysql:
      break;
  }
  return kMysqlSet;
}

bool starts_with(std::string_view name, std::string_view prefix) {
  return name.substr(0, prefix.size()) == prefix;
}

}  // namespace

FunctionClass classify_function(std::string_view name, Dialect dialect) noexcept {
  static const NameSet kSqliteClockSet = names({kSqliteClock});
  static const NameSet kVolatileSets[] = {names({kSqliteVolatile}), names({kPostgresqlVolatile}),
                                          names({kMysqlVolatile})};
  static const NameSet kSessionSets[] = {names({kSqliteSession}), names({kPostgresqlSession}),
                                         names({kMysqlSession})};
  static const NameSet kSideEffectSet = names({kSideEffect});
  const auto index = static_cast<std::size_t>(dialect);
  if (deterministic(dialect).count(name)) return FunctionClass::deterministic;
  if (dialect == Dialect::sqlite && kSqliteClockSet.count(name)) return FunctionClass::clock_argument;
  if (kVolatileSets[index].count(name)) return FunctionClass::volatile_;
  if (kSessionSets[index].count(name)) return FunctionClass::session;
  if (kSideEffectSet.count(name) || starts_with(name, "lo_") || starts_with(name, "dblink") ||
      starts_with(name, "pg_") || starts_with(name, "binary_upgrade_")) {
    return FunctionClass::side_effect;
  }
  return FunctionClass::unknown;
}

FunctionClass classify_call(std::string_view name, std::size_t arguments, Dialect dialect) noexcept {
  if (dialect == Dialect::postgresql && name == "age" && arguments < 2) return FunctionClass::volatile_;
  if (dialect == Dialect::mysql && name == "unix_timestamp" && arguments == 0)
    return FunctionClass::volatile_;
  return classify_function(name, dialect);
}

FunctionClass classify_bare_word(std::string_view word, Dialect dialect) noexcept {
  static const NameSet kClock = names({"current_date current_time current_timestamp"});
  static const NameSet kMoreClock =
      names({"localtime localtimestamp utc_date utc_time utc_timestamp sysdate"});
  static const NameSet kPostgresqlWords =
      names({"current_catalog current_role current_schema current_user session_user system_user user"});
  static const NameSet kMysqlWords = names({"current_user current_role session_user system_user rownum"});
  if (kClock.count(word)) return FunctionClass::volatile_;
  if (dialect == Dialect::sqlite) return FunctionClass::deterministic;
  if (kMoreClock.count(word)) return FunctionClass::volatile_;
  const NameSet& session = dialect == Dialect::postgresql ? kPostgresqlWords : kMysqlWords;
  return session.count(word) ? FunctionClass::session : FunctionClass::deterministic;
}

bool is_plain_type(std::string_view name) noexcept {
  static const NameSet kSet = names({kPlainTypes});
  return kSet.count(name) != 0;
}

}  // namespace cache_me
