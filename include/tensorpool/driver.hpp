// The driver inside an application: what the program tp_driver runs, in a thread of its own or invoked. It owns the
// memory of streams; clients in driver mode, in this process or others, attach to it.
#pragma once

#ifdef TENSORPOOL_WITHOUT_DRIVER
#error "this tensorpool was built without its driver: configure it with -DTENSORPOOL_DRIVER=ON"
#endif

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensorpool/error.hpp"
#include "tensorpool/export.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool {

namespace driver {
class Host;
}  // namespace driver

// What changed. Each change is told once; the words of name() are those of tp_driver's log.
enum class DriverEvent : std::uint8_t {
  starting = 0,              // the configuration is good and the place is looked at
  media_driver_started = 1,  // inside this process; the text names its directory
  media_driver_connected = 2,
  media_driver_lost = 3,  // leases live on; their clients may come back until they expire
  ready = 4,              // connected for the first time, with both streams up: attaches are heard
  lease_granted = 5,
  lease_ended = 6,  // the text says why
  stream_created = 7,
  stream_forgotten = 8,
  regions_created = 9,
  regions_failed = 10,
  epochs_removed = 11,
  epoch_removal_failed = 12,
  node_ids_exhausted = 13,
  draining = 14,
  stopped = 15,  // the clients are told
  ended = 16,    // everything is let go; the last one
  error = 17,    // anything else that failed; the driver goes on
};
// As written above.
TENSORPOOL_EXPORT std::string_view name(DriverEvent event) noexcept;

// Numbers that do not belong to an event are 0. The text is valid during the call only; parts of it may come
// from a peer.
struct DriverNotice {
  DriverEvent event = DriverEvent::error;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  std::uint64_t lease_id = 0;
  std::uint64_t epoch = 0;
  std::string_view text{};
};

struct DriverOptions {
  // The configuration, TOML as in docs/reference/configuration.md: the path of a file, which is read once, or the
  // text itself; at most one of the two. With neither, the defaults that tp_driver has without a file, for trying
  // things out: streams 10000 to 19999 on demand, 290 MiB for each epoch of one.
  std::optional<std::string> config_file{};
  std::optional<std::string> config_text{};
  // Values of single keys that win over everything (CFG-20, CFG-22): full key path, and the value as in an
  // environment variable, such as {"shm.base_dir", "/dev/shm/lab"}. Of two for one key the last counts.
  std::vector<std::pair<std::string, std::string>> overrides{};
  // Wins over everything, like an override of driver.aeron_dir. Empty: AERON_DIR, which here too wins over the
  // configuration (CFG-22), then driver.aeron_dir, then Aeron's default.
  std::string aeron_dir{};
  // Whether every key may be set by its environment variable (CFG-9 to CFG-23), as in tp_driver. Off, since the
  // environment of an application is its own: no variable named SHM_BASE_DIR moves the regions of a program whose
  // author never heard of it. Then AERON_DIR alone is read, as by a client (CFG-115), so that driver and
  // clients of one process meet. It is read during launch() only; no other thread may change it meanwhile.
  bool environment = false;

  Threading threading = Threading::threaded;  // invoked: the caller runs it, through do_work()
  Idle idle = Idle::backoff;                  // of the driver's own thread
  std::int64_t media_driver_timeout_ns = 2'000'000'000;  // > 0; bounds connecting and every add

  // Told by launch() to its caller's thread; then on the duty cycle's, where a threaded driver may have news before
  // launch() has come back; at the end on the thread that destroys the driver. Must neither block nor throw. In
  // here status(), leases(), terminate() and stopped() work, and destroying the driver takes effect after the
  // cycle; what waits or changes something says in_callback. May be empty.
  std::function<void(const DriverNotice&)> on_notice{};
};

enum class DriverState : std::uint8_t {
  running = 0,
  draining = 1,  // attaches are refused; leases live on
  stopped = 2,   // the clients have been told, or the driver is gone
};

// A look at a driver. Tools outside read the same from its Aeron counters.
struct DriverStatus {
  DriverState state = DriverState::stopped;
  bool connected = false;  // to a media driver, with both streams up
  std::uint64_t producers = 0;
  std::uint64_t consumers = 0;
  std::uint64_t pending_attaches = 0;
  std::uint64_t streams = 0;               // known ones, with or without regions
  std::uint64_t streams_with_regions = 0;  // that have a current epoch
  std::uint64_t bytes_reserved =
      0;  // by all current epochs; old ones that wait to be collected not counted
  // Totals.
  std::uint64_t requests_shed =
      0;  // not heard, since their answers would have had no room; asked again
  std::uint64_t messages_lost =
      0;                        // answers given up: nobody subscribed, or too long for the channel
  std::uint64_t malformed = 0;  // messages that were none
  std::uint64_t errors = 0;     // media drivers lost, and what was told as an error
  std::int64_t longest_cycle_ns = 0;
};

struct DriverLease {
  std::uint64_t lease_id = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  bool producer = false;  // else a consumer
  std::optional<std::uint32_t> node_id{};
};

// Owns the driver, its thread, and the media driver that it started. One for each base directory, user and
// namespace of a host, whatever process it is in (DRV-5).
//
// Threads: any thread may call it; moving and destroying are one thread's. terminate() may also be called inside
// a signal handler. status(), leases() and revoke() wait for at most the duty cycle under way, which never waits
// for anybody. A threaded driver has two threads, the second one for region files, and Aeron's client a third; an
// invoked one has none, and makes regions in small steps of do_work(). A media driver that it started has one
// more thread in both cases.
//
// Destroying it ends it: it does not drain, but the clients are told (terminate() twice), files are removed if
// policies.cleanup_shm_on_exit says so, and then the namespace is free again. That takes as long as the file
// system needs, and one second more at most where last messages find no way out. A media driver that it
// started ends last, and with it the connections of all clients there: destroy the clients of this process
// before. Regions stay mapped for clients that hold them.
//
// A child made by fork() without exec has no driver: what it inherited is `stopped`, says `forked` where it can,
// and destroying it does nothing. The parent's goes on. The child may launch one elsewhere.
//
// Do not unload the library (dlclose) in a process that had a driver.
class TENSORPOOL_EXPORT Driver {
 public:
  // Checks everything, then starts. Does not wait for a media driver that somebody else brings. What is wrong with
  // the configuration is an error, never the end of the process (CFG-104), and nothing has been created then
  // (CFG-95): invalid_argument, with one line for each problem that names key, value, rule and place (file and
  // line, variable, "override", or "config_text" and line; CFG-96 to CFG-100); invalid_file for what is no TOML;
  // system_error for a file that cannot be read (CFG-102) or a system call; limit_exceeded for one that is too
  // long or too deep; no_space when the file system below shm.base_dir could never hold one epoch of every
  // stream. After that: driver_running naming the process that has the namespace; rejected when
  // driver.embedded_media_driver is "always" and a media driver lives in the directory; path_rejected,
  // permission_rejected, and the other errors of MediaDriver::launch().
  static Result<Driver> launch(DriverOptions options = {});

  Driver(Driver&&) noexcept;
  Driver& operator=(Driver&&) noexcept;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  ~Driver();

  // One duty cycle of an invoked driver; never blocks (DRV-216). Returns the amount of work; 0 when idling is fine.
  // Of several threads at once one works, the others return 0; 0 as well inside on_notice, of a threaded
  // driver, and once it has stopped.
  int do_work();

  // The first call drains: attaches are refused, and after policies.shutdown_timeout_ms the clients are told and
  // the driver stops. A second one ends that wait. Returns at once; takes effect in the next duty cycle. Any
  // thread, also inside a signal handler.
  void terminate() noexcept;
  // Everything is said and done, and the namespace is free for another driver: after terminate(), or after a
  // shutdown request with the right policies.shutdown_token. A media driver that this one started lives on
  // until this is destroyed.
  bool stopped() const noexcept;
  // Until stopped(); drives do_work() where the driver is invoked. Does not ask for the end. Errors: timeout,
  // in_callback, forked.
  Result<void> wait(std::chrono::nanoseconds timeout);

  DriverStatus status() const;
  // In no particular order.
  std::vector<DriverLease> leases() const;
  // Ends one lease by decision of the house: its client is told LeaseEnd::revoked with the text, of
  // which at most 1024 bytes are sent, and may attach again. Errors: invalid_argument when there is no such lease
  // (any more); back_pressured when there is no room for the messages just now: again after a duty cycle;
  // in_callback, closed after the end, forked.
  Result<void> revoke(std::uint64_t lease_id, std::string_view text);

  // What the configuration says that was tolerated (unknown keys, little room …), one line each.
  const std::vector<std::string>& warnings() const noexcept;
  // The configuration in effect, as TOML with the origin of every value; the secret is not shown (CFG-53).
  const std::string& configuration() const noexcept;
  // The Aeron directory in use: for ClientOptions::aeron_dir.
  const std::string& aeron_dir() const noexcept;

 private:
  explicit Driver(std::shared_ptr<driver::Host> host) noexcept;
  std::shared_ptr<driver::Host> host_;
};

}  // namespace tensorpool
