// A contender of the kit: tensorpool, a bound, or a rival, each behind the same three interfaces, so
// that every one of them pays for the same virtual calls (two or three per frame and side, some
// nanoseconds) and runs word for word the same workload.
//
// A Subject is made in the parent process, which has no other threads and forks; sender() and
// receiver() are called in worker processes, usually in two different ones. Everything that a subject
// puts on disk lies below Link::directory and is removed with it by the kit, however a worker ends.
// What goes wrong for good is thrown as a Failure (stage.hpp).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stage.hpp"
#include "tensorpool/function_ref.hpp"

namespace tensorpool::bench {

// What travels with every frame, whatever the workload does with the payload: in fields of its own
// where the subject has such (tensorpool: trace id and capture time; a header of the user), and in front
// of the payload otherwise, in room that the subject adds. So "untouched" is untouched for everybody,
// and a payload belongs to the workload from its first byte to its last.
struct Stamp {
  std::uint64_t seq = 0;     // numbered by the workload; never 0
  std::int64_t time_ns = 0;  // CLOCK_MONOTONIC; never 0
};

// One way from a sender to receivers.
struct Link {
  std::string directory;    // exists, in /dev/shm, of this run alone; for files and sockets
  std::string aeron_dir;    // of the kit's media driver
  std::uint32_t id = 0;     // 1 …; unique among the links that live at the same time
  std::uint32_t group = 0;  // links of one group may share a connection (tensorpool: a client)
  std::uint64_t frame_bytes = 0;  // the largest payload
  std::uint32_t slots = 0;        // frames that are kept or queued, a power of two
  std::uint32_t receivers = 1;
  // Payload sizes of several pools, ascending, the last one frame_bytes; empty: one pool. Who has no
  // pools takes frame_bytes for all.
  std::vector<std::uint32_t> pools{};
  // Work beside the frame path (conductors, background threads) runs in a thread of its own instead of
  // idle(), where there is a choice.
  bool threaded = false;
  // Receivers sleep in wait(): whatever the sender needs to wake them is on.
  bool waits = false;
  bool lock_memory = false;  // mlock what frames lie in

  std::string name() const { return "link-" + std::to_string(id); }
};

// A frame inside a handler. The bytes are valid during the call.
class Received {
 public:
  using Proof = bool (*)(const void* frame);
  Received(const Stamp& stamp, std::span<const std::byte> bytes, const void* frame = nullptr,
           Proof proof = nullptr) noexcept
      : stamp_(stamp), bytes_(bytes), frame_(frame), proof_(proof) {}

  const Stamp& stamp() const noexcept { return stamp_; }
  // The payload, where the subject gives it: in place where it can. Empty over a subject that moves stamps
  // only (Capabilities::payload).
  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  // False when the sender overwrote the frame meanwhile: what was read is worth nothing. Not to be
  // asked again, nor the bytes to be touched, after it. Subjects that never overwrite say true.
  bool intact() const noexcept { return proof_ == nullptr || proof_(frame_); }

 private:
  Stamp stamp_;
  std::span<const std::byte> bytes_;
  const void* frame_;
  Proof proof_;
};

// What a receiver knows of frames that it did not deliver, as far as the subject tells. The workload
// counts gaps in Stamp::seq besides, so nothing stays hidden where a subject tells nothing.
struct Missed {
  std::uint64_t overwritten = 0;  // seen, but the sender was faster
  std::uint64_t lost = 0;         // never announced, or dropped by a full queue
  std::uint64_t skipped = 0;      // passed over on purpose, to be up to date again
};

// Lives in the sending process and belongs to one thread.
class Sender {
 public:
  Sender() = default;
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  virtual ~Sender() = default;

  // Room for a payload of `bytes`, in place where the subject can, at least 16-byte aligned; null: none
  // right now (all queues are full), try again. Holds what it held before, or anything. Stays valid until
  // publish(), which must follow before the next claim.
  virtual std::byte* claim(std::size_t bytes) = 0;
  // Makes what was claimed visible. False: it left for nobody, or a full queue refused it (Loss says
  // whether it may be tried again: the workload sends the next frame, it never repeats one).
  virtual bool publish(const Stamp& stamp) = 0;
  // Claim, copy, publish, by the subject's own call where it has one for that. False as publish();
  // also when there was no room.
  virtual bool copy_in(std::span<const std::byte> payload, const Stamp& stamp) {
    std::byte* const room = claim(payload.size());
    if (room == nullptr) return false;
    std::memcpy(room, payload.data(), payload.size());
    return publish(stamp);
  }
  // Background work in this thread (conductors, accepting receivers), called every few milliseconds
  // and never between the two ends of a timed message of a closed loop.
  virtual void idle() {}
  // What the subject said of others who stood in its way, such as a media driver that lets a reader hold it up.
  virtual std::string remark() const { return {}; }
};

// Lives in the receiving process and belongs to one thread.
class Receiver {
 public:
  using Handler = FunctionRef<void(const Received&)>;
  Receiver() = default;
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  virtual ~Receiver() = default;

  // Hands over frames that are there, oldest first and at most some 10, without waiting. The number of
  // frames delivered: those whose handler ran and that were whole.
  virtual int poll(Handler handler) = 0;
  // Sleeps in the kernel until there is a frame, at most `timeout`, and hands it over. REQUIRES
  // Capabilities::wait.
  virtual int wait(Handler handler, std::chrono::nanoseconds timeout) {
    (void)timeout;
    return poll(handler);
  }
  // Since this receiver was made.
  virtual Missed missed() const = 0;
  virtual void idle() {}
};

// What becomes of frames when receivers are slower than the sender for long.
enum class Loss : std::uint8_t {
  overwrites_oldest,  // the sender goes on; the receiver notices
  drops_newest,       // publish() says false, or the queue drops it silently
  holds_sender,       // claim() gives nothing, until the slowest receiver has read
};

struct Capabilities {
  bool payload = true;  // false: only stamps travel (bounds of latency)
  bool wait = false;
  bool wake_only = false;  // a bound of waking somebody up, in no other workload
  bool proves =
      true;  // false: a frame that was overwritten meanwhile is handed over without a sign
  Loss loss = Loss::overwrites_oldest;
  std::uint32_t most_receivers = 1;
  std::uint32_t most_links = 1;           // that may live at the same time in one process
  std::uint64_t most_bytes = UINT64_MAX;  // of one payload
};

// What it is there for: plots and tables put ours first, then bounds, then rivals.
enum class Kind : std::uint8_t { ours, bound, rival };

class Subject {
 public:
  Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  virtual ~Subject() = default;

  virtual std::string name() const = 0;  // as --subject takes it: "iceoryx2"
  virtual Kind kind() const = 0;
  virtual std::string version() const { return {}; }  // "0.9.3"; empty: ours
  // How it is set up and by which recommendation, one or two sentences for the report.
  virtual std::string setup() const = 0;
  virtual Capabilities capabilities() const = 0;
  // Empty, or why it cannot run here ("the daemon does not answer: start …").
  virtual std::string available() const { return {}; }
  // Bytes that a link takes in /dev/shm, generously; looked at before anything is started.
  virtual std::uint64_t shared_bytes(const Link& link) const {
    return link.slots * (link.frame_bytes + 512);
  }

  // Both ends of a link are made at about the same time, each in its process and in either order; a
  // receiver may come anew later, while the sender goes on. sender() does not wait for receivers;
  // receiver() may wait for the sender up to `patience`. Neither promises that the other end is there:
  // workloads send until they are heard.
  virtual std::unique_ptr<Sender> sender(const Link& link) const = 0;
  virtual std::unique_ptr<Receiver> receiver(const Link& link) const = 0;
};

// For all waiting for the other side; generous, machines may be busy.
constexpr std::chrono::seconds patience{60};

}  // namespace tensorpool::bench
