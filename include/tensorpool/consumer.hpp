// Consumers: read frames in place and prove afterwards that nobody overwrote them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "tensorpool/error.hpp"
#include "tensorpool/frame.hpp"
#include "tensorpool/function_ref.hpp"
#include "tensorpool/producer.hpp"

namespace tensorpool {

namespace detail {
class ConsumerHandle;
}

// What one poll did. Every sequence number that was seen ends in exactly one of the five counts.
struct Polled {
  std::uint64_t delivered = 0;    // proved: nobody overwrote it up to the proof
  std::uint64_t overwritten = 0;  // refused by the checks of the slot, or by the proof
  std::uint64_t lost = 0;         // never announced to us: gaps in seq
  std::uint64_t skipped = 0;      // not wanted: rate limit, latest(), resynchronisation
  std::uint64_t ended = 0;        // the mapping ended while the handler looked
  PortState state = PortState::connecting;

  // Did anything happen? For idle strategies.
  int work() const noexcept { return delivered + overwritten + lost + skipped + ended > 0 ? 1 : 0; }
};

// Cumulative since the consumer was made; a new mapping goes on counting.
struct ConsumerStatistics {
  std::uint64_t delivered = 0;
  std::uint64_t overwritten = 0;  // dropsLate of QosConsumer
  std::uint64_t lost = 0;         // dropsGap of QosConsumer
  std::uint64_t skipped = 0;
  std::uint64_t ended = 0;
  std::uint64_t seen = 0;         // last − first + 1, summed over mappings
  std::uint64_t foreign = 0;      // descriptors of other streams
  std::uint64_t wrong_epoch = 0;  // descriptors of other epochs
  std::uint64_t duplicates = 0;
  std::uint64_t malformed = 0;  // messages that are no descriptor
  std::uint64_t resyncs = 0;    // gaps above max_outstanding_seq_gap
  std::uint64_t bytes = 0;      // payload bytes delivered
  std::uint64_t sessions = 0;   // mappings used so far
  std::uint64_t last_seq = 0;
  std::uint64_t epoch = 0;
  // The books of concurrency.md.
  bool balanced() const noexcept {
    return delivered + overwritten + lost + skipped + ended == seen;
  }
};

// Something that a recorder wants to know in order with the frames. Told on the consumer's thread,
// inside poll, poll_copy, next, latest, state or the end of a FrameView; there (it is noexcept) the
// handler must not throw.
enum class EventKind : std::uint8_t {
  gap = 0,      // seqs first … last were never announced to us
  skipped = 1,  // seqs first … last were seen and not wanted
  overwritten = 2,
  mapped = 3,  // a new mapping: `epoch`; sequence numbers start anew
  state = 4,   // PortState changed
};
struct Event {
  EventKind kind = EventKind::state;
  PortState state = PortState::connecting;
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

// How a pulled frame ended.
enum class Outcome : std::uint8_t { delivered = 0, overwritten = 1, ended = 2 };

// One frame pulled by next() or latest(); the payload contract of frame.hpp holds. One at a time:
// while it is unfinished, next() and latest() say `claims_exhausted`. Dropping it unfinished counts
// as overwritten. May outlive the consumer and the client; it then counts as ended. Once it is
// finished, info() still answers and the bytes are out of reach.
class TENSORPOOL_EXPORT [[nodiscard]] FrameView {
 public:
  FrameView(FrameView&& other) noexcept
      : port_(std::exchange(other.port_, nullptr)),
        info_(other.info_),
        payload_(std::exchange(other.payload_, nullptr)) {}
  FrameView& operator=(FrameView&&) = delete;
  FrameView(const FrameView&) = delete;
  FrameView& operator=(const FrameView&) = delete;
  ~FrameView();

  // Valid until finish().
  const FrameInfo& info() const noexcept { return info_; }
  std::uint64_t seq() const noexcept { return info_.seq; }
  // Empty once finished.
  std::span<const std::byte> bytes() const noexcept {
    if (payload_ == nullptr) return {};
    return {payload_, info_.size_bytes};
  }
  // As Frame::view. Errors: dtype_mismatch, rank_mismatch, extent_mismatch, consumed.
  template <class T, std::size_t Rank>
  Result<TensorView<T, Rank>> view() const noexcept {
    if (payload_ == nullptr) return fail(Error::hot(Code::consumed, "FrameView::view"));
    return detail::make_view<T, Rank>(info_, payload_);
  }
  // True when nobody has overwritten the frame up to now (SHM-237). The last answer decides what
  // finish() says; do not touch the bytes after it.
  [[nodiscard]] bool intact() const noexcept;
  // The proof, or what the last intact() said, and the end of the view: only `delivered` means that
  // what was read is true. Do not touch the bytes afterwards.
  [[nodiscard]] Outcome finish() noexcept;

 private:
  friend class detail::ConsumerHandle;
  FrameView(void* port, const FrameInfo& info, const std::byte* payload) noexcept
      : port_(port), info_(info), payload_(payload) {}
  void* port_;
  FrameInfo info_;
  const std::byte* payload_;
};

// Reads one stream. A resource of one thread at a time. No call waits for a producer to finish a
// frame (STR-234).
class TENSORPOOL_EXPORT Consumer {
 public:
  using Handler = FunctionRef<void(const Frame&)>;
  using CopyHandler = FunctionRef<void(const CopiedFrame&)>;
  // Gives a buffer of at least the asked size, or a smaller one to skip the frame. What it is shown is
  // validated but not proved yet: good for choosing a buffer (the size is within the pool's stride).
  using BufferSupplier = FunctionRef<std::span<std::byte>(const FrameInfo&)>;

  Consumer(Consumer&& other) noexcept : port_(std::exchange(other.port_, nullptr)) {}
  Consumer& operator=(Consumer&& other) noexcept;
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;
  ~Consumer() { close(); }

  // Hands over up to fragment_limit frames, each in place inside `handler`, each proved after it.
  // A handler may close anything and may throw; the frame it threw on counts as ended.
  Polled poll(Handler handler);

  // Copies header and payload, proves, and only then calls the handler: nothing unproven is seen.
  // A frame larger than the buffer is skipped.
  Polled poll_copy(std::span<std::byte> buffer, CopyHandler handler);
  Polled poll_copy(BufferSupplier supplier, CopyHandler handler);

  // The next frame, waiting up to `timeout` (0: do not wait) or until `deadline`, as WaitOptions say; where the
  // client is invoked, its duty cycles run here meanwhile. interrupt(), and closing the client from another thread,
  // end the wait.
  // Errors: no_frame, claims_exhausted, not_attached, reattaching, interrupted, closed, in_callback.
  Result<FrameView> next(std::chrono::nanoseconds timeout = std::chrono::nanoseconds{0});
  Result<FrameView> next(std::chrono::steady_clock::time_point deadline);
  // The newest frame there is: the others count as skipped. The form for a control loop.
  Result<FrameView> latest(std::chrono::nanoseconds timeout = std::chrono::nanoseconds{0});
  Result<FrameView> latest(std::chrono::steady_clock::time_point deadline);
  // For loops around poll() and poll_copy(): waits in the same way until a poll would find descriptors of this
  // stream, or another state than the last poll found. True then; false when the time is over. A poll may
  // still deliver nothing: frames get lost, or are not wanted. Errors: interrupted, closed, in_callback.
  Result<bool> wait(std::chrono::nanoseconds timeout);
  Result<bool> wait(std::chrono::steady_clock::time_point deadline);
  // Ends the next(), latest() or wait() that is under way with `interrupted`, or the next one when none is, whatever
  // there is to read: that call takes no frame, and the one after it goes on as if nothing had been. Several before
  // that call count as one; poll() and poll_copy(), which never wait, go by without it. With a consumer that is
  // armed, event_fd() becomes readable and the next arm() says `interrupted`. What the caller wrote before is seen
  // by the consumer's thread behind the call that says so. Any thread, and inside signal handlers (it stores, and
  // makes one system call if the consumer sleeps); not beside moving, closing or destroying the Consumer.
  void interrupt() noexcept;

  // For loops around poll(2) or epoll that wait for other things too: a descriptor that becomes readable when it
  // is worth calling poll() again, because a frame was published, the state changed or a pause is over. It is the
  // consumer's, which closes it with itself: only wait on it, never read, write or close it. Made, with one
  // thread for all consumers of the client, by the first call. Any thread may wait on it; this call and arm() are
  // the consumer's thread's. The loop, from the beginning: poll() until it finds nothing, arm(); if that says
  // true, begin again; else wait for readability, then begin again. It stays readable until an arm() that says false.
  // Readability promises nothing: with a producer that wakes nobody (ProducerOptions::wake_waiters) it comes
  // after pauses of 1 to 10 ms, with any other now and then. Where the client is invoked, call do_work() before
  // poll(), and give epoll a timeout of some ms: nothing else moves the client on.
  // Errors: closed, forked, and system_error when no descriptor or thread is left.
  Result<int> event_fd();
  // Asks for that: true when there is something to poll for already, false when the descriptor will become
  // readable. Every poll, next, latest and wait takes it back, and so do state() and the end of a
  // FrameView, which make it readable: be sure to arm last. Errors: those of event_fd(), interrupted, in_callback.
  Result<bool> arm();

  // Replaces the event handler, between polls: called inside a handler, it takes effect after the
  // call that runs there (CON-37). It must not throw. Empty: none.
  void on_event(std::function<void(const Event&)> handler);

  // The consumer's thread: adopts what the conductor has sent first.
  PortState state() noexcept;
  // 0 after close(). In driver mode the id is the client id of the lease; one that was chosen at random may be
  // another after an attach that found it taken.
  std::uint32_t stream() const noexcept;
  std::uint32_t consumer_id() const noexcept;
  // Driver mode: the node id that came with the lease; nothing without a lease, or when the driver had none.
  std::optional<std::uint32_t> node_id() const noexcept;
  // Any thread.
  ConsumerStatistics statistics() const noexcept;
  // Idempotent; also inside a handler. An open view stays valid memory until it is gone.
  void close() noexcept;

 private:
  friend class detail::ConsumerHandle;
  explicit Consumer(void* port) noexcept : port_(port) {}
  void* port_;
};

}  // namespace tensorpool
