// The trie of steps: which calls were made on querysets of a model, one after the other, whatever their
// values.
//
// A node is a shape. It is `seen` until Python has proven its last step (reading/proving.py), and only a
// `proven` one may stand for a call of Django's method; an `eager` one never does. Nodes belong to an epoch:
// what changes what Django would do (settings, lookups, models) begins another, and every shape is forgotten.
// Chains that hold a forgotten node can still be replayed, and that is all.
//
// All of this is under the GIL; on a build without it nothing is recorded.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "recorder_forward.hpp"
#include "recorder_plan.hpp"
#include "recorder_prefetch.hpp"
#include "recorder_value.hpp"

namespace cache_me::python {

// Methods that are recorded; the numbers of RecordedMethod (recorder_method.hpp).
enum class Method : std::uint8_t {
  filter,
  exclude,
  order_by,
  reverse,
  distinct,
  all,
  select_related,
  only,
  defer,
  values,
  values_list,
  annotate,
  slice,
  // These end a chain.
  get,
  count,
  exists,
  first,
  last,
  aggregate,
  // Not recorded; it is only told of.
  other,
};

inline bool ends_chain(Method method) noexcept {
  return method >= Method::get;
}

// Methods that ask for a single row.
inline bool gives_numbers(Method method) noexcept {
  return method == Method::count || method == Method::exists || method == Method::aggregate;
}

struct Step {
  Method method = Method::other;
  bool sticky = false;  // Django's _sticky_filter was set
  bool late = false;    // Django's _defer_next_filter was set
  std::vector<PyRef> names;
  std::vector<Argument> arguments;  // by position, then by name

  Taking taking() const noexcept {
    return {method != Method::filter && method != Method::exclude && method != Method::get &&
                method != Method::slice,
            late, method == Method::aggregate || method == Method::annotate};
  }
};

// A call as vectorcall gives it, without the object that it's made on.
struct Call {
  Method method = Method::other;
  bool sticky = false;
  bool late = false;
  PyObject* const* arguments = nullptr;
  std::size_t by_position = 0;
  PyObject* names = nullptr;  // tuple, or null

  std::size_t by_name() const noexcept {
    return names == nullptr ? 0 : static_cast<std::size_t>(PyTuple_GET_SIZE(names));
  }
  PyObject* name(std::size_t i) const noexcept {  // of the i-th argument; null: by position
    return i < by_position ? nullptr : PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(i - by_position));
  }
};

enum class NodeState : std::uint8_t { seen, proven, eager };

class Node : public std::enable_shared_from_this<Node> {
 public:
  Node(PyRef model, std::shared_ptr<Node> parent, Step step);

  // The root of a model's shapes; made if need be.
  static std::shared_ptr<Node> root_of(PyObject* model);
  // The same, or null: nothing was asked of that model yet.
  static std::shared_ptr<Node> known_root_of(PyObject* model) noexcept;
  // Drops every shape. Chains keep theirs, without plans.
  static void forget_all();
  static std::size_t count() noexcept;

  // The child for `call`, with the call's own values added to `values`, or null.
  std::shared_ptr<Node> find(const Call& call, Values& values) const;
  // The same, made if it isn't there. Null: an argument is refused, or the chain is too long.
  std::shared_ptr<Node> find_or_make(const Call& call, Values& values);

  bool is_current() const noexcept;
  PyObject* model() const noexcept { return model_.get(); }
  const Step& step() const noexcept { return step_; }
  const std::shared_ptr<Node>& parent() const noexcept { return parent_; }
  std::size_t value_count() const noexcept { return first_value_ + own_values_; }
  std::size_t first_value() const noexcept { return first_value_; }
  // At least as many nodes as are dropped one within the other when it is.
  std::size_t depth() const noexcept { return depth_; }

  NodeState state = NodeState::seen;
  std::uint32_t sights = 0;
  bool is_refused = false;  // no plan is to be learnt
  bool is_wanted = false;   // of a root: querysets of its model meet the cache, so they're worth recording
  bool is_sliced = false;
  bool has_late = false;  // a step of it is late
  PyRef fields;           // of querysets of this shape: _fields and _iterable_class, if a step set them
  PyRef iterable_class;
  std::vector<std::shared_ptr<const Plan>> plans;  // one for each database's alias
  // Of a root alone: of the model's instances; and what Python notes of them.
  std::vector<std::shared_ptr<const Prefetch>> prefetches;
  std::vector<std::shared_ptr<const Forward>> forwards;
  PyRef notes;

 private:
  const PyRef model_;
  const std::shared_ptr<Node> parent_;
  const Step step_;
  std::size_t first_value_ = 0;
  std::size_t own_values_ = 0;
  std::size_t depth_ = 0;
  std::uint64_t epoch_;
  std::unordered_multimap<std::uint64_t, std::shared_ptr<Node>> children_;
};

}  // namespace cache_me::python
