// The world of one test of driver mode: a folder under /dev/shm, a media driver beside the driver or inside it, and
// peers. Every party is a process of its own.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "fault/process.hpp"
#include "fault/support.hpp"

namespace tensorpool::fault {

// Where the media driver runs.
enum class Media { separate, embedded };
inline std::string name_of(Media media) {
  return media == Media::separate ? "separate" : "embedded";
}

// Parties that stood still for longer than this (ms) may have lost a lease without any fault of the code.
inline constexpr std::uint64_t crowded_ms = 400;

class LeasedWorld {
 public:
  explicit LeasedWorld(Media media) : media_(media) {
    if (media == Media::separate) start_media_driver();
  }

  Setting setting(std::uint32_t ports = 1) const {
    Setting setting;
    setting.aeron_dir = folder_.aeron();
    setting.base_dir = folder_.regions();
    setting.stream = stream;
    setting.slots = 1024;
    setting.ports = ports;
    return setting;
  }
  const Folder& folder() const { return folder_; }

  void start_media_driver() {
    media_driver_ = std::make_unique<Peer>("media", setting());
    EXPECT_TRUE(media_driver_->ready());
  }
  // With `ports` streams. The one before it is gone.
  void start_driver(std::uint32_t ports = 1) {
    driver_.reset();
    driver_ = std::make_unique<Peer>(media_ == Media::separate ? "driver" : "driver_with_media",
                                     setting(ports));
    EXPECT_TRUE(driver_->ready());
  }
  Peer& driver() { return *driver_; }
  Peer& media_driver() { return *media_driver_; }

  // Files of regions, and directories of epochs.
  int region_files() const {
    return test::count_files(folder_.regions(), [](const std::filesystem::path& path) {
      return path.extension() == ".pool" || path.extension() == ".ring";
    });
  }
  int epochs() const {
    int count = 0;
    std::error_code ignored;
    namespace fs = std::filesystem;
    for (fs::recursive_directory_iterator entry(folder_.regions(), ignored), end;
         !ignored && entry != end; entry.increment(ignored)) {
      // <base>/tensorpool-user/namespace/stream/epoch
      count += entry.depth() == 3 && entry->is_directory(ignored) ? 1 : 0;
    }
    return count;
  }
  // Nothing but the current epochs of `streams` streams, of two files each.
  bool only_current(int streams) const {
    return eventually([&] { return epochs() == streams && region_files() == 2 * streams; });
  }
  // The driver ends politely and takes its files with it. What killed drivers left without a superblock
  // may be too young for that: says how many epochs are left.
  int end() {
    EXPECT_FALSE(driver_->close().empty());
    driver_.reset();
    return epochs();
  }

 private:
  Folder folder_;
  Media media_;
  std::unique_ptr<Peer> media_driver_;
  std::unique_ptr<Peer> driver_;
};

inline Peer::Books stats(Peer& peer, std::uint32_t port = 0) {
  return peer.ask("stats " + std::to_string(port));
}
// Until a port of `reader` has had `count` more frames of `sender`.
inline bool hears(Peer& reader, std::uint32_t port, std::uint64_t sender,
                  std::uint64_t count = 20) {
  std::uint64_t before = 0;
  bool begun = false;
  return eventually([&] {
    Peer::Books books = stats(reader, port);
    if (books["sender"] != sender) return false;
    if (!std::exchange(begun, true)) before = books["of_sender"];
    return books["of_sender"] >= before + count;
  });
}
// Until a number in the books of a port is at least `least`.
inline bool reaches(Peer& peer, const char* what, std::uint64_t least, std::uint32_t port = 0) {
  return eventually([&] { return stats(peer, port)[what] >= least; });
}
inline bool becomes(Peer& peer, const char* what, std::uint64_t wanted, std::uint32_t port = 0) {
  return eventually([&] { return stats(peer, port)[what] == wanted; });
}
// Why leases were lost, and how often.
inline std::string losses(const Peer::Books& books) {
  std::string text;
  for (const auto& [name, value] : books) {
    if (name.starts_with("lost_"))
      text += (text.empty() ? "" : " ") + name + " " + std::to_string(value);
  }
  return text;
}
// Every lease that a port had and has not any more was reported lost, once; one that was closed gave its lease
// back.
inline void expect_leases_balance(Peer::Books& books) {
  EXPECT_EQ(books["attached"], books["leases_lost"] + books["opened"])
      << list(books, {"attached", "leases_lost", "opened", "attach_failed"});
}
// One that nothing happened to still has its first lease. Waived where the process or its driver stood
// still for too long.
inline void expect_lease_kept(Peer::Books& books, std::uint64_t others_gap_ms = 0) {
  if (books["gap_ms"] > crowded_ms || others_gap_ms > crowded_ms) return;
  EXPECT_EQ(books["leases_lost"], 0U) << losses(books) << ' ' << list(books, {"gap_ms"});
}
inline void expect_right_bytes(Peer::Books& books) {
  EXPECT_FALSE(books.empty());
  EXPECT_EQ(books["wrong"], 0U);
  EXPECT_EQ(books["balanced"], 1U);
}

}  // namespace tensorpool::fault
