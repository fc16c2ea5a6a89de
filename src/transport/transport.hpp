// What the rest of the library knows of a message transport. Two implementations: transport/aeron
// (the Aeron C client) and sim/ (in memory, virtual time, faults from a seed). One conformance
// suite runs on both.
//
// Threads: a Connection and the adds in flight belong to one thread, the conductor. A Publication
// or Subscription is used by one thread at a time, whoever it was lent to; nothing else of it may
// be called meanwhile, image_count() included (concurrency.md, "Only the port calls a lent
// subscription"). Closing happens by destroying, on the conductor, once nobody uses it any more.
//
// Lifetimes: everything that a Connection made is destroyed before it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/function_ref.hpp"
#include "transport/flow.hpp"

namespace tensorpool::transport {

// Outcomes of offer and try_claim. A value above 0 is the new stream position.
using Position = std::int64_t;
inline constexpr Position not_connected = -1;
inline constexpr Position back_pressured = -2;
inline constexpr Position admin_action =
    -3;  // term rotation: retry at once, a bounded number of times
inline constexpr Position publication_closed = -4;
inline constexpr Position max_position_exceeded = -5;
inline constexpr Position publication_error = -6;

// Space for one message inside the transport's own buffer. Fill data[0, size), then exactly one of
// commit and abort, soon: readers stall behind an open claim.
struct Claim {
  std::byte* data = nullptr;
  std::size_t size = 0;
  void* implementation[3] = {};
};

// An exclusive publication: one writer.
class Publication {
 public:
  virtual ~Publication() = default;
  // A claim of `size` bytes, at most max_claim_bytes(). Only a result above 0 opens `claim`.
  virtual Position try_claim(std::size_t size, Claim& claim) noexcept = 0;
  virtual void commit(Claim& claim) noexcept = 0;
  virtual void abort(Claim& claim) noexcept = 0;
  // Copies a message of any size up to max_message_bytes(), fragmenting it when needed (STR-13).
  virtual Position offer(std::span<const std::byte> message) noexcept = 0;
  // A hint only (STR-15).
  virtual bool is_connected() const noexcept = 0;
  virtual std::size_t max_claim_bytes() const noexcept = 0;
  virtual std::size_t max_message_bytes() const noexcept = 0;
  virtual std::int32_t session_id() const noexcept = 0;
  virtual std::int32_t stream_id() const noexcept = 0;
};

// One received message or fragment; valid inside the handler only.
struct Fragment {
  std::span<const std::byte> data;
  std::int32_t session_id = 0;
  bool begin = true;  // first fragment of its message
  bool end = true;    // last fragment of its message
  bool whole() const noexcept { return begin && end; }
};

using FragmentHandler = FunctionRef<void(const Fragment&)>;

class Subscription {
 public:
  virtual ~Subscription() = default;
  // Hands over at most `limit` fragments as they came, unassembled; returns how many. `handler` must
  // not throw: it runs inside the transport, where an exception may end the process.
  virtual int poll(FragmentHandler handler, int limit) = 0;
  // Like poll, but hands over whole messages only, fragments put together (STR-12); `limit` and the
  // result still count fragments. An exception of `handler` arrives at the caller, once; messages
  // behind the one that it threw on may be lost. Poll one subscription always in the same way.
  virtual int poll_assembled(FragmentHandler handler, int limit) = 0;
  virtual int image_count() const noexcept = 0;
  virtual std::int32_t stream_id() const noexcept = 0;
};

// Where the value of a counter lies in the memory that all clients of a media driver share, and behind it, in
// the same cache line, the registration id that tells whether it is the same counter still: the media driver
// gives the place to another once its owner is gone, and changes the id before anything else of it. The memory
// is valid for as long as the connection that the place was found through.
struct CounterPlace {
  std::int64_t* value = nullptr;
  std::int64_t registration_id = 0;

  explicit operator bool() const noexcept { return value != nullptr; }
  // REQUIRES a place.
  bool live() const noexcept {
    return std::atomic_ref<std::int64_t>(value[1]).load(std::memory_order_acquire) ==
           registration_id;
  }
  friend bool operator==(const CounterPlace&, const CounterPlace&) = default;
};

// A counter of any client; `key` is valid inside the call only.
struct FoundCounter {
  std::int32_t id = 0;
  std::span<const std::byte> key;
  CounterPlace place;
};

// A live 64-bit value that tools outside the process can read.
class Counter {
 public:
  virtual ~Counter() = default;
  // Single writer; a relaxed or release store, never a read-modify-write.
  virtual void set(std::int64_t value) noexcept = 0;
  virtual std::int64_t get() const noexcept = 0;
  virtual std::int32_t id() const noexcept = 0;
  virtual CounterPlace place() const noexcept = 0;
};

// An image of a publisher came to or left a subscription. A new image brings everything sent after it
// came, and possibly a little of what was sent before (Aeron joins where it last noted that all other
// subscribers had read to). A subscriber that stands still loses its image and gets it back later.
struct ImageEvent {
  std::int32_t session_id = 0;
  base::Nanos monotonic_ns = 0;  // when the transport noticed; the join time of SHM-151
  bool available = true;
};

// Where the transport's threads leave image events for the conductor: a bounded single-producer
// single-consumer queue; when it is full the event is counted and dropped, and a session that the
// conductor does not know has joined "now".
class ImageLog;

// An add under way. poll() is called by the conductor until it gives something.
template <class T>
class Add {
 public:
  virtual ~Add() = default;
  // Nothing yet (null), the resource once, or the error once. An add that is destroyed or times out
  // leaves nothing behind: a resource that completes later is closed by the connection.
  virtual Result<std::unique_ptr<T>> poll() = 0;
  virtual std::int64_t registration_id() const noexcept = 0;  // -1 until assigned (CON-23)
};

// Longest key, and longest label: a longer label is cut, a longer key refused.
inline constexpr std::size_t counter_key_bytes = 112;
inline constexpr std::size_t counter_label_bytes = 380;

// Type id (1000 and above), key and label of a counter (labels name stream and role).
struct CounterSpec {
  std::int32_t type_id = 0;
  std::span<const std::byte> key;
  std::string label;
};

// One client of one media driver.
class Connection {
 public:
  virtual ~Connection() = default;
  // Starts an add; fails at once for a bad channel or stream id. `deadline_ns` (monotonic): when it
  // passes first, poll() says timeout. Only publications that are exclusive are ever made. A
  // subscription is opened untethered unless its channel names `tether` itself.
  virtual Result<std::unique_ptr<Add<Publication>>> add_publication(const std::string& channel,
                                                                    std::int32_t stream_id,
                                                                    base::Nanos deadline_ns) = 0;
  virtual Result<std::unique_ptr<Add<Subscription>>> add_subscription(const std::string& channel,
                                                                      std::int32_t stream_id,
                                                                      base::Nanos deadline_ns,
                                                                      ImageLog* images) = 0;
  virtual Result<std::unique_ptr<Add<Counter>>> add_counter(const CounterSpec& spec,
                                                            base::Nanos deadline_ns) = 0;
  // Shows the counters of one type, whoever owns them, by rising id. Their owners come and go meanwhile: what
  // is shown was whole when it was read. The conductor.
  virtual void find_counters(std::int32_t type_id,
                             FunctionRef<void(const FoundCounter&)> sink) const = 0;
  // Invoked mode: one duty cycle of the transport's own client; 0 when it has a thread of its own.
  virtual int do_work() = 0;
  // True once the media driver died or dropped this client: everything made here is dead or, where the
  // client has a thread of its own, will be in a moment, and only destroying it and connecting anew
  // helps.
  virtual bool is_closed() const noexcept = 0;
  virtual std::int64_t client_id() const noexcept = 0;
  // Who reads that publication, and how far; nothing when it is not known. The conductor; not for every cycle.
  virtual std::optional<Flow> flow(std::int32_t session_id, std::int32_t stream_id) const {
    (void)session_id, (void)stream_id;
    return std::nullopt;
  }
  // What goes wrong behind the back of every call and needs a person: files of other parties that this
  // user may not open, so that nothing of them arrives. Empty: nothing. The conductor.
  virtual std::string complaint() const { return {}; }
};

// What connecting to a media driver needs.
struct ConnectOptions {
  std::string directory;    // empty: AERON_DIR, then the transport's default
  std::string client_name;  // at most limits::client_name_bytes
  bool invoked = false;  // the transport's client runs inside do_work, else in a thread of its own
  base::Nanos driver_timeout_ns = 2'000'000'000;
};

// The state of the media driver in a directory, read without being its client; never blocks.
struct MediaDriverState {
  bool alive = false;
  std::int64_t pid = 0;
  std::int64_t start_ns = 0;  // identity of one life of the media driver
  std::int64_t heartbeat_age_ns = 0;
  std::string why;          // why it is not alive, for messages; empty when it is
  bool unusable = false;    // what lies there will not come alive by waiting: somebody has to act
  bool unfinished = false;  // a media driver is starting there, or died while it did
};

// How connections are made; the client owns one.
class Transport {
 public:
  virtual ~Transport() = default;
  // Cheap (well under a millisecond); alive only when a connect would succeed at once.
  virtual MediaDriverState probe(const ConnectOptions& options) = 0;
  // Whether another life of a media driver has taken the place of the one of `start_ns`; for asking again and again
  // while one is connected to, on the thread of connect(). False while nothing can be seen there.
  virtual bool replaced(const ConnectOptions& options, std::int64_t start_ns) {
    const MediaDriverState state = probe(options);
    return state.start_ns != 0 && state.start_ns != start_ns;
  }
  // The directory that `options` lead to, for messages.
  virtual std::string directory(const ConnectOptions& options) const = 0;
  // Connects when the media driver is alive; never waits. Errors: `connecting` while the connection
  // is being made (call again, with the same options, for the outcome); no_media_driver, which says
  // why; system_error and transport_error.
  virtual Result<std::unique_ptr<Connection>> connect(const ConnectOptions& options) = 0;
};

// `channel` with `name=value` appended unless it names `name` already: "aeron:ipc" becomes
// "aeron:ipc?tether=false". Used for tether, term-length and the untethered timeouts.
std::string with_parameter(const std::string& channel, const std::string& name,
                           const std::string& value);

}  // namespace tensorpool::transport
