// Which file this is, whatever it is called: for the identity of databases that are files.
#pragma once

#include <string>

#include "cache_me/status.hpp"

namespace cache_me {

// Device, inode and time of birth of the file at `path` (links followed) as text, e.g.
// "254:0:1835:1700000000.5". Two paths give the same text if and only if they lead to the same file: the time
// of birth tells a file from a later one that got its inode (where the file system keeps no such time it's
// left out). `not_found` if there is no such file, `io_error` otherwise. Thread-safe; one system call,
// statx(2).
Result<std::string> file_identity(const std::string& path);

}  // namespace cache_me
