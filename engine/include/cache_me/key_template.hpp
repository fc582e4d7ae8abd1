// The key of every query of one shape, but for its values.
//
// What `key_of` in reading/key.py makes of a compiled query is made here of the shape's text, digested once,
// and the values: the same bytes, or two ways to one entry would not meet. What is the same for all values
// comes first, so that a key costs the digest of a few bytes. A template is never changed once it is made;
// any thread may use it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache_me/md5.hpp"

namespace cache_me {

class KeyTemplate {
 public:
  struct Parts {
    std::string name;              // of the key, up to its digest: "cache_me:<kind>:<label>:"
    std::vector<std::string> sql;  // with a text of the values' own between each two pieces
    std::string result;            // the kind of result with its row layout
    std::string whose;             // all that shapes the answer beside the query
    std::string place;             // what follows the digest: the entry's place in the store
  };

  explicit KeyTemplate(const Parts& parts);

  // The key of the query with these values, in place of what `key` held. `texts` stand in the SQL's gaps (the
  // numbers of LIMIT and OFFSET, the marks of an IN), as many as there are; `parameters` is the encoded tuple
  // of the parameters.
  void assemble(std::span<const std::string_view> texts, std::string_view parameters, std::string& key) const;

  std::size_t gaps() const noexcept { return sql_.size() - 1; }

 private:
  std::string name_;
  std::vector<std::string> sql_;
  std::string place_;
  std::size_t size_ = 0;  // of the SQL's pieces
  Md5 head_;              // what has been digested up to the first gap
};

}  // namespace cache_me
