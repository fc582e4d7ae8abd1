// MD5 (RFC 1321) of a key's parts; a digest of names, not a safeguard.
//
// A state can be copied at any point, so that what many keys begin with is digested once. Pure; an object
// serves one thread at a time, and copying a const one is safe in any.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cache_me {

class Md5 {
 public:
  void update(std::string_view bytes) noexcept;

  // Appends the digest of all that was given so far, as 32 hexadecimal digits. The state stays as it is.
  void append_hex(std::string& out) const;

 private:
  void digest_block(const unsigned char* block) noexcept;

  std::array<std::uint32_t, 4> state_ = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  std::uint64_t length_ = 0;  // bytes so far
  std::array<unsigned char, 64> pending_ = {};
};

}  // namespace cache_me
