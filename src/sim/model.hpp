// The state behind sim::Network. Plain structs; model.cpp holds the rules.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "sim/network.hpp"
#include "transport/image_log.hpp"

namespace tensorpool::sim {

inline constexpr std::size_t header_bytes = 32;
inline constexpr std::size_t max_payload_bytes = 1376;

// One life of a media driver. Clients of a dead one keep it; a new one is another object.
struct Life {
  std::int64_t start_ns = 0;
  std::int64_t pid = 0;
  bool killed = false;
  bool frozen = false;
  Nanos silent_since_ns = 0;  // while killed or frozen
  bool running() const noexcept { return !killed && !frozen; }
  Nanos heartbeat_ns(Nanos now) const noexcept { return running() ? now : silent_since_ns; }
};

struct Client {
  std::int64_t id = 0;
  std::shared_ptr<Life> life;
  bool invoked = false;
  bool crashed = false;
  bool stopped = false;
  bool dropped = false;  // by the media driver
  bool closed = false;   // knows that it was terminated
  Nanos driver_timeout_ns = 0;
  Nanos keepalive_ns = 0;
  Nanos last_work_ns = 0;
};

// A fragment in a publication's log. Readers stall behind an open one.
struct Frame {
  enum class State { open, committed, aborted };
  State state = State::open;
  std::vector<std::byte> data;
  bool begin = true;
  bool end = true;
  std::int64_t start = 0;  // positions
  std::int64_t stop = 0;
};

// A fragment on its way to, or waiting for, one subscriber.
struct Delivery {
  std::shared_ptr<const Frame> frame;
  Nanos due_ns = 0;
};

// What one subscription sees of one publication.
struct Image {
  std::int32_t session_id = 0;
  std::deque<Delivery> queue;
  std::int64_t consumed = 0;  // subscriber's position
  std::int64_t tail = 0;      // publisher's position as distributed to this image
  Nanos last_due_ns = 0;
  std::vector<std::shared_ptr<const Frame>> message;  // the one being distributed, for duplicates
  // Reassembly.
  std::vector<std::byte> partial;
  std::int64_t partial_stop = -1;  // end of the last fragment; -1: no message under way
};

struct SubscriptionState {
  std::int64_t id = 0;
  std::int64_t client = 0;
  std::shared_ptr<Life> life;
  std::string media;
  std::int32_t stream_id = 0;
  bool tethered = false;
  transport::ImageLog* log = nullptr;
  std::vector<std::shared_ptr<Image>> images;
  std::size_t next_image = 0;
};

struct PublicationState {
  std::int64_t id = 0;
  std::int64_t client = 0;
  std::shared_ptr<Life> life;
  std::string media;
  std::int32_t stream_id = 0;
  std::int32_t session_id = 0;
  std::int64_t position = 0;
  std::int64_t limit = 0;
  bool closed = false;
  Nanos closed_at_ns = 0;
  std::deque<std::shared_ptr<Frame>> log;           // not yet distributed
  std::deque<std::shared_ptr<const Frame>> recent;  // distributed last: late joiners may see them
};

// One publication and one subscription of the same stream.
struct Link {
  std::shared_ptr<PublicationState> publication;
  std::shared_ptr<SubscriptionState> subscription;
  std::shared_ptr<Image> image;  // none while resting
  Nanos ahead_ns = 0;            // when it was last inside the window
  Nanos rests_until_ns = 0;
};

// What clients of a media driver share: a place outlives its counter.
struct CounterMemory {
  std::array<std::int64_t, 2>
      words{};  // the value and the registration id, as transport::CounterPlace wants it
};

struct CounterState {
  CounterState() = default;
  CounterState(const CounterState&) = delete;
  CounterState& operator=(const CounterState&) = delete;
  ~CounterState() {
    if (memory != nullptr) memory->words[1] = 0;  // as if it were given to somebody else
  }
  transport::CounterPlace place() const noexcept { return {memory->words.data(), registration_id}; }

  CounterView view;  // but for the value
  std::shared_ptr<Life> life;
  std::shared_ptr<CounterMemory> memory;
  std::int64_t registration_id = 0;
};

struct Model {
  Model(base::ManualClock& c, const NetworkOptions& o) : clock(c), options(o), prng(o.seed) {}

  base::ManualClock& clock;
  NetworkOptions options;
  base::Prng prng;
  std::map<std::string, std::shared_ptr<Life>> lives;
  std::map<std::int64_t, Client> clients;
  std::map<std::int64_t, std::shared_ptr<CounterState>> counters;
  std::vector<std::shared_ptr<CounterMemory>> counter_memory;  // of all that there ever were
  std::vector<Link> links;
  std::map<std::int64_t, std::shared_ptr<PublicationState>> publications;
  std::map<std::int64_t, std::shared_ptr<SubscriptionState>> subscriptions;
  std::map<std::pair<std::int64_t, std::int64_t>, LinkFaults> link_faults;
  std::function<void(const TraceEvent&)> hook;
  std::function<void(const MessageEvent&)> message_hook;
  std::int64_t next_id = 1;
  std::int64_t next_pid = 1000;
  std::int32_t next_counter = 0;

  Nanos now() const noexcept { return clock.monotonic_ns(); }
  const LinkFaults& faults(std::int64_t from, std::int64_t to) const;
  void trace(TraceKind kind, std::int64_t client, std::int32_t session, std::int32_t stream,
             std::int64_t position) const;
  void tell(bool sent, std::int64_t client, std::int32_t session, std::int32_t stream,
            std::span<const std::byte> bytes) const;

  // Resources. Abandoned ones (their client crashed) stay until the media driver drops the client.
  void add(const std::shared_ptr<PublicationState>& publication);
  void add(const std::shared_ptr<SubscriptionState>& subscription);
  void remove(PublicationState& publication);
  void remove(SubscriptionState& subscription);
  void remove_client(std::int64_t client);
  bool abandoned(std::int64_t client) const;
  bool lost(std::int64_t client) const;  // closed or gone: its publications are dead

  // Data.
  void update_limit(PublicationState& publication);
  bool connected(const PublicationState& publication) const;
  // Room for `frames` of together `bytes`; 0 or the outcome that says why not.
  transport::Position reserve(PublicationState& publication, std::size_t bytes);
  std::shared_ptr<Frame> append(PublicationState& publication, std::size_t payload);
  void distribute(PublicationState& publication);
  int poll(SubscriptionState& subscription, transport::FragmentHandler handler, int limit,
           bool assembled);

  void disconnect(std::int32_t session_id, Nanos duration_ns);

  // Timers.
  void tick();
  void check_client(Client& client);

 private:
  void connect(const std::shared_ptr<PublicationState>& publication,
               const std::shared_ptr<SubscriptionState>& subscription);
  void make_image(Link& link);
  void forget_old(PublicationState& publication) const;
  void drop_image(Link& link, Nanos rests_until_ns);
  void deliver(Link& link, const std::shared_ptr<const Frame>& frame);
  bool hand_over(const SubscriptionState& subscription, Image& image, const Frame& frame,
                 transport::FragmentHandler handler, bool assembled) const;
  void check_link(Link& link);
};

inline std::int64_t frame_bytes(std::size_t payload) noexcept {
  return static_cast<std::int64_t>((payload + header_bytes + 31U) & ~std::size_t{31});
}

}  // namespace tensorpool::sim
