// Creating and removing the regions of a stream: the creator's side, which is the driver's, or the
// producer's in direct mode.
//
// Layout of the files, for operators and clean-up only; readers never depend on it (SHM-84):
//   <base_dir>/tensorpool-<user>/<namespace>/<stream_id>/<epoch>/header.ring
//   <base_dir>/tensorpool-<user>/<namespace>/<stream_id>/<epoch>/<pool_id>.pool
//   <base_dir>/tensorpool-<user>/<namespace>/<stream_id>/producer.lock (a living producer's, direct mode)
//   <base_dir>/tensorpool-<user>/<namespace>/driver.lock (a living driver's; driver_place.hpp)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.hpp"
#include "shm/mapping.hpp"
#include "shm/stream_lock.hpp"

namespace tensorpool::shm {

struct CreateOptions {
  std::string base_dir = "/dev/shm";
  std::string namespace_ = "default";
  std::uint32_t file_mode = 0660;  // exactly this, whatever the umask (DRV-147)
  bool prefault = true;
  bool mlock = false;
  bool require_hugepages = false;  // refuse a base_dir that is not on hugetlbfs, and announce it so
  std::uint64_t last_epoch = 0;    // the last epoch of this stream that this process knows of
  // Refuse while another creator of this stream holds its lock (STR-1). For producers of direct mode;
  // a driver serialises its streams itself.
  bool exclusive = false;
};

// What a creator keeps: the description to hand out, the writable mapping, and what to remove
// later.
struct CreatedStream {
  StreamRegions regions;
  MappedStream mapped;
  std::string base_dir;   // canonical
  std::string directory;  // canonical path of the epoch directory
  StreamLock lock;        // of an exclusive creation: the stream is this creator's until it goes
};

// SHM-82: every character outside A–Z a–z 0–9 - _ becomes "_"; an empty name becomes "unknown".
std::string sanitised_user(std::string_view user);
// A namespace that is empty, too long or has any other character is a configuration error.
Result<void> check_namespace(std::string_view text);
// CFG-42, CFG-43: at most 0777, read and write for the owner, nothing for others.
Result<void> check_file_mode(std::uint32_t mode);
// CFG-44: execute for every class with any permission, and set-group-id when the group has one.
std::uint32_t directory_mode(std::uint32_t file_mode) noexcept;

// The rule of 04-driver.md A6: max(now, last known + 1, highest on disk + 1, 1).
// Code::limit_exceeded when no usable epoch is left (SHM-33).
Result<std::uint64_t> next_epoch(std::uint64_t now_ns, std::uint64_t last_known,
                                 std::uint64_t highest_on_disk);

// A directory name that is a plain decimal epoch below 2^64 − 1; nullopt for anything else.
std::optional<std::uint64_t> epoch_from_name(std::string_view name) noexcept;

// The highest epoch that has a directory in the open directory of a stream; 0 when there is none.
Result<std::uint64_t> highest_epoch_in(base::FileSystem& file_system, const base::File& directory);

// Creates the regions of one stream, step by step, in the order of DRV-135: directories, the lock
// where it is asked for, files at full size with their space reserved, prefault and mlock,
// superblocks, sync (SHM-69), and a look whether all of it is still there. Nothing is known to
// anybody before the last step is done. A creator that fails or is dropped removes everything that
// it made.
class StreamCreator {
 public:
  // `layout.epoch` 0 takes the next epoch; another value must be above all on disk (SHM-262).
  // `now_ns` is CLOCK_MONOTONIC and goes into the superblocks. The file system outlives the
  // creator.
  StreamCreator(base::FileSystem& file_system, CreateOptions options, StreamLayout layout,
                std::uint64_t now_ns);
  StreamCreator(StreamCreator&&) noexcept;
  StreamCreator& operator=(StreamCreator&&) noexcept;
  ~StreamCreator();

  // One bounded piece of work: a file operation, or 4 MiB of reserving or prefaulting. True when
  // the stream is complete. Code::no_space says how much is needed where, Code::stream_in_use which
  // process writes the stream already. After an error every call returns the same error.
  Result<bool> step();

  // The stream, once, after step() has returned true.
  CreatedStream take();

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

// All steps at once; blocks for as long as prefaulting takes.
Result<CreatedStream> create_stream(base::FileSystem& file_system, const CreateOptions& options,
                                    StreamLayout layout, std::uint64_t now_ns);

// Clean shutdown (SHM-263): unlinks the files of a stream that this process created and removes its
// epoch directory. Processes that have it mapped keep their mapping. Directories above stay.
Result<void> remove_stream(base::FileSystem& file_system, const CreatedStream& created);

struct CollectOptions {
  std::string base_dir = "/dev/shm";
  std::string namespace_ = "default";
  std::uint32_t stream_id = 0;
  std::uint64_t current_epoch = 0;             // never removed
  std::span<const std::uint64_t> in_use = {};  // other epochs that an active lease refers to
  std::uint32_t keep = 2;  // directories kept, the current one included; 0 removes nothing
  std::uint64_t min_age_ns = 3'000'000'000;  // 3 × announce period
  bool waive_age = false;                    // the run after a creation failed for lack of space
  std::uint64_t now_monotonic_ns = 0;
  std::int64_t now_realtime_ns = 0;
  // Files removed by one call. The kernel frees a file's pages in the call that removes it, so one that
  // has others waiting takes a file at a time, until nothing more is to be done.
  std::uint32_t max_files = UINT32_MAX;
  // What the call before said: removing a file makes the directory young again, which is all that tells
  // the age of an epoch without superblock.
  std::uint64_t unfinished_epoch = 0;
};

struct Collected {
  bool more = false;                   // max_files was reached: call again
  std::uint64_t unfinished_epoch = 0;  // with `more`: removed in part
  std::vector<std::uint64_t> removed;
  std::vector<std::uint64_t>
      failed;             // eligible, but something in the directory could not be removed
  std::size_t young = 0;  // left only for their age, or for a writer that lives
};

// Removes epoch directories of one stream for which all four conditions of 04-driver.md A10 hold.
// Only plain decimal names below the canonical directory of the stream are touched, no link is ever
// followed, and only region files are unlinked. A stream without directories collects nothing.
Result<Collected> collect_epochs(base::FileSystem& file_system, const CollectOptions& options);

}  // namespace tensorpool::shm
