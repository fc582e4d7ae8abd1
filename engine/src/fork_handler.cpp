#include "cache_me/fork_handler.hpp"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace cache_me {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<const ForkHandler*> handlers;
};

// Never destroyed: a fork may come after the static destructors have begun.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

void before_fork() {
  Registry& all = registry();
  all.mutex.lock();
  for (auto handler = all.handlers.rbegin(); handler != all.handlers.rend(); ++handler) {
    (*handler)->run_before();
  }
}

void in_parent() {
  Registry& all = registry();
  for (const ForkHandler* handler : all.handlers) handler->run_parent();
  all.mutex.unlock();
}

void in_child() {
  Registry& all = registry();
  for (const ForkHandler* handler : all.handlers) handler->run_child();
  all.mutex.unlock();  // the forking thread locked it, and is the only thread of the child
}

}  // namespace

ForkHandler::ForkHandler(std::function<void()> before, std::function<void()> parent,
                         std::function<void()> child)
    : before_(std::move(before)), parent_(std::move(parent)), child_(std::move(child)) {
  static const int registered = pthread_atfork(before_fork, in_parent, in_child);
  static_cast<void>(registered);  // fails only for want of memory
  Registry& all = registry();
  const std::lock_guard<std::mutex> guard(all.mutex);
  all.handlers.push_back(this);
}

ForkHandler::~ForkHandler() {
  Registry& all = registry();
  const std::lock_guard<std::mutex> guard(all.mutex);
  all.handlers.erase(std::find(all.handlers.begin(), all.handlers.end(), this));
}

}  // namespace cache_me
