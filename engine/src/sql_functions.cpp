#include "cache_me/sql_functions.hpp"

#include <unordered_set>

namespace cache_me {
namespace {

using Names = std::unordered_set<std::string_view>;

// Deterministic in all three dialects: aggregates, window functions, conditions, text and numbers. Names of types
// stand here too, for "numeric(10, 2)" after a cast looks like a call.
const Names kCommon = {
    // aggregates and windows
    "count", "sum", "avg", "min", "max", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp",
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value",
    "last_value", "nth_value", "any_value", "rollup", "cube", "sets",
    // conditions and casts
    "coalesce", "nullif", "cast", "greatest", "least", "exists", "row",
    // text
    "lower", "upper", "length", "char_length", "character_length", "octet_length", "substr", "substring", "trim",
    "ltrim", "rtrim", "replace", "concat", "concat_ws", "left", "right", "lpad", "rpad", "repeat", "reverse",
    "ascii", "chr", "position", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "instr", "hex", "unhex",
    // numbers
    "abs", "ceil", "ceiling", "floor", "round", "mod", "power", "pow", "sqrt", "exp", "ln", "log", "log2", "log10",
    "sign", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "cot", "degrees", "radians", "pi", "trunc",
    // dates, of their arguments alone
    "extract",
    // types
    "varchar", "char", "character", "numeric", "decimal", "float", "double", "int", "integer", "bigint", "smallint",
    "varying", "timestamp", "timestamptz", "time", "interval", "bit", "text", "real", "boolean", "binary",
    "varbinary", "signed", "unsigned", "nchar", "datetime_precision",
};

const Names kSqlite = {
    "total", "group_concat", "string_agg", "ifnull", "iif", "if", "typeof", "unicode", "char", "glob", "like",
    "likely", "unlikely", "likelihood", "quote", "printf", "format", "zeroblob", "regexp", "median", "percentile",
    "json", "jsonb", "json_array", "json_array_length", "json_extract", "jsonb_extract", "json_insert", "json_object",
    "json_patch", "json_remove", "json_replace", "json_set", "json_type", "json_valid", "json_quote",
    "json_group_array", "json_group_object", "jsonb_object", "jsonb_array",
    // registered by Django
    "django_date_extract", "django_date_trunc", "django_datetime_cast_date", "django_datetime_cast_time",
    "django_datetime_extract", "django_datetime_trunc", "django_time_extract", "django_time_trunc",
    "django_time_diff", "django_timestamp_diff", "django_format_dtdelta", "django_power", "bitxor", "stddev_pop",
    "json_contains",
};

const Names kPostgresql = {
    "string_agg", "array_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "bool_and", "bool_or",
    "every", "bit_and", "bit_or", "bit_xor", "corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy",
    "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "mode",
    "percentile_cont", "percentile_disc", "grouping",
    "initcap", "strpos", "split_part", "btrim", "overlay", "translate", "quote_ident", "quote_literal",
    "quote_nullable", "regexp_match", "regexp_replace", "regexp_count", "regexp_like", "regexp_substr",
    "regexp_instr", "starts_with", "encode", "decode", "to_hex", "normalize", "format", "ilike", "bit_length",
    "cbrt", "div", "gcd", "lcm", "factorial", "width_bucket", "scale", "min_scale", "trim_scale", "num_nulls",
    "num_nonnulls", "gamma",
    // timestamps: the session's zone, on which they depend, is part of the key
    "date_trunc", "date_part", "date_bin", "make_date", "make_time", "make_timestamp", "make_interval",
    "justify_days", "justify_hours", "justify_interval", "isfinite", "timezone", "date",
    "array_length", "array_position", "array_positions", "array_to_string", "string_to_array", "array_append",
    "array_prepend", "array_cat", "array_remove", "array_replace", "array_ndims", "array_dims", "array_lower",
    "array_upper", "cardinality", "unnest_ordinality",
    "to_json", "to_jsonb", "row_to_json", "array_to_json", "json_build_array", "json_build_object",
    "jsonb_build_array", "jsonb_build_object", "json_extract_path", "json_extract_path_text", "jsonb_extract_path",
    "jsonb_extract_path_text", "json_typeof", "jsonb_typeof", "json_array_length", "jsonb_array_length", "jsonb_set",
    "jsonb_insert", "jsonb_strip_nulls", "json_strip_nulls", "jsonb_path_exists", "jsonb_path_match",
    "jsonb_path_query_first", "jsonb_path_query_array", "jsonb_pretty", "json_object", "jsonb_object", "jsonb",
    "json", "uuid", "bytea", "hstore", "inet", "cidr",
    "isempty", "lower_inc", "upper_inc", "lower_inf", "upper_inf", "range_merge", "int4range", "int8range",
    "numrange", "tsrange", "tstzrange", "daterange", "host", "family", "masklen", "netmask", "network", "broadcast",
    "similarity", "word_similarity", "strict_word_similarity",
};

const Names kMysql = {
    "group_concat", "json_arrayagg", "json_objectagg", "bit_and", "bit_or", "bit_xor", "std", "ifnull", "if",
    "isnull", "elt", "field", "find_in_set", "format", "insert", "lcase", "ucase", "locate", "mid", "quote", "space",
    "strcmp", "substring_index", "regexp_like", "regexp_replace", "regexp_instr", "regexp_substr", "ord", "conv",
    "bin", "oct", "crc32", "truncate", "convert", "char", "sha2", "to_base64", "from_base64", "inet_aton",
    "inet_ntoa", "date", "time", "year", "month", "day", "dayofmonth", "dayofweek", "dayofyear", "weekday", "week",
    "weekofyear", "yearweek", "quarter", "hour", "minute", "second", "microsecond", "date_add", "date_sub", "adddate",
    "subdate", "addtime", "subtime", "datediff", "timediff", "timestampdiff", "timestampadd", "to_days", "from_days",
    "to_seconds", "time_to_sec", "sec_to_time", "last_day", "makedate", "maketime", "period_add", "period_diff",
    "convert_tz", "json_array", "json_object", "json_extract", "json_unquote", "json_contains", "json_contains_path",
    "json_keys", "json_length", "json_set", "json_insert", "json_replace", "json_remove", "json_type", "json_valid",
    "json_quote", "json_value", "json_merge_patch", "json_merge_preserve", "json_compact", "values",
};

const Names kVolatile = {
    // all dialects; of the clock, of chance, of the session, of the last statement
    "random", "rand", "randomblob", "now", "clock_timestamp", "statement_timestamp", "transaction_timestamp",
    "timeofday", "sysdate", "curdate", "curtime", "utc_date", "utc_time", "utc_timestamp", "unix_timestamp",
    "date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff", "age", "to_char",
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_setting",
    "current_schema", "current_schemas", "current_database", "current_user", "session_user", "user", "database",
    "schema", "connection_id", "version", "sqlite_version", "sqlite_source_id", "last_insert_rowid", "changes",
    "total_changes", "last_insert_id", "row_count", "found_rows", "nextval", "currval", "lastval", "setval",
    "setseed", "gen_random_uuid", "gen_random_bytes", "uuid_generate_v1", "uuid_generate_v4", "uuidv4", "uuidv7",
    "uuid_short", "pg_backend_pid", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "sleep", "pg_is_in_recovery",
    "pg_relation_size", "pg_total_relation_size", "pg_table_size", "pg_database_size", "pg_size_pretty",
    "pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_unlock", "pg_advisory_unlock_shared",
    "pg_advisory_unlock_all", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock", "pg_try_advisory_xact_lock_shared", "pg_notify",
    "pg_get_serial_sequence", "pg_get_expr", "pg_get_indexdef", "pg_get_constraintdef", "pg_table_is_visible",
    "pg_get_viewdef", "format_type", "obj_description", "col_description", "to_regclass", "has_table_privilege",
    "txid_current", "pg_current_xact_id", "pg_current_wal_lsn", "get_lock", "release_lock", "is_free_lock",
};

const Names kVolatileWords = {
    "current_timestamp", "current_date",  "current_time",   "localtime",       "localtimestamp", "current_user",
    "session_user",      "system_user",   "current_role",   "current_catalog", "current_schema", "utc_date",
    "utc_time",          "utc_timestamp",
};

bool has(const Names& names, std::string_view name) { return names.find(name) != names.end(); }

bool is_deterministic(std::string_view name, Dialect dialect) {
  if (has(kCommon, name)) return true;
  switch (dialect) {
    case Dialect::sqlite:
      return has(kSqlite, name);
    case Dialect::postgresql:
      return has(kPostgresql, name);
    case Dialect::mysql:
      return has(kMysql, name);
  }
  return false;
}

}  // namespace

FunctionNature nature_of_function(std::string_view name, Dialect dialect) noexcept {
  if (name == "set_config") return FunctionNature::session;
  // SQLite's time() and date() read the clock when told 'now', by a literal, a parameter or a column.
  if (dialect == Dialect::sqlite && has(kVolatile, name)) return FunctionNature::volatile_;
  if (is_deterministic(name, dialect)) return FunctionNature::deterministic;
  return has(kVolatile, name) ? FunctionNature::volatile_ : FunctionNature::unknown;
}

bool is_volatile_word(std::string_view name, Dialect dialect) noexcept {
  return has(kVolatileWords, name) || (name == "user" && dialect == Dialect::postgresql);
}

}  // namespace cache_me
