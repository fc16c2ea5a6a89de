// Settings of clients, producers and consumers: plain structs with the defaults of
// docs/protocol/11-configuration.md section 14. Every field names its unit and has a default, so
// that designated initialisers may leave it out. A setting outside its valid values makes the call
// that uses it fail with invalid_argument, naming the setting (CFG-116).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tensorpool/error.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool {

// Who owns the shared memory. The mode is chosen, never guessed (CON-51).
enum class Mode : std::uint8_t {
  driver = 0,  // a tensorpool driver owns the regions and grants leases on them
  direct = 1,  // no driver: each producer creates and owns the regions of its stream
};

// Who runs the client conductor.
enum class Threading : std::uint8_t {
  threaded = 0,  // a thread of the client; Aeron's client runs there too
  invoked = 1,   // the caller, through Client::do_work()
};

// What the conductor's own thread does when a duty cycle found no work (CON-29). backoff: spins, yields, then sleeps,
// behind a command for up to 1 ms, and without news for up to a fiftieth of the keepalive interval or announce
// period, 1 to 20 ms; sleeping: sleeps as long, without spinning. Commands, and ports that close, end a sleep.
enum class Idle : std::uint8_t { backoff = 0, sleeping = 1, yielding = 2, busy_spin = 3, noop = 4 };

// An Aeron channel and stream id (1 … 2147483647).
struct Endpoint {
  std::string channel{};
  std::int32_t stream_id = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// What a client tells its application outside the frame path. Called on the conductor (CON-33); the
// text is valid during the call only (CON-35).
enum class NoticeKind : std::uint8_t {
  connected = 0,        // to a media driver
  connection_lost = 1,  // the media driver died or dropped this client; being rebuilt
  mapped = 2,           // a consumer mapped an epoch, or a producer created one
  unmapped = 3,
  announce_rejected = 4,  // regions of an announce were refused; the text says why
  error = 5,
  // Driver mode.
  attached = 6,  // the driver granted a lease; `epoch` is that of its regions
  attach_failed =
      7,  // refused, not answered, or not to be believed; tried again, told once per reason
  lease_lost =
      8,  // `lease_end` and the text say why; told once for every lease that is lost (CON-42)
  // A producer is held up: the text names the subscriber that stands behind, its client and process as far as
  // they are known, and what to do. Once per subscription, 16 for each media driver at most.
  back_pressure = 9,
};
struct Notice {
  NoticeKind kind = NoticeKind::error;
  std::uint32_t stream_id = 0;  // 0: the client as a whole
  std::uint64_t epoch = 0;
  std::string_view text{};
  LeaseEnd lease_end = LeaseEnd::none;  // of lease_lost
};

struct ClientOptions {
  Mode mode = Mode::driver;  // the protocol's default; direct must be asked for (CON-51)
  Threading threading = Threading::threaded;
  std::string aeron_dir{};    // empty: AERON_DIR, then Aeron's default
  std::string client_name{};  // at most 100 bytes; shown in Aeron's counters

  Endpoint control{"aeron:ipc?term-length=4m", 1000};
  Endpoint announce{"aeron:ipc?term-length=4m", 1001};
  Endpoint descriptor{"aeron:ipc", 1100};
  Endpoint qos{"aeron:ipc", 1200};
  Endpoint metadata{"aeron:ipc", 1300};

  // How often a producer announces its regions, and what the two factors count in.
  std::int64_t announce_period_ns = 1'000'000'000;
  std::uint32_t freshness_factor = 3;  // announces older than this many periods are ignored
  std::uint32_t liveness_factor = 5;   // 3 … 5: a writer silent for this many periods is dead

  // What a consumer may map: existing absolute directories that regions must lie below, and what
  // their files must not grant or must belong to. Anything else is refused with a Notice.
  std::vector<std::string> allowed_base_dirs{"/dev/shm"};
  std::uint32_t forbidden_mode_bits = 0007;
  std::optional<std::uint32_t> required_owner{};  // uid
  std::optional<std::uint32_t> required_group{};  // gid
  bool lock_memory = false;                       // mlock what is mapped

  // Driver mode. Nobody tells a client the driver's interval, grace and announce period: set them to the
  // values of its configuration where those differ from the defaults (CFG-93).
  std::int64_t keepalive_interval_ns = 1'000'000'000;
  std::uint32_t keepalive_grace = 3;  // intervals without a keepalive after which a lease is over
  std::int64_t attach_timeout_ns = 5'000'000'000;  // after which an attach counts as failed
  std::int64_t attach_resend_ns = 200'000'000;     // between copies of one that is not answered
  std::int64_t backoff_first_ns = 100'000'000;     // after a failed attach or a lost lease; doubles
  std::int64_t backoff_largest_ns = 3'200'000'000;
  // Attach again after a failure or a loss. Without it a request fails with its first attach, and a port that
  // lost its lease says `closed`, with Code::lease_ended for every call.
  bool reattach = true;

  std::uint32_t fragment_limit = 10;            // per poll and subscription, at most 16
  std::uint32_t command_queue_capacity = 1024;  // power of two
  Idle idle = Idle::backoff;
  std::int64_t media_driver_timeout_ns = 2'000'000'000;  // bounds connecting and every add

  // Told on the conductor (its thread, or the caller of do_work); must neither block nor throw. May
  // be empty. Destroying the client in here is allowed and takes effect after the cycle.
  std::function<void(const Notice&)> on_notice{};
};

// One pool of payload slots, all of `stride_bytes` (a multiple of 64).
struct PoolOptions {
  std::uint16_t pool_id = 0;
  std::uint32_t stride_bytes = 0;
};

// What a driver is asked for with an attach (docs/protocol/04-driver.md A4.1). No use in direct mode.
enum class PublishMode : std::uint8_t {
  by_role = 0,  // producers create, consumers do not (CON-46)
  require_existing = 1,
  existing_or_create = 2,
};
enum class Hugepages : std::uint8_t { unspecified = 0, standard = 1, required = 2 };
struct AttachOptions {
  PublishMode publish_mode = PublishMode::by_role;
  Hugepages hugepages = Hugepages::unspecified;    // unspecified: as the driver is configured
  std::uint32_t expected_layout_version = 1;       // 0: any
  std::optional<std::uint32_t> desired_node_id{};  // refused by the driver when it is taken
};

struct ProducerOptions {
  std::uint32_t stream = 0;       // pool stream id, required
  std::uint32_t producer_id = 0;  // 0: a random one; the client id of the lease in driver mode

  AttachOptions attach{};

  // Direct mode: what to create. In driver mode the driver decides, and anything but the defaults is refused
  // (CON-50). `pools` is required, 1 to 16 of them. Memory: slots times the sum
  // of 256 bytes and all strides, reserved when the producer is made.
  std::string base_dir = "/dev/shm";
  std::string namespace_name = "default";
  std::uint32_t file_mode = 0660;
  std::uint32_t slots = 1024;  // power of two; the same for the header ring and every pool
  std::vector<PoolOptions> pools{};
  bool prefault = true;  // touch every page before the first claim
  bool lock_memory = false;
  bool remove_on_close = true;  // unlink the regions of this epoch at a clean close (SHM-263)

  std::uint32_t max_claims = 8;        // 1 … 64, at most half the ring
  bool descriptor_timestamps = false;  // fill FrameDescriptor.timestampNs with the publish time
  std::int64_t qos_interval_ns = 1'000'000'000;

  // Wake consumers that sleep until a frame is published (WaitOptions). Off unless asked for, because it is the
  // producer that pays: a commit takes some 10 µs longer when somebody sleeps, a few ns when all consumers that
  // may sleep are awake, and next to nothing when none ever slept. Without it they poll with growing pauses.
  bool wake_waiters = false;
};

// How the waiting forms of a consumer wait (next, latest and wait with a timeout or deadline): first they look
// again and again, then they let other threads run between looks, then they sleep in the kernel. A producer
// with `wake_waiters` ends that sleep when it publishes; with any other the consumer looks again after pauses
// of 50 µs that grow to 1 ms.
struct WaitOptions {
  std::int64_t spin_ns = 20'000;  // 0 … 1 s; what a sleep and its end cost is well spent on looking
  std::uint32_t yields = 10;      // at most 1,000,000
  bool sleep = true;              // without: yields, or spins where there are none, until the end
};

// What a consumer says in its hello that it wants. Producers of this version do not act on it: a
// rate limit works in the consumer itself, by `max_rate_hz` alone.
enum class DeliveryMode : std::uint8_t { stream = 1, rate_limited = 2 };

struct ConsumerOptions {
  std::uint32_t stream = 0;       // pool stream id, required
  std::uint32_t consumer_id = 0;  // 0: a random one; the client id of the lease in driver mode
  AttachOptions attach{};
  DeliveryMode mode = DeliveryMode::stream;
  std::uint32_t max_rate_hz = 0;  // 0: unlimited; frames above the rate are skipped locally
  std::uint32_t expected_layout_version = 0;    // 0: any
  std::uint32_t max_outstanding_seq_gap = 256;  // 0: off; a larger gap resynchronises
  std::string payload_fallback_uri{};  // named in diagnostics when regions are refused; empty: none
  std::int64_t hello_interval_ns = 1'000'000'000;
  std::int64_t qos_interval_ns = 1'000'000'000;
  WaitOptions wait{};
};

}  // namespace tensorpool
