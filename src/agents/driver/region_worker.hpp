// What a driver does with files: creates regions, removes old epochs, unmaps. Reserving, prefaulting,
// locking, syncing and unlinking take as long as the kernel needs, so all of it is cut into steps and
// runs on a thread of its own, beside the duty cycle that hears keepalives. Without start() the owner
// calls step() instead: the same code without a thread, for invoked drivers and the simulator.
//
// Jobs of one stream are done in the order in which they came. Streams take turns, step by step, so that
// a small one does not wait for a large one.
//
// Threads: everything but step() is the owner's; step() is the worker's own thread's once start() has
// been called, and the owner's before.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <variant>

#include "agents/command_queue.hpp"
#include "agents/doorbell.hpp"
#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "protocol/driver/actions.hpp"
#include "shm/create.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::agents::driver {

// Where regions lie and how their files are made (docs/protocol/11-configuration.md sections 5 and 6).
struct RegionPlace {
  std::string base_dir = "/dev/shm";
  std::string namespace_name = "default";
  std::uint32_t file_mode = 0660;
  bool prefault = true;
  bool mlock = false;
};

// A mapping that is not needed any more.
struct Retire {
  std::uint32_t stream_id = 0;
  shm::MappedStream mapped;
};
using RegionJob =
    std::variant<std::monostate, protocol::driver::CreateRegions, protocol::driver::CollectEpochs,
                 protocol::driver::RemoveRegions, Retire>;

// Of `mapped` only the superblocks are left, unless the regions are locked in memory (DRV-150).
struct RegionsCreated {
  std::uint64_t request_id = 0;
  shm::StreamRegions regions;
  shm::MappedStream mapped;
};
struct CreationFailed {
  std::uint64_t request_id = 0;
  Error error = Error::hot(Code::internal, "create_stream");
};
// Of a CollectEpochs or, with request id 0, of a RemoveRegions.
struct EpochsCollected {
  std::uint64_t request_id = 0;
  std::uint32_t stream_id = 0;
  std::size_t removed = 0;
  std::size_t failed = 0;
  std::optional<Error> error;  // nothing could be looked at
  std::size_t young = 0;       // left for their age alone, or for a writer that lives
};
struct Retired {};
using RegionAnswer =
    std::variant<std::monostate, RegionsCreated, CreationFailed, EpochsCollected, Retired>;

class RegionWorker {
 public:
  // At most `capacity`, a power of two, jobs at a time. File system and clock outlive the worker.
  // `owner` is rung with every answer of the worker's thread; it may be null.
  RegionWorker(RegionPlace place, base::FileSystem& file_system, const base::Clock& clock,
               std::size_t capacity, Doorbell* owner = nullptr);
  RegionWorker(const RegionWorker&) = delete;
  RegionWorker& operator=(const RegionWorker&) = delete;
  ~RegionWorker() { stop(); }

  // A thread of its own from here on. Errors: system_error when the system has none left.
  Result<void> start();
  bool threaded() const noexcept { return thread_.joinable(); }
  // Ends after the step under way, joins, and removes what half-finished creations made. Jobs that
  // have not begun are dropped. Idempotent; nothing may be submitted any more.
  void stop() noexcept;

  // Never waits. False when there are `capacity` jobs already; `job` is untouched then.
  bool submit(RegionJob&& job);
  // The next answer; monostate when there is none. Each job has one.
  RegionAnswer take();
  // Jobs without an answer that was taken.
  std::size_t outstanding() const noexcept { return outstanding_; }
  // From now on creations fail with Code::closed, the ones under way included; their files go.
  void cancel_creations() noexcept;

  // One bounded piece of work: a file operation, or limits::region_step_bytes of reserving,
  // prefaulting or unmapping. 0 when there is nothing to do.
  int step();

 private:
  // A job and how far it has come.
  struct Task {
    RegionJob job;
    std::optional<shm::StreamCreator> creator;
    std::optional<shm::CreatedStream> created;
    std::optional<shm::Unmap> unmap;
    std::size_t removed = 0;
    std::uint64_t unfinished_epoch = 0;
  };
  using Tasks = std::deque<Task>;

  void run() noexcept;
  void wake() noexcept;
  int accept();
  bool must_wait(const Task& task) const noexcept;
  bool advance(Task& task);
  bool advance(Task& task, const protocol::driver::CreateRegions& job);
  bool advance(Task& task, const protocol::driver::CollectEpochs& job);
  bool advance(Task& task, Retire& job);
  bool begin(Task& task, const protocol::driver::CreateRegions& job);
  bool collect(Task& task, std::uint64_t request_id, const shm::CollectOptions& options);
  void end_creation(Task& task);
  void answer(RegionAnswer answer);

  const RegionPlace place_;
  base::FileSystem& file_system_;
  const base::Clock& clock_;
  const std::size_t capacity_;
  Doorbell* const owner_;

  // The owner's.
  std::size_t outstanding_ = 0;
  std::thread thread_;

  // Between the two.
  CommandQueue<std::unique_ptr<RegionJob>> jobs_;
  CommandQueue<std::unique_ptr<RegionAnswer>> answers_;
  std::atomic<std::uint32_t> calls_{0};  // changes with every news for a worker that sleeps
  std::atomic<bool> stopping_{false};
  std::atomic<bool> no_creations_{false};

  // The worker's.
  std::unordered_map<std::uint32_t, Tasks> tasks_;  // of streams that have any
  std::deque<std::uint32_t> turn_;                  // those whose first task can go on
  std::deque<std::uint32_t> waiting_;               // those whose creation must wait for others
  std::size_t creations_ = 0;                       // under way
};

}  // namespace tensorpool::agents::driver
