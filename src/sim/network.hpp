// A deployment's messaging in memory, under virtual time: media drivers, their clients, what they
// send one another, and faults drawn from one seed. The same seed and the same calls give the same
// run, to the byte.
//
// What it models of Aeron: terms and their rotation, flow control of IPC with its half-term window,
// untethered subscriptions that lose their image and get it back, fragments, images with session
// ids, claims that readers stall behind, clients dropped for silence, and a media driver that may
// die, freeze and be started again. What it adds: delay, loss and duplicates, which plain IPC
// never shows but which no part of tensorpool may depend on the absence of.
//
// Order: fragments of one publication stay in order for each subscription; those of different
// publications overtake one another as their delays fall.
//
// Threads: one. The clock is the test's and outlives everything made here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "transport/transport.hpp"

namespace tensorpool::sim {

using base::Nanos;

// What happens to messages on their way from one client to another.
struct LinkFaults {
  std::uint32_t loss_per_million = 0;       // of fragments
  std::uint32_t duplicate_per_million = 0;  // of whole messages
  std::uint32_t back_pressure_per_million =
      0;  // of claims and offers; the sender's own faults count
  Nanos delay_min_ns = 0;
  Nanos delay_max_ns = 0;
};

struct NetworkOptions {
  std::uint64_t seed = 1;
  LinkFaults faults;
  std::size_t term_bytes = std::size_t{64} << 10U;      // window: half of it
  std::size_t late_join_bytes = std::size_t{4} << 10U;  // of older messages, at most, for a joiner
  std::int64_t max_position = std::int64_t{1} << 46U;
  Nanos timer_interval_ns = 10'000'000;
  Nanos add_delay_ns = 100'000;  // from the request to the media driver's answer
  Nanos untethered_timeout_ns = 100'000'000;
  Nanos resting_timeout_ns = 100'000'000;
  Nanos linger_ns = 50'000'000;  // a closed publication's rest stays readable for this long
  Nanos client_liveness_ns = 10'000'000'000;
};

// What the trace hook is told, in the order in which it happens.
enum class TraceKind : std::uint8_t {
  sent,  // a fragment was committed
  lost,
  duplicated,
  delivered,  // a fragment was handed to a subscriber
  back_pressured,
  image_available,
  image_unavailable,
  client_dropped,  // by its media driver, for silence
  driver_started,
  driver_killed,
};
struct TraceEvent {
  TraceKind kind = TraceKind::sent;
  Nanos at_ns = 0;
  std::int64_t client = 0;  // the subscriber's where there is one
  std::int32_t session_id = 0;
  std::int32_t stream_id = 0;
  std::int64_t position = 0;
  friend bool operator==(const TraceEvent&, const TraceEvent&) = default;
};

// What the message hook is told: a whole message that was sent, or that is about to be handed to a subscriber.
// The bytes are valid during the call only.
struct MessageEvent {
  bool sent = false;        // else: handed over
  std::int64_t client = 0;  // who sends, or who hears
  std::int32_t session_id = 0;
  std::int32_t stream_id = 0;
  std::span<const std::byte> bytes;
};

// A counter as tools would see it.
struct CounterView {
  std::int32_t id = 0;
  std::int32_t type_id = 0;
  std::int64_t value = 0;
  std::string label;
  std::vector<std::byte> key;
  std::int64_t owner_id = 0;
};

struct Model;

class Network {
 public:
  explicit Network(base::ManualClock& clock, const NetworkOptions& options = {});
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  ~Network();

  // Lets time pass: the clock moves on, timers fire at their times. Nothing else moves the clock.
  void advance(Nanos by);
  Nanos now() const noexcept;

  // The media driver of a directory. Starting one where one lives is refused (false). A killed one
  // stops at once; its clients' images go on delivering, as shared memory does, until the
  // publishers run into their last limits. A frozen one does nothing until it is thawed.
  bool start_media_driver(const std::string& directory);
  void kill_media_driver(const std::string& directory);
  void freeze_media_driver(const std::string& directory, bool frozen);
  std::vector<CounterView> counters(const std::string& directory) const;

  // kill -9: the client never says anything again; its media driver drops it after the liveness
  // timeout. Destroying its objects afterwards does nothing: they count as abandoned.
  void crash(std::int64_t client_id);
  // SIGSTOP and SIGCONT: while stopped, a client sends no keepalives.
  void stop(std::int64_t client_id, bool stopped);

  // Faults of all links without their own, and of one direction between two clients.
  void set_faults(const LinkFaults& faults);
  void set_faults(std::int64_t from_client, std::int64_t to_client, const LinkFaults& faults);
  // Every subscriber loses its image of this publication and gets it back after `duration_ns`.
  void disconnect(std::int32_t session_id, Nanos duration_ns);

  void on_trace(std::function<void(const TraceEvent&)> hook);
  // Must not call back. Of fragmented messages the subscriber's side is told only when they are assembled.
  void on_message(std::function<void(const MessageEvent&)> hook);
  // Visits the fragments that wait for this client in its subscriptions of a stream and could be polled now.
  void each_waiting(std::int64_t client_id, std::int32_t stream_id,
                    const std::function<void(std::span<const std::byte>)>& visit) const;

  // A way to connect, for the code under test. Each sees the whole network.
  std::unique_ptr<transport::Transport> make_transport();

 private:
  std::shared_ptr<Model> model_;
};

}  // namespace tensorpool::sim
