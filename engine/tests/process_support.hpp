// Child processes and temporary directories for tests of what processes share.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

namespace cache_me::testing {

// A directory that goes with all it holds.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = "/dev/shm/cache_me_test_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      pattern = (std::filesystem::temp_directory_path() / "cache_me_test_XXXXXX").string();
      if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    }
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A forked child that runs `body` and exits with what it returns (true: 0). It can report that it has got
// somewhere, and wait to be told to go on. Killed, if it still lives, when the object goes.
class Child {
 public:
  using Body = std::function<bool(Child& self)>;

  explicit Child(const Body& body) {
    if (::pipe(to_parent_) != 0 || ::pipe(to_child_) != 0) std::abort();
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      ::close(to_parent_[0]);
      ::close(to_child_[1]);
      const bool passed = body(*this);
      std::fflush(nullptr);
      ::_exit(passed ? 0 : 1);
    }
    ::close(to_parent_[1]);
    ::close(to_child_[0]);
  }
  ~Child() {
    kill();
    ::close(to_parent_[0]);
    ::close(to_child_[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // In the child.
  void report(char mark = '.') { [[maybe_unused]] const auto written = ::write(to_parent_[1], &mark, 1); }
  void wait_for_word() {
    char mark;
    [[maybe_unused]] const auto got = ::read(to_child_[0], &mark, 1);
  }
  [[noreturn]] static void die() {
    ::raise(SIGKILL);
    ::_exit(9);
  }

  // In the parent.
  char wait_for_report() {
    char mark = 0;
    [[maybe_unused]] const auto got = ::read(to_parent_[0], &mark, 1);
    return mark;
  }
  void go_on() {
    const char mark = '.';
    [[maybe_unused]] const auto written = ::write(to_child_[1], &mark, 1);
  }
  pid_t pid() const { return pid_; }
  void kill() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  int wait() {
    int status = 0;
    if (pid_ > 0) ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  bool passed() {
    const int status = wait();
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  bool was_killed() {
    const int status = wait();
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

 private:
  pid_t pid_ = -1;
  int to_parent_[2];
  int to_child_[2];
};

inline bool run_in_child(const std::function<bool()>& body) {
  return Child([&](Child&) { return body(); }).passed();
}

}  // namespace cache_me::testing
