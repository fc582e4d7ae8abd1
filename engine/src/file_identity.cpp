#include "cache_me/file_identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace cache_me {

Result<std::string> file_identity(const std::string& path) {
  struct statx found;
  if (statx(AT_FDCWD, path.c_str(), AT_STATX_SYNC_AS_STAT, STATX_INO | STATX_BTIME, &found) != 0) {
    const StatusCode code =
        errno == ENOENT || errno == ENOTDIR ? StatusCode::not_found : StatusCode::io_error;
    return Status(code, path + ": " + std::strerror(errno));
  }
  std::string text = std::to_string(found.stx_dev_major);
  for (const auto& part : {std::to_string(found.stx_dev_minor), std::to_string(found.stx_ino)}) {
    text.append(1, ':').append(part);
  }
  if ((found.stx_mask & STATX_BTIME) != 0) {
    text.append(1, ':').append(std::to_string(found.stx_btime.tv_sec));
    text.append(1, '.').append(std::to_string(found.stx_btime.tv_nsec));
  }
  return text;
}

}  // namespace cache_me
