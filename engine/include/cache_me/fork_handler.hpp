// What an object with mutexes or descriptors has to do around fork(2).
//
// The invariant: while fork copies the process, every registered object has been told `before` (it holds its
// own mutexes, so no other thread is half-way through a change), and afterwards `parent` or `child` (it lets
// go of them). So a child starts with consistent memory and with mutexes that are free. Handlers run `before`
// from the newest registration to the oldest and the others the opposite way: an object registered later may
// lock first and then call one that was registered earlier, never the other way round.
//
// vfork(2), posix_spawn(3) and clone(2) by hand run no handlers: descriptors are close-on-exec, and nothing
// of ours may be called between such a call and exec.
#pragma once

#include <functional>

namespace cache_me {

class ForkHandler {
 public:
  // Registers at once, so make it the last member of its owner (constructed last, destroyed first). The owner
  // holds none of the mutexes that `before` takes while it constructs or destroys the handler. Any thread.
  ForkHandler(std::function<void()> before, std::function<void()> parent, std::function<void()> child);
  ~ForkHandler();
  ForkHandler(const ForkHandler&) = delete;
  ForkHandler& operator=(const ForkHandler&) = delete;

  void run_before() const { before_(); }
  void run_parent() const { parent_(); }
  void run_child() const { child_(); }

 private:
  std::function<void()> before_;
  std::function<void()> parent_;
  std::function<void()> child_;
};

}  // namespace cache_me
