// cache_me/version_table.hpp, hash.hpp and file_identity.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>

#include "bindings.hpp"
#include "cache_me/file_identity.hpp"
#include "cache_me/hash.hpp"
#include "cache_me/version_table.hpp"
#include "engine_error.hpp"
#include "packed_numbers.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

std::string_view view_of(const nb::bytes& bytes) {
  return {bytes.c_str(), bytes.size()};
}

std::shared_ptr<VersionTable> open_table(const std::string& path, const std::string& identity,
                                         std::optional<std::uint32_t> group, bool fresh) {
  VersionOptions options;
  options.fresh = fresh;
  if (group) {
    options.policy.mode = 0660;
    options.policy.group = *group;
  }
  return value_of(VersionTable::open(path, identity, options));
}

// The epoch, then the versions; or nothing if one carries an intent or is greater than `not_younger_than`.
std::optional<nb::bytes> read_versions(const VersionTable& table, const nb::bytes& dependencies,
                                       std::uint64_t not_younger_than) {
  const std::vector<std::uint64_t> asked = unpack(dependencies);
  std::vector<std::uint64_t> reading(asked.size() + 1);
  reading[0] = table.epoch();
  const std::span<std::uint64_t> versions = std::span(reading).subspan(1);
  if (!table.read(asked, versions)) return std::nullopt;
  if (std::ranges::any_of(versions, [&](std::uint64_t version) { return version > not_younger_than; })) {
    return std::nullopt;
  }
  return pack(reading);
}

std::string identity_of_file(const std::string& path) {
  Result<std::string> identity = file_identity(path);
  return identity.ok() ? *identity : std::string();
}

}  // namespace
}  // namespace cache_me::python

void register_version_table(nb::module_& module) {
  using namespace cache_me;
  using namespace cache_me::python;

  module.def(
      "hash64", [](const nb::bytes& bytes) { return hash64(view_of(bytes)); }, "bytes"_a,
      "XXH3-64 of the bytes: the same on every machine.");
  module.def("file_identity", &identity_of_file, "path"_a,
             "Device, inode and time of birth of the file at the path as text; '' if there is none.");

  nb::class_<Intent>(module, "Intent", "A commit under way; opaque.");

  nb::class_<UnknownOutcome>(module, "UnknownOutcome", "A commit of which nobody knows whether it happened.")
      .def_prop_ro("session", [](const UnknownOutcome& outcome) {
        return nb::bytes(outcome.session.data(), outcome.session.size());
      });

  nb::class_<VersionTable>(module, "VersionTable",
                           "The versions of one physical database, shared by all processes of the host.")
      .def_static("open", &open_table, "path"_a, "identity"_a, "group"_a = nb::none(), "fresh"_a = false,
                  "Open or make the version file. Raises EngineError.")
      .def_static(
          "private_table", [] { return value_of(VersionTable::private_table()); },
          "A table of this process alone.")
      .def_prop_ro("epoch", &VersionTable::epoch)
      .def_prop_ro("intents", &VersionTable::intents, "Intents declared or unknown, at about this moment.")
      .def("clock", &VersionTable::clock, "The last number drawn.")
      .def("usable", &VersionTable::usable, "May anybody hit or fill?")
      .def(
          "refresh_needed", [](const VersionTable& table) { return !table.still_ours(); },
          "Whether the path leads to another file by now: then open it anew.")
      .def("read", &read_versions, "dependencies"_a, "not_younger_than"_a = ~std::uint64_t{0},
           "The epoch and the versions, packed; None if one carries an intent, is younger, or nothing is "
           "usable.")
      .def(
          "declare",
          [](VersionTable& table, const nb::bytes& dependencies, const nb::bytes& session,
             bool settles_with_owner) {
            return value_of(table.declare(unpack(dependencies), view_of(session), settles_with_owner));
          },
          "dependencies"_a, "session"_a, "settles_with_owner"_a,
          "Say that a commit which touches these is about to begin. Raises EngineError ('exhausted': try "
          "again).")
      .def(
          "finish", [](VersionTable& table, Intent& intent) { return table.finish(std::move(intent)); },
          "intent"_a, "Bump and withdraw. False: the file was replaced, bump in the new one too.")
      .def(
          "keep", [](VersionTable& table, Intent& intent) { return table.keep(std::move(intent)); },
          "intent"_a, "Bump, and keep the intent until its session is settled. False as for finish().")
      .def(
          "bump",
          [](VersionTable& table, const nb::bytes& dependencies) { return table.bump(unpack(dependencies)); },
          "dependencies"_a, "Bump without an intent. False as for finish().")
      .def(
          "marked",
          [](const VersionTable& table, const nb::bytes& dependencies) {
            return table.marked(unpack(dependencies));
          },
          "dependencies"_a, "A bit for each of these that was ever bumped, or may have been.")
      .def(
          "mark",
          [](const VersionTable& table, const nb::bytes& dependencies) { table.mark(unpack(dependencies)); },
          "dependencies"_a, "Bump those that marked() doesn't tell of.")
      .def("unknown_outcomes", [](const VersionTable& table) { return table.unknown_outcomes(); })
      .def("settle", &VersionTable::settle, "outcome"_a, "The session is gone: bump again and withdraw.");
}
