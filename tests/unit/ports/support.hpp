// Ports over private memory and scripted links: what a conductor lends is built by hand, time stands
// still until a test moves it, and a hook sees every step of the frame path.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "agents/consumer_port.hpp"
#include "agents/lender.hpp"
#include "agents/producer_port.hpp"
#include "shm/geometry.hpp"

namespace tensorpool::agents::test {

inline constexpr std::uint32_t test_stream = 10000;

// Per thread, so that a writer and a reader on two threads have steps of their own.
struct TestEnv {
  using Publication = transport::Publication;
  using Subscription = transport::Subscription;
  static Publication& publication(transport::Publication& p) noexcept { return p; }
  static Subscription& subscription(transport::Subscription& s) noexcept { return s; }
  static base::Nanos now() noexcept { return time; }
  template <Step S>
  static void step() noexcept {
    if (hook) hook(S);
  }
  static inline thread_local base::Nanos time = 1'000;
  static inline thread_local std::function<void(Step)> hook;
};

// Sets TestEnv::hook for a scope.
class OnStep {
 public:
  explicit OnStep(std::function<void(Step)> hook) { TestEnv::hook = std::move(hook); }
  OnStep(const OnStep&) = delete;
  OnStep& operator=(const OnStep&) = delete;
  ~OnStep() { TestEnv::hook = nullptr; }
};

// Memory like that of mapped regions. Freed with the object, so that sanitizers see every use after
// the last Wiring came back.
class TestRegions final : public Lent {
 public:
  explicit TestRegions(std::uint64_t epoch_number, std::uint32_t nslots = 8,
                       std::vector<shm::PoolSpec> pool_specs = {{1, 256, {}}, {2, 1024, {}}})
      : epoch(epoch_number), session(epoch_number), geometry(nslots, pool_specs) {
    ring_ = allocate(*shm::header_ring_bytes(nslots));
    for (const shm::PoolSpec& spec : pool_specs)
      pools_.push_back(allocate(*shm::pool_bytes(nslots, spec.stride_bytes)));
  }

  void wire(Wiring& wiring) {
    wiring.session = session;
    wiring.epoch = epoch;
    wiring.ring = ring_.get();
    wiring.geometry = geometry;
    for (std::size_t i = 0; i < pools_.size(); ++i) wiring.pools[i] = pools_[i].get();
    wiring.lent[wiring.lent_count++] = this;
  }

  shm::SlotRef slot(std::uint64_t seq) {
    return shm::SlotRef::at(ring_.get(), geometry.header_index(seq));
  }
  std::uint64_t word(std::uint64_t seq) { return shm::load_commit_acquire(slot(seq)); }
  shm::SlotFields fields(std::uint64_t seq) {
    shm::HeaderImage image;
    shm::copy_header(slot(seq), image);
    return shm::parse(image);
  }
  std::byte* payload(std::uint16_t pool_id, std::uint64_t seq) {
    const shm::PoolGeometry* pool = geometry.find(pool_id);
    return pools_[pool->index].get() +
           shm::payload_slot_offset(geometry.header_index(seq), pool->stride_bytes);
  }

  const std::uint64_t epoch;
  std::uint64_t session;
  shm::RingGeometry geometry;

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  using Memory = std::unique_ptr<std::byte, Free>;
  static Memory allocate(std::uint64_t bytes) {
    const std::size_t rounded = (static_cast<std::size_t>(bytes) + 63U) & ~std::size_t{63};
    Memory memory(static_cast<std::byte*>(std::aligned_alloc(64, rounded)));
    std::fill_n(memory.get(), rounded, std::byte{0});
    return memory;
  }
  Memory ring_;
  std::vector<Memory> pools_;
};

// What the frame of this number holds; neighbours differ in every byte.
inline std::byte pattern(std::uint64_t epoch, std::uint64_t seq, std::size_t at) {
  return static_cast<std::byte>((epoch * 101 + seq * 37 + at) & 0xFFU);
}
inline void fill(std::span<std::byte> bytes, std::uint64_t epoch, std::uint64_t seq,
                 std::size_t from = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = pattern(epoch, seq, from + i);
}
inline bool is_frame(std::span<const std::byte> bytes, std::uint64_t epoch, std::uint64_t seq) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern(epoch, seq, i)) return false;
  }
  return true;
}

inline TensorSpec bytes_spec(std::int64_t size) {
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {size};
  return spec;
}

class FakeSubscription final : public transport::Subscription {
 public:
  void push(std::vector<std::byte> data, bool begin = true, bool end = true) {
    queue_.push_back({std::move(data), begin, end});
  }
  void push(const wire::FrameDescriptor& descriptor) {
    std::vector<std::byte> data(wire::descriptor_bytes);
    wire::encode_descriptor(data.data(), descriptor);
    push(std::move(data));
  }
  std::size_t waiting() const noexcept { return queue_.size(); }

  int poll(transport::FragmentHandler handler, int limit) override {
    ++polls;
    if (before_poll) before_poll();
    if (paddings > 0) {
      --paddings;
      return 0;
    }
    int count = 0;
    for (; count < limit && !queue_.empty(); ++count) {
      const Message message = std::move(queue_.front());
      queue_.pop_front();
      handler(transport::Fragment{message.data, 1, message.begin, message.end});
    }
    return count;
  }
  int poll_assembled(transport::FragmentHandler handler, int limit) override {
    return poll(handler, limit);
  }
  int image_count() const noexcept override { return 1; }
  std::int32_t stream_id() const noexcept override { return 1100; }

  int polls = 0;
  int paddings = 0;  // polls that pass the end of a term and give nothing
  std::function<void()> before_poll;

 private:
  struct Message {
    std::vector<std::byte> data;
    bool begin = true;
    bool end = true;
  };
  std::deque<Message> queue_;
};

class FakePublication final : public transport::Publication {
 public:
  explicit FakePublication(FakeSubscription* to = nullptr) : to_(to) {}

  transport::Position try_claim(std::size_t size, transport::Claim& claim) noexcept override {
    ++tries;
    EXPECT_FALSE(open_);
    if (!outcomes.empty()) {
      const transport::Position outcome = outcomes.front();
      outcomes.pop_front();
      if (outcome <= 0) return outcome;
    }
    open_ = true;
    buffer_.assign(size, std::byte{0xEE});
    claim.data = buffer_.data();
    claim.size = size;
    return position_ += 96;
  }
  void commit(transport::Claim& claim) noexcept override {
    EXPECT_TRUE(open_);
    open_ = false;
    wire::FrameDescriptor descriptor;
    EXPECT_TRUE(wire::decode_descriptor(claim.data, claim.size, descriptor));
    sent.push_back(descriptor);
    if (to_ != nullptr) to_->push(descriptor);
  }
  void abort(transport::Claim&) noexcept override { open_ = false; }
  transport::Position offer(std::span<const std::byte>) noexcept override {
    ADD_FAILURE() << "a port never offers";
    return transport::publication_error;
  }
  bool is_connected() const noexcept override { return false; }  // a hint that nobody may use
  std::size_t max_claim_bytes() const noexcept override { return 1376; }
  std::size_t max_message_bytes() const noexcept override { return 65536; }
  std::int32_t session_id() const noexcept override { return 1; }
  std::int32_t stream_id() const noexcept override { return 1100; }

  std::deque<transport::Position> outcomes;  // of the next tries; afterwards everything is taken
  std::vector<wire::FrameDescriptor> sent;
  int tries = 0;

 private:
  FakeSubscription* to_;
  std::vector<std::byte> buffer_;
  transport::Position position_ = 0;
  bool open_ = false;
};

// The conductor's half for one port.
template <class Port, class Options>
class Rig {
 public:
  explicit Rig(const Options& options) : port(options, lender.cell(), nullptr) {}
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() {
    port.close();
    lender.drain();
    EXPECT_EQ(lender.out(), 0U) << "a Wiring never came back";
  }

  Cell& cell() { return *lender.cell(); }
  void post(PortState state, Code reason, TestRegions* regions,
            std::initializer_list<transport::Publication*> links = {},
            transport::Subscription* subscription = nullptr) {
    auto wiring = std::make_unique<Wiring>();
    wiring->state = state;
    wiring->reason = reason;
    if (regions != nullptr) regions->wire(*wiring);
    for (transport::Publication* link : links) wiring->links[wiring->link_count++] = link;
    wiring->subscription = subscription;
    lender.publish(std::move(wiring));
  }

  Lender lender;
  Port port;
};

class ProducerRig : public Rig<ProducerPort<TestEnv>, ProducerPortOptions> {
 public:
  static ProducerPortOptions default_options() {
    ProducerPortOptions options;
    options.stream_id = test_stream;
    options.producer_id = 7;
    return options;
  }
  explicit ProducerRig(const ProducerPortOptions& options = default_options()) : Rig(options) {}

  void attach(TestRegions& regions, std::initializer_list<transport::Publication*> links) {
    post(PortState::active, Code::ok, &regions, links);
  }
  void attach(TestRegions& regions) { attach(regions, {&link}); }

  ClaimedSlot claim(std::int64_t size = 100) {
    auto claimed = port.claim(bytes_spec(size));
    EXPECT_TRUE(claimed) << (claimed ? "" : claimed.error().message());
    if (!claimed) return {};
    fill({claimed->data, claimed->size}, claimed->session, claimed->seq);
    return *claimed;
  }
  Committed commit(const ClaimedSlot& claimed, const CommitOptions& options = {}) {
    auto committed = port.commit(claimed, options);
    EXPECT_TRUE(committed) << (committed ? "" : committed.error().message());
    return committed ? *committed : Committed{};
  }
  Committed send(std::int64_t size = 100) { return commit(claim(size)); }

  // Claims that are open, or held behind an open one: what the port holds, and what the other counts
  // leave over.
  std::uint64_t open() {
    const ProducerCounts& c = cell().producer;
    EXPECT_EQ(c.open.get(), c.claimed.get() - c.published.get() - c.not_announced.get() -
                                c.aborted.get() - c.refused.get());
    return c.open.get();
  }

  FakePublication link;
};

class ConsumerRig : public Rig<ConsumerPort<TestEnv>, ConsumerPortOptions> {
 public:
  using Port = ConsumerPort<TestEnv>;
  using Visit = Port::Visit;
  static ConsumerPortOptions default_options() {
    ConsumerPortOptions options;
    options.stream_id = test_stream;
    options.consumer_id = 42;
    return options;
  }
  explicit ConsumerRig(const ConsumerPortOptions& options = default_options()) : Rig(options) {}

  void attach(TestRegions& regions) {
    post(PortState::active, Code::ok, &regions, {}, &subscription);
  }
  void detach(PortState state = PortState::reattaching) {
    post(state, Code::reattaching, nullptr, {}, &subscription);
  }

  // The frame as a producer commits it, and its descriptor.
  static void write(TestRegions& regions, std::uint64_t seq, std::uint32_t size = 100,
                    std::uint64_t timestamp_ns = 0) {
    const shm::PoolGeometry* pool = regions.geometry.smallest_fitting(size);
    shm::mark_in_progress(regions.slot(seq), seq);
    fill({regions.payload(pool->pool_id, seq), size}, regions.epoch, seq);
    shm::HeaderImage image;
    shm::build(image, fields_of(regions, seq, size, timestamp_ns));
    shm::store_header(regions.slot(seq), image);
    shm::commit(regions.slot(seq), seq);
  }
  static shm::SlotFields fields_of(TestRegions& regions, std::uint64_t seq, std::uint32_t size,
                                   std::uint64_t timestamp_ns = 0) {
    shm::SlotFields fields;
    fields.values_len_bytes = size;
    fields.payload_slot = regions.geometry.header_index(seq);
    fields.pool_id = regions.geometry.smallest_fitting(size)->pool_id;
    fields.timestamp_ns = timestamp_ns;
    fields.dtype = DType::u8;
    fields.order = MajorOrder::row;
    fields.ndims = 1;
    fields.dims[0] = static_cast<std::int32_t>(size);
    fields.strides[0] = 1;
    return fields;
  }
  static wire::FrameDescriptor descriptor_of(const TestRegions& regions, std::uint64_t seq) {
    wire::FrameDescriptor descriptor;
    descriptor.stream_id = test_stream;
    descriptor.epoch = regions.epoch;
    descriptor.seq = seq;
    descriptor.timestamp_ns = wire::null_u64;
    descriptor.meta_version = wire::null_u32;
    return descriptor;
  }
  void send(TestRegions& regions, std::uint64_t seq, std::uint32_t size = 100) {
    write(regions, seq, size);
    subscription.push(descriptor_of(regions, seq));
  }
  void send(TestRegions& regions, std::initializer_list<std::uint64_t> seqs) {
    for (const std::uint64_t seq : seqs) send(regions, seq);
  }

  // Polls once; `seen` gets the numbers that the handler was called for.
  Polled poll() {
    return port.poll([this](const OpenFrame& frame) {
      seen.push_back(frame.info.seq);
      return Visit::unproved;
    });
  }

  ::testing::AssertionResult balanced() {
    const ConsumerCounts& c = cell().consumer;
    const std::uint64_t ends =
        c.delivered.get() + c.overwritten.get() + c.lost.get() + c.skipped.get() + c.ended.get();
    if (ends == c.seen.get()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "seen " << c.seen.get() << ", delivered " << c.delivered.get() << ", overwritten "
           << c.overwritten.get() << ", lost " << c.lost.get() << ", skipped " << c.skipped.get()
           << ", ended " << c.ended.get();
  }
  Note::Value note(NoteKind kind) { return cell().note(kind).read(); }

  FakeSubscription subscription;
  std::vector<std::uint64_t> seen;
};

}  // namespace tensorpool::agents::test
