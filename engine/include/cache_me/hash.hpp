// 64-bit hashing of bytes: XXH3 (Yann Collet, https://xxhash.com), the same result on every machine.
#pragma once

#include <cstdint>
#include <string_view>

namespace cache_me {

// The XXH3-64 of `bytes` with `seed`. Pure; safe in any thread and process.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0) noexcept;

}  // namespace cache_me
