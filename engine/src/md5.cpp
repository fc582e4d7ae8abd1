#include "cache_me/md5.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace cache_me {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::array<std::uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

template <int round, int i>
inline void step(std::uint32_t& a, std::uint32_t b, std::uint32_t c, std::uint32_t d,
                 const std::uint32_t* words) noexcept {
  constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  constexpr int kFactor[4] = {1, 5, 3, 7};
  constexpr int kOffset[4] = {0, 1, 5, 0};
  std::uint32_t mixed = 0;
  if constexpr (round == 0) mixed = d ^ (b & (c ^ d));
  if constexpr (round == 1) mixed = c ^ (d & (b ^ c));
  if constexpr (round == 2) mixed = b ^ c ^ d;
  if constexpr (round == 3) mixed = c ^ (b | ~d);
  a += mixed + words[(kFactor[round] * i + kOffset[round]) % 16] + kSines[round * 16 + i];
  a = b + std::rotl(a, kShifts[round][i % 4]);
}

template <int round, int i = 0>
inline void steps(std::array<std::uint32_t, 4>& s, const std::uint32_t* words) noexcept {
  step<round, i>(s[0], s[1], s[2], s[3], words);
  step<round, i + 1>(s[3], s[0], s[1], s[2], words);
  step<round, i + 2>(s[2], s[3], s[0], s[1], words);
  step<round, i + 3>(s[1], s[2], s[3], s[0], words);
  if constexpr (i + 4 < 16) steps<round, i + 4>(s, words);
}

}  // namespace

void Md5::digest_block(const unsigned char* block) noexcept {
  std::uint32_t words[16];
  std::memcpy(words, block, sizeof words);
  std::array<std::uint32_t, 4> s = state_;
  steps<0>(s, words);
  steps<1>(s, words);
  steps<2>(s, words);
  steps<3>(s, words);
  for (std::size_t i = 0; i < s.size(); ++i) state_[i] += s[i];
}

void Md5::update(std::string_view bytes) noexcept {
  const std::size_t held = length_ % pending_.size();
  length_ += bytes.size();
  if (held != 0) {
    const std::size_t taken = std::min(pending_.size() - held, bytes.size());
    std::memcpy(pending_.data() + held, bytes.data(), taken);
    bytes.remove_prefix(taken);
    if (held + taken < pending_.size()) return;
    digest_block(pending_.data());
  }
  for (; bytes.size() >= pending_.size(); bytes.remove_prefix(pending_.size())) {
    digest_block(reinterpret_cast<const unsigned char*>(bytes.data()));
  }
  if (!bytes.empty()) std::memcpy(pending_.data(), bytes.data(), bytes.size());
}

void Md5::append_hex(std::string& out) const {
  Md5 copy = *this;
  const std::uint64_t bits = length_ * 8;
  static constexpr char kPadding[64] = {'\x80'};
  const std::size_t held = length_ % 64;
  copy.update({kPadding, held < 56 ? 56 - held : 120 - held});
  copy.update({reinterpret_cast<const char*>(&bits), sizeof bits});
  static constexpr char kDigits[] = "0123456789abcdef";
  const auto* bytes = reinterpret_cast<const unsigned char*>(copy.state_.data());
  char digits[32];
  for (std::size_t i = 0; i < 16; ++i) {
    digits[2 * i] = kDigits[bytes[i] >> 4];
    digits[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  out.append(digits, sizeof digits);
}

}  // namespace cache_me
