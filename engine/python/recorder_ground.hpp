// What a read stands on: the store, the version table and the identity of one of Django's connections, and
// how that connection stands to them now.
//
// A ground is what the second tier works out for each read (settings, identity, store, footing), kept with
// the objects that it was worked out of. At a hit these are compared, which is as strict as working it out
// again:
//
// - settings, the store and its files, the identity: each is a function of objects in dicts that are watched.
//   SQLite's file identity is believed for a lease; it ends here when it ends there.
// - the connection's own state is looked at anew each time (standing()): it's closed, or idle and unchanged;
//   otherwise Python is asked, by the very function that the second tier asks.
//
// A ground belongs to one DatabaseWrapper, and is kept in its __dict__; so it serves one thread.
#pragma once

#include <Python.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cache_me/shared_store.hpp"
#include "cache_me/version_table.hpp"
#include "py_ref.hpp"
#include "recorder_watch.hpp"

namespace cache_me::python {

class Ground {
 public:
  std::string whose;  // the digest of all that shapes answers
  // Of the store in shared memory; null: of another one.
  std::shared_ptr<SharedStore> store;
  std::shared_ptr<VersionTable> table;
  // rows_of(key, fingerprint) -> bytes | None: the rows of a valid entry of another store. Keys there end
  // before the database's name, with which those in shared memory end.
  PyRef rows_of;
  Watches watches;
  double until = std::numeric_limits<double>::infinity();  // CLOCK_MONOTONIC, s: the end of the lease
  PyRef status;  // the driver's status(raw), or null: SQLite, by its connection's in_transaction
  PyRef idle;    // what `status` gives for an idle connection
  // What an idle connection has as that attribute of an attribute …; without names, `status` has to be asked.
  std::vector<PyRef> idle_names;
  long idle_number = 0;
  bool reads_begin_transactions = false;

  // Is all that this was worked out of as it was? Never sets an error.
  bool holds() const noexcept;

  // How a read over the connection with this __dict__ stands to the store. `ask(connection)` is asked where
  // it isn't plain. `may_not` without an error: not by this ground.
  enum class Standing : std::uint8_t {
    may_not,  // hit
    closed,   // may hit; there's no connection yet
    asked,    // may hit, as Python has said
    plain,    // may hit: idle, not changed by its user, nothing written
  };
  Standing standing(PyObject* connection, PyObject* dict, PyObject* ask) const;
};

bool init_recorder_ground();

}  // namespace cache_me::python
