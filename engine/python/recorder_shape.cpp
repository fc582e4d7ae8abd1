#include "recorder_shape.hpp"

#include <algorithm>
#include <utility>

namespace cache_me::python {
namespace {

constexpr std::size_t kMostNodes = 20000;
constexpr std::size_t kMostDepth = 48;  // nodes are dropped by recursion

struct Roots {
  std::unordered_map<PyObject*, std::shared_ptr<Node>> of_models;
  std::uint64_t epoch = 1;
  std::size_t nodes = 0;
};

// Never destroyed: Python is gone by then.
Roots& roots() {
  static Roots* const all = new Roots;
  return *all;
}

// How deep the querysets within it are.
std::size_t depth_of(const Argument& argument) noexcept {
  std::size_t depth = argument.node ? argument.node->depth() : 0;
  for (const Argument& leaf : argument.leaves) depth = std::max(depth, depth_of(leaf));
  return depth;
}

bool hash_call(const Call& call, std::uint64_t& hash) {
  hash = static_cast<std::uint64_t>(call.method) | (call.sticky ? 256u : 0u) | (call.late ? 512u : 0u) |
         (std::uint64_t{call.by_position} << 16);
  const Taking taking = Step{call.method, call.sticky, call.late, {}, {}}.taking();
  for (std::size_t i = 0; i < call.by_position + call.by_name(); ++i) {
    PyObject* name = call.name(i);
    if (name != nullptr) mix(hash, static_cast<std::uint64_t>(PyObject_Hash(name)));
    if (!hash_argument(call.arguments[i], name, taking, hash)) return false;
  }
  return true;
}

// Names may be other objects with the same letters.
bool same_name(PyObject* one, PyObject* other) noexcept {
  return one == other || PyUnicode_Compare(one, other) == 0;
}

bool matches(const Step& step, const Call& call, Values& values) {
  if (step.method != call.method || step.sticky != call.sticky || step.late != call.late ||
      step.names.size() != call.by_name() || step.arguments.size() != call.by_position + call.by_name()) {
    return false;
  }
  const std::size_t before = values.size();
  const Taking taking = step.taking();
  for (std::size_t i = 0; i < step.arguments.size(); ++i) {
    if ((i >= call.by_position && !same_name(call.name(i), step.names[i - call.by_position].get())) ||
        !take(step.arguments[i], call.arguments[i], taking, values)) {
      values.resize(before);
      return false;
    }
  }
  return true;
}

}  // namespace

Node::Node(PyRef model, std::shared_ptr<Node> parent, Step step)
    : model_(std::move(model)), parent_(std::move(parent)), step_(std::move(step)), epoch_(roots().epoch) {
  ++roots().nodes;
  std::size_t within = 0;
  if (parent_) {
    first_value_ = parent_->value_count();
    depth_ = parent_->depth_ + 1;
    is_sliced = parent_->is_sliced || step_.method == Method::slice;
    has_late = parent_->has_late || step_.late;
    fields = PyRef::borrow(parent_->fields.get());
    iterable_class = PyRef::borrow(parent_->iterable_class.get());
  }
  for (const Argument& argument : step_.arguments) {
    own_values_ += values_of(argument, step_.taking());
    within = std::max(within, depth_of(argument));
  }
  depth_ += within;
}

std::shared_ptr<Node> Node::root_of(PyObject* model) {
  std::shared_ptr<Node>& root = roots().of_models[model];
  if (!root) {
    root = std::make_shared<Node>(PyRef::borrow(model), nullptr, Step());
    root->state = NodeState::proven;
  }
  return root;
}

std::shared_ptr<Node> Node::known_root_of(PyObject* model) noexcept {
  const auto found = roots().of_models.find(model);
  return found == roots().of_models.end() ? nullptr : found->second;
}

void Node::forget_all() {
  ++roots().epoch;
  roots().nodes = 0;
  // What is dropped here may run Python code, which may come back here: nothing stands in the trie by then.
  std::vector<std::shared_ptr<Node>> dropped;
  for (auto& [model, root] : std::exchange(roots().of_models, {})) dropped.push_back(std::move(root));
  while (!dropped.empty()) {
    const std::shared_ptr<Node> node = std::move(dropped.back());
    dropped.pop_back();
    for (auto& [hash, child] : std::exchange(node->children_, {})) dropped.push_back(std::move(child));
    const auto plans = std::exchange(node->plans, {});
    const auto prefetches = std::exchange(node->prefetches, {});  // which hold nodes, too
    const auto forwards = std::exchange(node->forwards, {});
  }
}

std::size_t Node::count() noexcept {
  return roots().nodes;
}

bool Node::is_current() const noexcept {
  return epoch_ == roots().epoch;
}

std::shared_ptr<Node> Node::find(const Call& call, Values& values) const {
  std::uint64_t hash = 0;
  if (children_.empty() || !hash_call(call, hash)) return nullptr;
  const auto [begin, end] = children_.equal_range(hash);
  for (auto child = begin; child != end; ++child) {
    const std::shared_ptr<Node> candidate = child->second;
    const std::size_t before = children_.size();
    if (matches(candidate->step_, call, values)) return candidate;
    // Comparing may run others' code, a Decimal's or a finalizer's: only if all is as it was, go on.
    if (children_.size() != before || !is_current()) return nullptr;
  }
  return nullptr;
}

std::shared_ptr<Node> Node::find_or_make(const Call& call, Values& values) {
  if (std::shared_ptr<Node> found = find(call, values)) return found;
  std::uint64_t hash = 0;
  if (!is_current() || depth_ >= kMostDepth || !hash_call(call, hash)) return nullptr;
  Step step{call.method, call.sticky, call.late, {}, {}};
  const Taking taking = step.taking();
  for (std::size_t i = 0; i < call.by_position + call.by_name(); ++i) {
    PyObject* name = call.name(i);
    if (name != nullptr) step.names.push_back(PyRef::borrow(name));
    step.arguments.push_back(make_argument(call.arguments[i], name, taking, model_.get()));
    if (step.arguments.back().kind == ValueKind::refused) return nullptr;
    if (depth_ + depth_of(step.arguments.back()) >= kMostDepth) return nullptr;
  }
  if (!matches(step, call, values) || !is_current()) return nullptr;
  if (roots().nodes >= kMostNodes) {
    forget_all();  // what is in use comes back by itself
    return nullptr;
  }
  const auto made = std::make_shared<Node>(PyRef::borrow(model_.get()), shared_from_this(), std::move(step));
  children_.emplace(hash, made);
  return made;
}

}  // namespace cache_me::python
