// Files and directories of a configuration.
#include "config/system.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/posix_file_system.hpp"
#include "support.hpp"

namespace tensorpool::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigSystem : public ::testing::Test {
 protected:
  ConfigSystem() {
    char name[] = "/dev/shm/tensorpool-config-XXXXXX";
    folder_ = std::filesystem::canonical(::mkdtemp(name));
  }
  ~ConfigSystem() override { std::filesystem::remove_all(folder_); }

  std::string path(const char* name) const { return (folder_ / name).string(); }
  LoadedConfig config(const std::string& base, const std::string& allowed = "") const {
    return loaded_of("shm.base_dir = \"" + base + "\"\n" +
                     (allowed.empty() ? "" : "shm.allowed_base_dirs = [" + allowed + "]\n") +
                     smallest);
  }
  std::string error(LoadedConfig loaded, MayWrite may = may_write) {
    const auto found = check_directories(loaded, files_, may);
    return found ? "" : found.error().message();
  }

  std::filesystem::path folder_;
  base::PosixFileSystem files_;
};

// Proves: CFG-102
TEST_F(ConfigSystem, files) {
  std::ofstream(path("t.toml")) << smallest;
  const auto text = read_file(path("t.toml"));
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text, smallest);
  EXPECT_THAT(read_file(path("none")).error().message(), HasSubstr(path("none")));
  EXPECT_FALSE(read_file(folder_).has_value());
  const auto endless = read_file("/dev/zero");
  ASSERT_FALSE(endless.has_value());
  EXPECT_EQ(endless.error().code(), Code::limit_exceeded);
}

TEST_F(ConfigSystem, environment) {
  ASSERT_EQ(::setenv("TENSORPOOL_CONFIG_TEST", "a=b", 1), 0);
  EXPECT_EQ(process_environment().at("TENSORPOOL_CONFIG_TEST"), "a=b");
  ASSERT_EQ(::unsetenv("TENSORPOOL_CONFIG_TEST"), 0);
  EXPECT_FALSE(process_environment().contains("TENSORPOOL_CONFIG_TEST"));
}

// Proves: CFG-36, CFG-38, CFG-39, CFG-40
TEST_F(ConfigSystem, directories) {
  std::filesystem::create_directories(folder_ / "a/b");
  std::filesystem::create_directory(folder_ / "ab");
  std::filesystem::create_directory_symlink(folder_ / "a", folder_ / "link");
  std::ofstream(path("file")) << "x";
  const auto quote = [&](const char* name) { return "\"" + path(name) + "\""; };

  LoadedConfig good = config(path("link") + "/b", quote("link"));
  const auto found = check_directories(good, files_);
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(good.config.shm.base_dir, path("a/b"));
  EXPECT_THAT(good.config.shm.allowed_base_dirs, ElementsAre(path("a")));
  EXPECT_FALSE(found->hugetlbfs);

  EXPECT_EQ(error(config(path("a"))), "");
  EXPECT_THAT(error(config(path("none"))),
              HasSubstr("t.toml:1: shm.base_dir = \"" + path("none") + "\": must be an existing"));
  EXPECT_THAT(error(config(path("file"))), HasSubstr("must be an existing directory"));
  EXPECT_THAT(error(config(path("a"), quote("a") + ", " + quote("none"))),
              HasSubstr("t.toml:2: shm.allowed_base_dirs"));
  EXPECT_THAT(error(config(path("ab"), quote("a"))),
              HasSubstr("must be, or lie in, a directory of shm.allowed_base_dirs"));
  EXPECT_THAT(error(config(path("a")), [](const std::string&) { return false; }),
              HasSubstr("must be writable"));
}

// Regions are announced as URIs, which have none of these.
TEST_F(ConfigSystem, paths_that_no_uri_carries) {
  for (const char* name : {"a b", "a?b", "a|b", "\xC3\xA4"}) {
    std::filesystem::create_directory(folder_ / name);
    EXPECT_THAT(error(config(path(name))), HasSubstr("must have no spaces")) << name;
  }
}

// Proves: CFG-45
TEST_F(ConfigSystem, pages) {
  LoadedConfig loaded = config(path(""));
  loaded.config.shm.page_size_bytes = 8192;
  const auto found = check_directories(loaded, files_);
  ASSERT_TRUE(found.has_value()) << found.error().message();
  ASSERT_EQ(loaded.warnings.size(), 1U);
  EXPECT_THAT(loaded.warnings[0],
              AllOf(HasSubstr("shm.page_size_bytes = 8192: "), HasSubstr("which are used")));
  loaded.config.shm.require_hugepages = true;
  EXPECT_THAT(error(loaded), AllOf(HasSubstr("must lie on a hugetlbfs mount"),
                                   HasSubstr("shm.require_hugepages = true")));
}

}  // namespace
}  // namespace tensorpool::config
