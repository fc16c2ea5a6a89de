// From a configuration to what a driver is started with: which source wins, and which directory it is.
#include "driver/setup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <optional>
#include <string>

#include "driver/configuration.hpp"
#include "support/folder.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::driver {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A variable of this process for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = ::getenv(name); old != nullptr) old_ = old;
    EXPECT_EQ(::setenv(name, value, 1), 0);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

Result<Setup> setup_of(const Source& source) {
  auto loaded = load_configuration(source);
  if (!loaded) return fail(loaded.error());
  return setup_from(*loaded, {});
}

std::string aeron_dir_of(const Source& source) {
  const auto setup = setup_of(source);
  EXPECT_TRUE(setup.has_value()) << setup.error().message();
  return setup ? setup->agent.aeron_dir : std::string();
}

const std::string rest = R"([profiles.p]
payload_pools = [ { pool_id = 1, stride_bytes = 4096 } ]
[streams.s]
stream_id = 10000
profile = "p"
)";

// A configuration with `text` in its table [driver].
Source with(const std::string& text, config::Environment environment = {},
            config::Overrides overrides = {}) {
  return {std::nullopt, "[driver]\n" + text + rest, std::move(environment), std::move(overrides)};
}

const std::string in_the_file = "aeron_dir = \"/file\"\n";

// Proves: CFG-20, CFG-21, CFG-22, CFG-35
TEST(DriverSetup, the_aeron_directory_of_the_strongest_source) {
  const config::Environment alias{{"AERON_DIR", "/alias"}};
  const config::Environment both{{"AERON_DIR", "/alias"}, {"DRIVER_AERON_DIR", "/variable"}};
  EXPECT_EQ(aeron_dir_of(with(in_the_file, both, {{"driver.aeron_dir", "/override"}})),
            "/override");
  EXPECT_EQ(aeron_dir_of(with(in_the_file, both)), "/variable");
  EXPECT_EQ(aeron_dir_of(with(in_the_file, alias)), "/alias");
  EXPECT_EQ(aeron_dir_of(with(in_the_file)), "/file");
}

// An empty text is Aeron's default directory, also for a process in which AERON_DIR names another one.
// Proves: CFG-22, CFG-23
TEST(DriverSetup, an_empty_aeron_directory_is_the_default) {
  const Variable variable("AERON_DIR", "/alias");
  const std::string standard = transport::aeron::default_directory();
  EXPECT_THAT(standard, HasSubstr("/aeron-"));
  EXPECT_EQ(aeron_dir_of(with("")), standard);
  EXPECT_EQ(aeron_dir_of(with("aeron_dir = \"\"\n")), standard);
  EXPECT_EQ(aeron_dir_of(with(in_the_file, {{"AERON_DIR", "/alias"}, {"DRIVER_AERON_DIR", ""}})),
            standard);
  EXPECT_EQ(aeron_dir_of(with(in_the_file, {{"AERON_DIR", ""}})), standard);
  EXPECT_EQ(aeron_dir_of(with(in_the_file, {{"AERON_DIR", "/alias"}}, {{"driver.aeron_dir", ""}})),
            standard);
}

TEST(DriverSetup, of_a_file) {
  const test::Folder folder("setup");
  const std::string path = folder / "driver.toml";
  std::ofstream(path) << "driver.instance_id = \"of the file\"\n" << rest;
  const auto setup = setup_of({path, std::nullopt, {}, {}});
  ASSERT_TRUE(setup.has_value()) << setup.error().message();
  EXPECT_EQ(setup->agent.instance_id, "of the file");
  EXPECT_EQ(setup->media_driver, EmbeddedMediaDriver::automatic);

  const auto missing = setup_of({folder / "missing.toml", std::nullopt, {}, {}});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), Code::system_error);
  EXPECT_THAT(missing.error().message(), HasSubstr("missing.toml"));
}

TEST(DriverSetup, of_nothing) {
  const auto setup = setup_of({});
  ASSERT_TRUE(setup.has_value()) << setup.error().message();
  EXPECT_TRUE(setup->agent.core.allow_dynamic_streams);
  EXPECT_EQ(setup->agent.control.stream_id, 1000);
  // A text that is empty is no configuration.
  const auto empty = setup_of({std::nullopt, "", {}, {}});
  ASSERT_FALSE(empty.has_value());
  EXPECT_THAT(empty.error().message(), AllOf(HasSubstr("config_text"), HasSubstr("profile")));
}

TEST(DriverSetup, the_media_driver_as_configured) {
  const auto wanted = [](const char* value) {
    return setup_of(with("", {}, {{"driver.embedded_media_driver", value}})).value().media_driver;
  };
  EXPECT_EQ(wanted("auto"), EmbeddedMediaDriver::automatic);
  EXPECT_EQ(wanted("always"), EmbeddedMediaDriver::always);
  EXPECT_EQ(wanted("never"), EmbeddedMediaDriver::never);
}

}  // namespace
}  // namespace tensorpool::driver
