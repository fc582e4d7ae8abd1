// cache_me/shared_store.hpp for Python, with entries of rows that are checked against a version table.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "bindings.hpp"
#include "cache_me/entry.hpp"
#include "cache_me/shared_store.hpp"
#include "cache_me/version_table.hpp"
#include "engine_error.hpp"
#include "packed_numbers.hpp"
#include "result_plan.hpp"
#include "row_codec.hpp"
#include "statement_values.hpp"
#include "taken_of_python.hpp"
#include "unsupported_type.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

// An entry may take a quarter of a shard: a megabyte, at the default size of 32 MiB.
constexpr std::uint32_t kShards = 8;

std::string_view view_of(const nb::bytes& bytes) {
  return {bytes.c_str(), bytes.size()};
}

const char* name_of(PutOutcome outcome) {
  switch (outcome) {
    case PutOutcome::stored:
      return "stored";
    case PutOutcome::kept:
      return "kept";
    case PutOutcome::erased:
      return "erased";
    case PutOutcome::too_large:
      return "too_large";
    case PutOutcome::busy:
      return "busy";
    case PutOutcome::unusable:
      return "unusable";
  }
  return "unusable";
}

std::shared_ptr<SharedStore> open_store(const std::string& path, std::uint64_t size,
                                        std::optional<std::uint32_t> group) {
  SharedStoreOptions options;
  options.capacity = size;
  options.shards = kShards;
  if (group) {
    options.policy.mode = 0660;
    options.policy.group = *group;
  }
  return value_of(SharedStore::open(path, options));
}

// An entry's bytes, in memory that the thread keeps from read to read. Making values runs Python code (a
// finalizer at least), and that may read as well: memory that is lent is nobody else's until it's given back.
class LentBytes {
 public:
  LentBytes() { std::swap(bytes_, kept()); }
  ~LentBytes() { std::swap(bytes_, kept()); }
  LentBytes(const LentBytes&) = delete;
  LentBytes& operator=(const LentBytes&) = delete;
  std::string& operator*() noexcept { return bytes_; }

 private:
  static std::string& kept() noexcept {
    thread_local std::string bytes;
    return bytes;
  }
  std::string bytes_;
};

// What `make` makes of the rows of a valid entry, or None. Rows that it finds malformed are a miss.
template <typename Make>
nb::object get_entry(SharedStore& store, const nb::bytes& key, const VersionTable& versions,
                     std::uint64_t fingerprint, std::uint64_t not_younger_than, Make make) {
  LentBytes bytes;
  if (!store.get(view_of(key), *bytes)) return nb::none();
  const std::optional<Entry> entry = parse_entry(*bytes);
  if (!entry || entry->head.fingerprint != fingerprint ||
      !versions.unchanged(entry->head.epoch, entry->head.dependencies, entry->head.versions,
                          not_younger_than)) {
    return nb::none();
  }
  PyRef made = make(entry->rows);
  if (!made) {
    if (PyErr_ExceptionMatches(PyExc_ValueError) == 0) throw nb::python_error();
    PyErr_Clear();
    store.erase(view_of(key));
    return nb::none();
  }
  return nb::steal(made.release());
}

nb::object get_rows(SharedStore& store, const nb::bytes& key, const VersionTable& versions,
                    std::uint64_t fingerprint, std::uint64_t not_younger_than) {
  return get_entry(store, key, versions, fingerprint, not_younger_than, decode_rows);
}

nb::object get_instances(SharedStore& store, const nb::bytes& key, const VersionTable& versions,
                         std::uint64_t fingerprint, std::uint64_t not_younger_than, const ResultPlan& plan,
                         nb::str database, nb::handle mode) {
  PyObject* const fetch_mode = mode.is_none() ? nullptr : mode.ptr();
  return get_entry(store, key, versions, fingerprint, not_younger_than, [&](std::string_view rows) {
    return plan.build_from(rows, {database.ptr(), fetch_mode});
  });
}

const char* put_rows(SharedStore& store, const nb::bytes& key, std::uint64_t fingerprint, nb::list rows,
                     const nb::bytes& dependencies, const nb::bytes& reading, std::uint64_t ttl_ms) {
  const std::vector<std::uint64_t> names = unpack(dependencies);
  const std::vector<std::uint64_t> versions = unpack(reading);
  if (versions.size() != names.size() + 1) {
    throw nb::value_error("a reading is the epoch and a version for each dependency");
  }
  Encoder encoder;
  append_entry_head(encoder.bytes(), fingerprint, versions[0], names, std::span(versions).subspan(1));
  Unknown unknown;
  raise_unless_encoded(encode_rows(encoder, rows.ptr(), unknown), unknown);
  return name_of(store.put(view_of(key), encoder.bytes(), ttl_ms));
}

// The rest of what the answer rests on, and the entry itself.
const char* fill(SharedStore& store, const nb::bytes& key, std::uint64_t fingerprint, nb::list rows,
                 TakenOfPython& taken, nb::list answer, std::optional<nb::list> witnesses,
                 std::uint64_t ttl_ms) {
  const PythonRows result(answer.ptr());
  const std::optional<PythonRows> witnessed =
      witnesses ? std::optional<PythonRows>(std::in_place, witnesses->ptr()) : std::nullopt;
  if (!taken.taken.settle(PythonParameters(taken.parameters.get()), result,
                          witnessed ? &*witnessed : nullptr)) {
    return "overtaken";
  }
  Encoder encoder;
  append_entry_head(encoder.bytes(), fingerprint, taken.taken.epoch(), taken.taken.dependencies(),
                    taken.taken.versions());
  Unknown unknown;
  raise_unless_encoded(encode_rows(encoder, rows.ptr(), unknown), unknown);
  return name_of(store.put(view_of(key), encoder.bytes(), ttl_ms));
}

std::vector<std::uint64_t> changed_dependencies(SharedStore& store, const nb::bytes& key,
                                                const VersionTable& versions, std::uint64_t fingerprint) {
  std::string bytes;
  std::vector<std::uint64_t> changed;
  if (!store.get(view_of(key), bytes)) return changed;
  const std::optional<Entry> entry = parse_entry(bytes);
  if (!entry || entry->head.fingerprint != fingerprint) return changed;
  for (std::size_t n = 0; n < entry->head.dependencies.size(); ++n) {
    const std::uint64_t one[1] = {entry->head.dependencies[n]};
    const std::uint64_t before[1] = {entry->head.versions[n]};
    if (!versions.unchanged(entry->head.epoch, one, before)) changed.push_back(one[0]);
  }
  return changed;
}

nb::dict stats_of(SharedStore& store) {
  const SharedStoreStats stats = store.stats();
  nb::dict words;
  words["entries"] = stats.entries;
  words["bytes_used"] = stats.bytes_used;
  words["capacity"] = stats.capacity;
  words["gets"] = stats.gets;
  words["hits"] = stats.hits;
  words["puts"] = stats.puts;
  words["evictions"] = stats.evictions;
  words["expirations"] = stats.expirations;
  words["corrupt"] = stats.corrupt;
  words["busy"] = stats.busy;
  words["recovered"] = stats.recovered;
  return words;
}

std::optional<nb::bytes> get_bytes(SharedStore& store, const nb::bytes& key) {
  std::string value;
  if (!store.get(view_of(key), value)) return std::nullopt;
  return nb::bytes(value.data(), value.size());
}

// A number as stores/cached_values.py writes it: its tag and 64 bits, two's complement, little-endian.
constexpr char kNumberTag = 'i';
constexpr std::size_t kNumberSize = 1 + sizeof(std::int64_t);
static_assert(std::endian::native == std::endian::little);

nb::tuple add_number(SharedStore& store, const nb::bytes& key, std::int64_t delta) {
  std::int64_t sum = 0;
  bool is_number = true;
  const PutOutcome outcome = store.update(view_of(key), [&](UpdatedEntry& entry) {
    is_number = true;
    if (!entry.present) return UpdateAction::keep;
    is_number = entry.value.size() == kNumberSize && entry.value[0] == kNumberTag;
    if (!is_number) return UpdateAction::keep;
    std::memcpy(&sum, entry.value.data() + 1, sizeof sum);
    is_number = !__builtin_add_overflow(sum, delta, &sum);
    if (!is_number) return UpdateAction::keep;
    std::memcpy(entry.value.data() + 1, &sum, sizeof sum);
    return UpdateAction::replace;
  });
  return nb::make_tuple(is_number ? name_of(outcome) : "no_number", sum);
}

const char* replace_bytes(SharedStore& store, const nb::bytes& key, const nb::bytes& old_value,
                          const nb::bytes& value) {
  return name_of(store.update(view_of(key), [&](UpdatedEntry& entry) {
    if (!entry.present || entry.value != view_of(old_value)) return UpdateAction::keep;
    entry.value = view_of(value);
    return UpdateAction::replace;
  }));
}

const char* touch(SharedStore& store, const nb::bytes& key, std::uint64_t ttl_ms) {
  return name_of(store.update(view_of(key), [&](UpdatedEntry& entry) {
    entry.ttl_ms = ttl_ms;
    return entry.present ? UpdateAction::replace : UpdateAction::keep;
  }));
}

std::vector<nb::bytes> keys_of(SharedStore& store) {
  std::vector<nb::bytes> keys;
  store.for_each([&](const std::string& key, std::size_t, std::optional<std::uint64_t>) {
    keys.emplace_back(key.data(), key.size());
  });
  return keys;
}

}  // namespace
}  // namespace cache_me::python

void register_shared_store(nb::module_& module) {
  using namespace cache_me;
  using namespace cache_me::python;

  nb::class_<SharedStore>(module, "SharedStore", "Entries of a project, shared by all processes of the host.")
      .def_static("open", &open_store, "path"_a, "size"_a, "group"_a = nb::none(),
                  "Open or make the entries' file. Raises EngineError.")
      .def(
          "get", &get_rows, "key"_a, "versions"_a, "fingerprint"_a, "not_younger_than"_a,
          nb::sig(
              "def get(self, key: bytes, versions: VersionTable, fingerprint: int, not_younger_than: int) -> "
              "list[typing.Any] | None"),
          "New rows of the entry, if it's there and all that it rests on is unchanged.")
      .def("get_instances", &get_instances, "key"_a, "versions"_a, "fingerprint"_a, "not_younger_than"_a,
           "plan"_a, "database"_a, "mode"_a.none(),
           nb::sig("def get_instances(self, key: bytes, versions: VersionTable, fingerprint: int, "
                   "not_younger_than: int, plan: ResultPlan, database: str, mode: typing.Any) -> "
                   "list[typing.Any] | None"),
           "The same, as the new results of a plan.")
      .def("put", &put_rows, "key"_a, "fingerprint"_a, "rows"_a, "dependencies"_a, "reading"_a, "ttl_ms"_a,
           nb::sig("def put(self, key: bytes, fingerprint: int, rows: list[typing.Any], dependencies: bytes, "
                   "reading: bytes, "
                   "ttl_ms: int) -> str"),
           "'stored', or why not. `reading` is what VersionTable.read() gave. Raises UnsupportedType.")
      .def("fill", &fill, "key"_a, "fingerprint"_a, "rows"_a, "taken"_a, "answer"_a, "witnesses"_a.none(),
           "ttl_ms"_a,
           nb::sig(
               "def fill(self, key: bytes, fingerprint: int, rows: list[typing.Any], taken: Taken, answer: "
               "list[typing.Any], witnesses: list[typing.Any] | None, ttl_ms: int) -> str"),
           "The same for a miss that has `taken`, to be called once; `answer` are the driver's rows. "
           "'overtaken': by a commit.")
      .def("changed", &changed_dependencies, "key"_a, "versions"_a, "fingerprint"_a,
           "The dependencies of the entry whose versions are not what they were; none if there is no entry.")
      .def("get_bytes", &get_bytes, "key"_a, "The value as it is.")
      .def(
          "put_bytes",
          [](SharedStore& store, const nb::bytes& key, const nb::bytes& value, std::uint64_t ttl_ms) {
            return name_of(store.put(view_of(key), view_of(value), ttl_ms));
          },
          "key"_a, "value"_a, "ttl_ms"_a, "'stored', or why not.")
      .def(
          "add_bytes",
          [](SharedStore& store, const nb::bytes& key, const nb::bytes& value, std::uint64_t ttl_ms) {
            return name_of(store.put_if(view_of(key), view_of(value), ttl_ms, PutCondition::if_absent));
          },
          "key"_a, "value"_a, "ttl_ms"_a, "The same, if it isn't there; 'kept' if it is.")
      .def("replace_bytes", &replace_bytes, "key"_a, "old_value"_a, "value"_a,
           "Put `value` in place of exactly `old_value`, with its end; 'kept' if that isn't there.")
      .def("add_number", &add_number, "key"_a, "delta"_a,
           nb::sig("def add_number(self, key: bytes, delta: int) -> tuple[str, int]"),
           "Add to a number (tag 'i' and 64 bits) in one step: the outcome and, if it was 'stored', the sum. "
           "'kept': it isn't there. 'no_number': it is something else, or the sum is too large.")
      .def("touch", &touch, "key"_a, "ttl_ms"_a, "Let it end then; 'kept' if it isn't there.")
      .def(
          "erase",
          [](SharedStore& store, const nb::bytes& key) { return name_of(store.erase(view_of(key))); },
          "key"_a, "'erased', or 'kept' if it isn't there, or why not.")
      .def(
          "clear", [](SharedStore& store, const nb::bytes& prefix) { return store.clear(view_of(prefix)); },
          "prefix"_a,
          "Erase the entries whose keys begin so. False: some of them were busy, and are still there.")
      .def("keys", &keys_of)
      .def("stats", &stats_of, nb::sig("def stats(self) -> dict[str, int]"))
      .def("refresh_needed", &SharedStore::refresh_needed);
}
