// Looking at a directory from outside, whatever lies in it.
#include <gtest/gtest.h>

#include <fstream>

#include "support.hpp"

namespace tensorpool::transport::aeron {
namespace {

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Probe, no_directory_and_no_file_are_no_media_driver) {
  const Folder folder;
  EXPECT_FALSE(alive(folder / "nothing"));
  EXPECT_FALSE(alive(folder.path()));
  EXPECT_FALSE(alive("relative"));
  EXPECT_FALSE(alive("/" + std::string(1000, 'x')));
  const auto counters = list_counters(folder / "nothing");
  ASSERT_FALSE(counters);
  EXPECT_EQ(counters.error().code(), Code::no_media_driver);
}

TEST(Probe, files_that_are_no_cnc_file_are_no_media_driver) {
  const Folder folder;
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string(1U << 20U, '\0'),
        std::string(1U << 20U, '\xFF'), std::string(1U << 20U, '\x01')}) {
    write(folder / "cnc.dat", bytes);
    EXPECT_FALSE(alive(folder.path()));
    EXPECT_FALSE(list_counters(folder.path()));
  }
}

TEST(Probe, a_truncated_cnc_file_is_no_media_driver) {
  const Folder folder;
  const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(driver);
  std::filesystem::create_directory(folder / "copy");
  std::filesystem::copy_file(folder / "aeron/cnc.dat", folder / "copy/cnc.dat");
  EXPECT_TRUE(alive(folder / "copy"));
  const std::uintmax_t size = std::filesystem::file_size(folder / "copy/cnc.dat");
  for (const std::uintmax_t kept : {size - 4096, size / 2, std::uintmax_t{4096}}) {
    std::filesystem::resize_file(folder / "copy/cnc.dat", kept);
    EXPECT_FALSE(alive(folder / "copy")) << kept;
  }
}

TEST(Probe, tells_who_serves_and_since_when) {
  const Folder folder;
  const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(driver);
  ConnectOptions options = patient(folder / "aeron");
  const MediaDriverState state = make_transport()->probe(options);
  EXPECT_TRUE(state.alive);
  EXPECT_EQ(state.pid, ::getpid());
  EXPECT_GT(state.start_ns, 0);
  EXPECT_GE(state.heartbeat_age_ns, 0);
  // A media driver that nobody drives falls silent; how old a heartbeat may be is the caller's say.
  options.driver_timeout_ns = -1;
  EXPECT_FALSE(make_transport()->probe(options).alive);
}

TEST(Probe, sees_that_another_media_driver_took_the_place) {
  const Folder folder;
  const ConnectOptions options = patient(folder / "aeron");
  const auto transport = make_transport();
  EXPECT_FALSE(transport->replaced(options, 1)) << "nothing there";
  auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(driver);
  const std::int64_t start_ns = transport->probe(options).start_ns;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(transport->replaced(options, start_ns));
  EXPECT_TRUE(transport->replaced(options, start_ns - 1'000'000))
      << "the same file, asked for another life";
  // Clients come and write into the file: it is still the same.
  std::filesystem::last_write_time(folder / "aeron/cnc.dat",
                                   std::filesystem::file_time_type::clock::now());
  EXPECT_FALSE(transport->replaced(options, start_ns));
  driver->reset();
  EXPECT_FALSE(transport->replaced(options, start_ns)) << "it is gone, and nothing came";
  std::filesystem::create_directories(folder / "aeron");
  write(folder / "aeron/cnc.dat", {});
  EXPECT_FALSE(transport->replaced(options, start_ns)) << "another one is being started";
  std::filesystem::remove_all(folder / "aeron");
  driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(driver);
  EXPECT_TRUE(transport->replaced(options, start_ns));
  EXPECT_TRUE(transport->replaced(options, start_ns));
  EXPECT_FALSE(transport->replaced(options, transport->probe(options).start_ns));
}

TEST(Probe, an_option_wins_over_the_environment_and_that_over_the_default) {
  const char* before = std::getenv("AERON_DIR");
  const std::string kept = before == nullptr ? "" : before;
  ASSERT_EQ(::setenv("AERON_DIR", "/somewhere/else", 1), 0);
  EXPECT_EQ(resolve_directory("/named"), "/named");
  EXPECT_EQ(resolve_directory(""), "/somewhere/else");
  ASSERT_EQ(::unsetenv("AERON_DIR"), 0);
  EXPECT_NE(resolve_directory("").find("aeron-"), std::string::npos);
  if (before != nullptr) {
    ASSERT_EQ(::setenv("AERON_DIR", kept.c_str(), 1), 0);
  }
}

}  // namespace
}  // namespace tensorpool::transport::aeron
