// The world of one test: a folder under /dev/shm, a media driver in this process, peers in theirs.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "base/posix_file_system.hpp"
#include "fault/process.hpp"
#include "shm/create.hpp"
#include "support/folder.hpp"
#include "tensorpool/media_driver.hpp"

namespace tensorpool::fault {

inline constexpr std::uint32_t stream = 800;

class Folder : public test::Places {
 public:
  Folder() : Places("fault") {}
};

inline std::string name_of(int signal) { return signal == SIGKILL ? "kill" : "stop"; }

// One line of the table of outcomes: point, signal, who was struck, what became of everybody.
inline void tell_outcome(const std::string& point, int signal, const char* role,
                         const std::string& outcome) {
  std::printf("outcome | %-18s | %s | %-8s | %s\n", point.c_str(), name_of(signal).c_str(), role,
              outcome.c_str());
}

inline std::string list(const Peer::Books& books, std::initializer_list<const char*> names) {
  std::string text;
  for (const char* name : names) {
    const auto found = books.find(name);
    if (found != books.end())
      text += (text.empty() ? "" : " ") + std::string(name) + " " + std::to_string(found->second);
  }
  return text;
}

class FaultTest : public ::testing::Test {
 protected:
  Setting setting() const {
    Setting setting;
    setting.aeron_dir = folder_.aeron();
    setting.base_dir = folder_.regions();
    setting.stream = stream;
    return setting;
  }
  static Peer consumer(const Setting& setting, const Fault& fault = {}) {
    Peer peer("consumer", setting, 0, fault);
    EXPECT_TRUE(peer.ready());
    return peer;
  }

  // Until `reader` has had `count` more frames of `sender`.
  static bool hears(Peer& reader, std::uint64_t sender, std::uint64_t count = 50) {
    std::uint64_t before = 0;
    bool begun = false;
    return eventually([&] {
      Peer::Books books = reader.ask("stats");
      if (books["sender"] != sender) return false;
      if (!std::exchange(begun, true)) before = books["of_sender"];
      return books["of_sender"] >= before + count;
    });
  }
  static bool active(Peer& reader, bool wanted = true) {
    return eventually([&] { return reader.ask("stats")["active"] == (wanted ? 1U : 0U); });
  }
  // No wrong byte, and every sequence number accounted for.
  static void expect_right(Peer::Books& books) {
    EXPECT_FALSE(books.empty());
    EXPECT_EQ(books["wrong"], 0U);
    EXPECT_EQ(books["balanced"], 1U);
  }
  static Peer::Books expect_whole(Peer& reader) {
    Peer::Books books = reader.close();
    expect_right(books);
    EXPECT_EQ(books["lost"] + books["overwritten"] + books["skipped"], 0U)
        << list(books, {"delivered", "lost", "overwritten", "skipped", "ended", "sessions"});
    return books;
  }
  static Peer::Books expect_closed(Peer& producer) {
    Peer::Books books = producer.close();
    EXPECT_FALSE(books.empty());
    EXPECT_EQ(books["balanced"], 1U);
    EXPECT_EQ(books["open"], 0U);
    return books;
  }
  static void expect_free(Peer& producer) {
    EXPECT_LE(expect_closed(producer)["back_pressured"], refused_by_chance);
  }

  // After all are gone: the epochs of the killed are what the clean-up of old epochs takes, and
  // nothing else is left. Says how many there were.
  std::size_t clean_up() {
    base::PosixFileSystem file_system;
    std::size_t removed = 0;
    for (const char* space : {"default", "second"}) {
      shm::CollectOptions collect;
      collect.base_dir = folder_.regions();
      collect.namespace_ = space;
      collect.stream_id = stream;
      collect.keep = 1;
      collect.waive_age = true;  // of epochs with a superblock
      collect.now_monotonic_ns = UINT64_MAX;
      collect.now_realtime_ns = INT64_MAX;
      const auto collected = shm::collect_epochs(file_system, collect);
      EXPECT_TRUE(collected.has_value() && collected->failed.empty());
      if (collected) removed += collected->removed.size();
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.regions()))
      EXPECT_TRUE(entry.is_directory()) << entry.path();
    return removed;
  }
  const Folder& folder() const { return folder_; }

  void SetUp() override {
    auto launched = MediaDriver::launch({.aeron_dir = folder_.aeron()});
    ASSERT_TRUE(launched) << launched.error().message();
    driver_.emplace(std::move(*launched));
  }
  std::optional<MediaDriver> driver_;

 private:
  Folder folder_;
};

}  // namespace tensorpool::fault
