// Producers: claim a slot, fill it in place, commit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "tensorpool/error.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool {

namespace detail {
class ProducerHandle;
}

// What became of a producer's or consumer's mapping; a lost one is a state, not a dead object.
enum class PortState : std::uint8_t {
  connecting = 0,  // waiting for a media driver, regions or an announce
  active = 1,
  reattaching = 2,  // was active; being rebuilt
  shutdown =
      3,       // driver mode: the driver announced its end; it is attached to again when it is back
  closed = 4,  // also after a lost lease, with ClientOptions::reattach off
};
TENSORPOOL_EXPORT std::string_view name(PortState state) noexcept;

// What a commit says about a frame beside its bytes.
struct CommitOptions {
  std::uint64_t timestamp_ns = 0;  // capture time, CLOCK_MONOTONIC; 0: the time of the claim
  std::uint32_t meta_version = 0;  // 0: none
  std::uint64_t trace_id = 0;      // 0: none
};

// Who was told of a committed frame. The sequence number is spent in every case (STR-91).
enum class Told : std::uint8_t {
  consumers = 0,       // at least one descriptor stream took the descriptor
  held = 1,            // told when the earlier claims are committed or aborted (STR-90)
  nobody = 2,          // no subscriber
  back_pressured = 3,  // a subscriber stood still; the frame is lost to consumers
  link_down = 4,       // the publication is closed or failed
};

struct Committed {
  std::uint64_t seq = 0;
  Told told = Told::consumers;
};

// Cumulative since the producer was made; a new mapping goes on counting.
// claimed = published + not_announced + aborted + refused + open.
struct ProducerStatistics {
  std::uint64_t claimed = 0;
  std::uint64_t published = 0;      // at least one descriptor stream took it
  std::uint64_t not_announced = 0;  // committed, but nobody was told
  std::uint64_t aborted = 0;
  std::uint64_t refused = 0;         // its mapping ended before the commit
  std::uint64_t open = 0;            // claimed, neither committed nor aborted; committed but held
  std::uint64_t too_large = 0;       // claims refused: no pool fits (no sequence number spent)
  std::uint64_t exhausted = 0;       // claims refused: too many open ones
  std::uint64_t back_pressured = 0;  // descriptors that a link did not take
  std::uint64_t bytes = 0;           // payload bytes of published frames
  std::uint64_t sessions = 0;        // mappings used so far
  std::uint64_t next_seq = 0;
  std::uint64_t epoch = 0;
  // The books of concurrency.md. Exact on the producer's thread; elsewhere a call may be under way.
  bool balanced() const noexcept {
    return published + not_announced + aborted + refused + open == claimed;
  }
};

// A claimed slot: memory to fill, then exactly one of commit and abort. Belongs to the producer's
// thread. Destroying an uncommitted slot aborts it. After its mapping ended the memory stays valid
// until the slot is gone, and commit() says lease_ended.
class TENSORPOOL_EXPORT [[nodiscard]] Slot {
 public:
  Slot(Slot&& other) noexcept
      : port_(std::exchange(other.port_, nullptr)),
        wiring_(other.wiring_),
        seq_(other.seq_),
        data_(other.data_),
        size_(other.size_),
        dtype_(other.dtype_),
        pool_id_(other.pool_id_) {}
  Slot& operator=(Slot&& other) noexcept;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    if (port_ != nullptr) (void)abort();
  }

  // The payload, writable, uninitialised (it holds an old frame). 64-byte aligned. Not to be
  // touched after commit() or abort(): consumers read it then, or another claim owns it. Empty once
  // the slot is used up.
  std::span<std::byte> bytes() noexcept {
    if (port_ == nullptr) return {};
    return {data_, size_};
  }
  // The payload as elements, in the order that it has in memory: row- or column-major, padding of
  // explicit strides included. As long-lived as bytes(). Errors: dtype_mismatch, consumed.
  template <class T>
  Result<std::span<T>> as() noexcept {
    if (port_ == nullptr) return fail(Error::hot(Code::consumed, "Slot::as"));
    if (dtype_of<T>::value != dtype_) {
      return fail(Error::hot(Code::dtype_mismatch, "Slot::as", static_cast<std::uint64_t>(dtype_),
                             static_cast<std::uint64_t>(dtype_of<T>::value)));
    }
    return std::span<T>(static_cast<T*>(static_cast<void*>(data_)), size_ / sizeof(T));
  }
  std::uint64_t seq() const noexcept { return seq_; }
  std::uint16_t pool_id() const noexcept { return pool_id_; }
  DType dtype() const noexcept { return dtype_; }
  // What was claimed. The port keeps it while the claim is open: of a slot that is used up, or whose mapping
  // ended, it is empty (DType::unknown).
  TensorSpec spec() const noexcept;

  // Writes the header, commits the slot and tells the consumers. Errors: consumed, lease_ended,
  // reattaching, closed. (A header that readers would refuse is refused by claim, SHM-208.)
  Result<Committed> commit(const CommitOptions& options = {}) noexcept;
  // Gives the slot up; consumers see a gap (SHM-179).
  Result<void> abort() noexcept;

  // For the library: made in place by Producer::claim.
  class Key {
    friend class detail::ProducerHandle;
    friend class Producer;
    explicit Key() = default;
  };
  Slot(Key, void* port, void* wiring, std::uint64_t seq, std::byte* data, std::size_t size,
       DType dtype, std::uint16_t pool_id) noexcept
      : port_(port),
        wiring_(wiring),
        seq_(seq),
        data_(data),
        size_(size),
        dtype_(dtype),
        pool_id_(pool_id) {}

 private:
  friend class detail::ProducerHandle;

  void* port_ = nullptr;  // null: used up
  void* wiring_ = nullptr;
  std::uint64_t seq_ = 0;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  DType dtype_ = DType::unknown;
  std::uint16_t pool_id_ = 0;
};

// Writes one stream. A resource of one thread at a time; closing it (or its client) makes every
// call say `closed`. No call blocks, whatever consumers do (STR-233).
class TENSORPOOL_EXPORT Producer {
 public:
  Producer(Producer&& other) noexcept : port_(std::exchange(other.port_, nullptr)) {}
  Producer& operator=(Producer&& other) noexcept;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;
  ~Producer() { close(); }

  // The smallest pool that fits, claimed for one frame. Errors: connecting, reattaching, closed,
  // invalid_spec (a spec that readers would refuse), too_large, claims_exhausted.
  Result<Slot> claim(const TensorSpec& spec) noexcept;
  Result<Slot> claim(DType dtype, Dims shape) noexcept {
    TensorSpec spec;
    spec.dtype = dtype;
    spec.shape = shape;
    return claim(spec);
  }

  // claim, copy, commit. `payload` must hold exactly the bytes that `spec` reaches. Errors: those
  // of claim and commit; extent_mismatch for a payload of another size, which spends the number.
  Result<Committed> offer(const TensorSpec& spec, std::span<const std::byte> payload,
                          const CommitOptions& options = {}) noexcept;

  // The producer's thread: adopts what the conductor has sent first.
  PortState state() noexcept;
  // 0 after close(). In driver mode the id is the client id of the lease; one that was chosen at random may be
  // another after an attach that found it taken.
  std::uint32_t stream() const noexcept;
  std::uint32_t producer_id() const noexcept;
  // Driver mode: the node id that came with the lease; nothing without a lease, or when the driver had none.
  std::optional<std::uint32_t> node_id() const noexcept;
  // Any thread.
  ProducerStatistics statistics() const noexcept;
  // Idempotent. Open slots stay valid memory until they are gone.
  void close() noexcept;

 private:
  friend class detail::ProducerHandle;
  explicit Producer(void* port) noexcept : port_(port) {}
  void* port_;
};

}  // namespace tensorpool
