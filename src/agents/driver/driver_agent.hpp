// The authoritative driver as a process runs it: joins the sans-IO core (protocol/driver) with Aeron
// streams, region files and counters. docs/internals/driver.md says what runs where.
//
// Threads: make(), do_work(), status() and the destructor belong to one thread, the duty cycle's.
// terminate() may be called by any thread and inside a signal handler. Region files are made and removed
// by a helper thread (region_worker.hpp), unless the driver is `invoked`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agents/context.hpp"
#include "agents/doorbell.hpp"
#include "agents/driver/region_worker.hpp"
#include "base/limits.hpp"
#include "protocol/driver/actions.hpp"
#include "protocol/driver/driver_core.hpp"
#include "protocol/driver/settings.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::agents::driver {

// What changed beside the core's own reports: `connected`, `connection_lost` and `error`, each with
// a text that says what and where. The text is valid during the call only.
struct DriverNotice {
  NoticeKind kind = NoticeKind::error;
  std::uint32_t stream_id = 0;  // 0: the driver as a whole
  std::string_view text;
};

struct DriverOptions {
  // Filled in by make(): `control_stream_id` and `announce_stream_id` (from the endpoints below),
  // `hugetlbfs` and every `highest_epoch_on_disk` (from base_dir), and `first_lease_id` where it is 0
  // (random, DRV-31).
  protocol::driver::Settings core;
  RegionPlace regions;
  std::string instance_id =
      "driver-01";  // 1 … 128 bytes; shown in counters and Aeron's client name

  std::string aeron_dir;  // empty: AERON_DIR, then Aeron's default
  Endpoint control{"aeron:ipc?term-length=4m", 1000};
  Endpoint announce{"aeron:ipc?term-length=4m", 1000};  // may be the same

  // True: the files are worked on inside do_work(), in small steps, and there is no thread at all. Aeron's client
  // never has one.
  bool invoked = false;
  // Rung with everything that should not wait for the end of a sleep between two cycles, and when more is likely to
  // follow soon. Outlives the agent; may be null.
  Doorbell* bell = nullptr;
  int fragment_limit = base::limits::fragments_per_poll;  // 1 … limits::inbox_entries
  base::Nanos media_driver_timeout_ns = 2'000'000'000;    // bounds connecting and every add

  // Told on the duty cycle's thread: every report of the core, for a line of the log each, and what
  // the agent itself has to say. Must neither block, throw nor call the agent. May be empty.
  std::function<void(const protocol::driver::Report&)> on_report;
  std::function<void(const DriverNotice&)> on_notice;
};

// Code::invalid_argument names the key of the configuration and the value.
Result<void> check(const DriverOptions& options);

// A look at a running driver. Tools outside read the same from its counters.
struct DriverStatus {
  protocol::driver::State state = protocol::driver::State::running;
  bool connected = false;  // to a media driver, with both streams up
  std::size_t producers = 0;
  std::size_t consumers = 0;
  std::size_t pending_attaches = 0;
  std::size_t streams = 0;
  std::size_t streams_with_regions = 0;
  std::uint64_t bytes_reserved = 0;   // files of all current epochs
  std::size_t files_outstanding = 0;  // questions that the region worker has not answered
  std::size_t unsent = 0;             // messages that wait for room in a stream
  std::uint64_t shed_requests = 0;    // not heard, since their answers would have had no room
  std::uint64_t lost_messages = 0;    // given up: nobody subscribed, or not sendable
  std::uint64_t malformed = 0;        // requests that were none
  std::uint64_t errors = 0;           // notices of kind error
  base::Nanos longest_cycle_ns = 0;
};

class DriverAgent {
 public:
  // Checks the options, takes the lock of base_dir/tensorpool-user/namespace (one driver each,
  // DRV-5), looks for epochs on disk, and starts the region worker. Blocks for as long as the file system
  // needs; never for a media driver, which may come later. The world outlives the agent.
  // Errors: invalid_argument, driver_running naming the process that has the lock, path_rejected,
  // permission_rejected, system_error.
  static Result<std::unique_ptr<DriverAgent>> make(DriverOptions options, World world);
  DriverAgent(const DriverAgent&) = delete;
  DriverAgent& operator=(const DriverAgent&) = delete;
  // Without a word to anybody (DRV-195 covers the clients): terminate() and do_work() until stopped()
  // is the polite way. Ends the worker; regions that are being created are removed again.
  ~DriverAgent();

  // One duty cycle; never blocks (DRV-216). Returns the amount of work done, 0 when idling is fine.
  int do_work();

  // Drains, tells the clients after policies.shutdown_timeout_ms, and stops; the second call ends the
  // wait (A12). Async-signal-safe; takes effect in the next do_work().
  void terminate() noexcept { terminations_.fetch_add(1, std::memory_order_release); }

  // Everything is said and done: notice sent, files removed where asked. do_work() does nothing more.
  bool stopped() const noexcept;

  // Any thread.
  base::Nanos longest_cycle_ns() const noexcept {
    return longest_cycle_ns_.load(std::memory_order_relaxed);
  }
  // Ends one lease by decision of the house, with reason REVOKED. False when there is no such lease, or no
  // room for the messages just now.
  bool revoke(std::uint64_t lease_id, std::string_view text);
  DriverStatus status() const;
  const protocol::driver::DriverCore& core() const noexcept;

 private:
  class Impl;
  explicit DriverAgent(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
  std::atomic<std::uint32_t> terminations_{0};
  std::atomic<base::Nanos> longest_cycle_ns_{0};
};

}  // namespace tensorpool::agents::driver
