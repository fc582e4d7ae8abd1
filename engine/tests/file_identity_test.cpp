#include "cache_me/file_identity.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace cache_me {
namespace {

class FileIdentity : public ::testing::Test {
 protected:
  FileIdentity() {
    char name[] = "/tmp/cache_me_identity_XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~FileIdentity() override {
    for (const char* name : {"a", "b", "link"}) unlink(Path(name).c_str());
    rmdir(directory_.c_str());
  }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name) const { std::ofstream(Path(name)) << name; }
  std::string IdentityOf(const std::string& name) const {
    auto identity = file_identity(Path(name));
    EXPECT_TRUE(identity.ok()) << identity.status().message();
    return identity.ok() ? *identity : std::string();
  }

  std::string directory_;
};

TEST_F(FileIdentity, IsOneForAllNamesOfAFile) {
  Write("a");
  ASSERT_EQ(symlink(Path("a").c_str(), Path("link").c_str()), 0);
  EXPECT_EQ(IdentityOf("a"), IdentityOf("link"));
  const std::string before = IdentityOf("a");
  ASSERT_EQ(std::rename(Path("a").c_str(), Path("b").c_str()), 0);
  EXPECT_EQ(before, IdentityOf("b"));
}

TEST_F(FileIdentity, DiffersBetweenFiles) {
  Write("a");
  Write("b");
  EXPECT_NE(IdentityOf("a"), IdentityOf("b"));
}

TEST_F(FileIdentity, SaysThatThereIsNoFile) {
  EXPECT_EQ(file_identity(Path("a")).status().code(), StatusCode::not_found);
}

}  // namespace
}  // namespace cache_me
