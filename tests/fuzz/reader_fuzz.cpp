// The whole reader over a header ring of any bytes, with descriptors of any bytes, while somebody
// changes the ring under it: whatever is handed out lies inside the pools, and is delivered only
// when the slot still says so at the end.
//
// Input: log2 of the slots, max_gap, rate, pools (count, stride / 64 each), how long the ring's own
// bytes are (u16) and these; then commands, see Run::command. The payload is arbitrary by contract,
// so each input runs twice with different payloads and must do the same (SHM-236).
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "agents/consumer_port.hpp"
#include "agents/lender.hpp"
#include "base/assert.hpp"
#include "fuzz/guarded.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace tensorpool;

constexpr std::uint32_t stream_id = 10000;
constexpr std::size_t pool_count_max = 3;
constexpr std::size_t nslots_max = 8;
constexpr std::size_t stride_max = 1024;

// Messages that wait to be received.
class Messages final : public transport::Subscription {
 public:
  struct Message {
    std::vector<std::byte> bytes;
    bool begin = true;
    bool end = true;
  };
  std::deque<Message> waiting;

  int poll(transport::FragmentHandler handler, int limit) override {
    int count = 0;
    for (; count < limit && !waiting.empty(); ++count) {
      // A copy without room behind it, for the sanitizer.
      const std::vector<std::byte> bytes(waiting.front().bytes);
      handler({bytes, 1, waiting.front().begin, waiting.front().end});
      waiting.pop_front();
    }
    return count;
  }
  int poll_assembled(transport::FragmentHandler handler, int limit) override {
    return poll(handler, limit);
  }
  int image_count() const noexcept override { return 1; }
  std::int32_t stream_id() const noexcept override { return 1; }
};

// Somebody else's store into the ring, made when the port comes to a step.
struct Change {
  bool armed = false;
  agents::Step step = agents::Step::in_handler;
  std::size_t offset = 0;
  std::byte value{};
};
Change change;
std::byte* ring = nullptr;
base::Nanos now_ns = 0;

struct FuzzEnv : agents::VirtualEnv {
  static base::Nanos now() noexcept { return now_ns; }
  template <agents::Step At>
  static void step() noexcept {
    if (!change.armed || change.step != At) return;
    change.armed = false;
    ring[change.offset] = change.value;
  }
};
using Port = agents::ConsumerPort<FuzzEnv>;

// What one run did, to be compared with the other.
struct Record {
  std::vector<std::uint64_t> numbers;
  void add(std::uint64_t number) { numbers.push_back(number); }
};

class Run {
 public:
  Run(fuzz::Input input, std::byte payload, Record& record) : input_(input), record_(&record) {
    nslots_ = 1U << input_.take<std::uint8_t>() % 4U;
    agents::ConsumerPortOptions options;
    options.stream_id = stream_id;
    options.max_gap = input_.take<std::uint8_t>();
    options.max_rate_hz = input_.take<std::uint8_t>() % 3U * 1000U;
    const std::size_t pools = 1U + input_.take<std::uint8_t>() % pool_count_max;
    while (pools_.size() < pools) {
      const std::uint32_t stride = 64U * (1U + input_.take<std::uint8_t>() % 16U);
      pools_.push_back({static_cast<std::uint16_t>(pools_.size() + 1), stride});
    }
    geometry_ = shm::RingGeometry(nslots_, pools_);
    map(payload);
    port_ = std::make_unique<Port>(options, lender_.cell(), nullptr);
    publish();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    port_->close();
    lender_.drain();
    TP_ASSERT(lender_.out() == 0);
    port_.reset();
  }

  void go() {
    for (int commands = 0; commands < 256 && !input_.empty(); ++commands) command();
    poll();
    const agents::ConsumerCounts& counts = lender_.cell()->consumer;
    const std::uint64_t ended = counts.delivered.get() + counts.overwritten.get() +
                                counts.lost.get() + counts.skipped.get() + counts.ended.get();
    TP_ASSERT(ended == counts.seen.get());
    for (const agents::Stat* stat :
         {&counts.delivered, &counts.overwritten, &counts.lost, &counts.skipped, &counts.ended,
          &counts.malformed, &counts.foreign, &counts.wrong_epoch, &counts.duplicates,
          &counts.resyncs, &counts.bytes, &counts.last_seq, &counts.sessions})
      record_->add(stat->get());
  }

 private:
  // The regions, each ending at an inaccessible page.
  void map(std::byte payload) {
    static fuzz::Guarded ring_memory(shm::superblock_bytes + nslots_max * 256);
    static std::array<fuzz::Guarded, pool_count_max> pool_memory{
        fuzz::Guarded(shm::superblock_bytes + nslots_max * stride_max),
        fuzz::Guarded(shm::superblock_bytes + nslots_max * stride_max),
        fuzz::Guarded(shm::superblock_bytes + nslots_max * stride_max)};
    ring_ = ring_memory.last(shm::superblock_bytes + std::size_t{nslots_} * 256);
    std::ranges::fill(ring_, std::byte{0});
    const auto own = input_.take_bytes(
        std::min<std::size_t>(input_.take<std::uint16_t>(), ring_.size() - shm::superblock_bytes));
    std::ranges::copy(own, ring_.begin() + shm::superblock_bytes);
    for (std::size_t i = 0; i < pools_.size(); ++i) {
      pool_[i] = pool_memory[i].last(shm::superblock_bytes +
                                     std::size_t{nslots_} * pools_[i].stride_bytes);
      std::ranges::fill(pool_[i], payload);
    }
    ring = ring_.data();
    change = Change{};
    now_ns = 0;
  }

  void publish() {
    auto wiring = std::make_unique<agents::Wiring>();
    wiring->state = state_;
    wiring->session = session_;
    wiring->epoch = epoch_;
    wiring->ring = ring_.data();
    wiring->geometry = geometry_;
    for (std::size_t i = 0; i < pools_.size(); ++i) wiring->pools[i] = pool_[i].data();
    wiring->subscription = &messages_;
    lender_.publish(std::move(wiring));
  }

  void command() {
    switch (input_.take<std::uint8_t>() % 9U) {
      case 0:
        return describe(next_seq_ += input_.take<std::uint8_t>() % 8U);
      case 1:
        return describe(input_.take<std::uint64_t>());
      case 2: {
        const auto flags = input_.take<std::uint8_t>();
        const auto bytes = input_.take_bytes(input_.take<std::uint8_t>());
        messages_.waiting.push_back(
            {{bytes.begin(), bytes.end()}, (flags & 1U) == 0, (flags & 2U) == 0});
        return;
      }
      case 3:
        return write(next_seq_ += input_.take<std::uint8_t>() % 4U);
      case 4: {
        const std::size_t offset = input_.take<std::uint16_t>() % ring_.size();
        ring_[offset] = static_cast<std::byte>(input_.take<std::uint8_t>());
        return;
      }
      case 5:
        change.armed = true;
        change.step = input_.take<std::uint8_t>() % 2U == 0 ? agents::Step::in_handler
                                                            : agents::Step::before_proof;
        change.offset = input_.take<std::uint16_t>() % ring_.size();
        change.value = static_cast<std::byte>(input_.take<std::uint8_t>());
        return;
      case 6:
        return remap(input_.take<std::uint8_t>());
      case 7:
        return pull(input_.take<std::uint8_t>());
      default:
        return poll();
    }
  }

  void describe(std::uint64_t seq) {
    const auto flags = input_.take<std::uint8_t>();
    wire::FrameDescriptor descriptor{.stream_id = stream_id, .epoch = epoch_, .seq = seq};
    if ((flags & 3U) == 3U) descriptor.epoch += static_cast<std::uint64_t>(flags >> 7U) - 1U;
    if ((flags & 12U) == 12U) ++descriptor.stream_id;
    if ((flags & 16U) != 0) descriptor.timestamp_ns = std::uint64_t{flags} * 100'000;
    std::vector<std::byte> bytes(wire::descriptor_bytes);
    wire::encode_descriptor(bytes.data(), descriptor);
    messages_.waiting.push_back({std::move(bytes)});
  }

  // What a producer writes, before somebody changes it.
  void write(std::uint64_t seq) {
    const auto flags = input_.take<std::uint8_t>();
    const shm::PoolSpec& pool = pools_[flags % pools_.size()];
    shm::SlotFields fields;
    fields.payload_slot = geometry_.header_index(seq);
    fields.pool_id = pool.pool_id;
    fields.timestamp_ns = (flags & 8U) == 0 ? 0 : std::uint64_t{flags} * 100'000;
    fields.dtype = static_cast<DType>(1 + flags % 11);
    fields.order = (flags & 16U) == 0 ? MajorOrder::row : MajorOrder::column;
    fields.ndims = static_cast<std::uint8_t>(1U + (flags >> 5U));
    for (std::size_t i = 0; i < fields.ndims; ++i)
      fields.dims[i] = input_.take<std::uint8_t>() % 4U;
    shm::ResolvedStrides strides;
    if (shm::resolve(fields, strides) != shm::SlotFault::none) return;
    if (strides.extent_bytes > pool.stride_bytes) return;
    fields.values_len_bytes = static_cast<std::uint32_t>(strides.extent_bytes);
    const shm::SlotRef slot = shm::SlotRef::at(ring_.data(), fields.payload_slot);
    shm::HeaderImage image;
    shm::build(image, fields);
    shm::mark_in_progress(slot, seq);
    shm::store_header(slot, image);
    shm::commit(slot, seq);
  }

  void remap(std::uint8_t flags) {
    state_ = (flags & 3U) == 3U ? PortState::connecting : PortState::active;
    if ((flags & 4U) != 0) {
      ++session_;
      epoch_ += flags >> 7U;
      next_seq_ = 0;
    }
    publish();
  }

  // Everything that a frame says must be inside what was mapped.
  void check(const agents::OpenFrame& frame) {
    const FrameInfo& info = frame.info;
    record_->add(info.seq);
    record_->add(info.size_bytes);
    TP_ASSERT(info.epoch == epoch_ && info.seq < shm::seq_limit);
    TP_ASSERT(info.slot == (info.seq & (nslots_ - 1)));
    TP_ASSERT(info.pool_id >= 1 && info.pool_id <= pools_.size());
    const std::size_t pool = info.pool_id - 1U;
    const std::uint64_t stride = pools_[pool].stride_bytes;
    TP_ASSERT(frame.payload == pool_[pool].data() + 64 + info.slot * stride);
    TP_ASSERT(info.size_bytes <= stride);
    TP_ASSERT(info.ndims >= 1 && info.ndims <= max_dims);
    for (std::size_t i = 0; i < max_dims; ++i) {
      const bool used = i < info.ndims;
      TP_ASSERT(used ? info.dims[i] >= 0 && info.strides[i] > 0
                     : info.dims[i] == 0 && info.strides[i] == 0);
    }
    unsigned sum = 0;
    for (std::uint64_t i = 0; i < info.size_bytes; ++i)
      sum += std::to_integer<unsigned>(frame.payload[i]);
    volatile unsigned keep = sum;
    static_cast<void>(keep);
    check_typed_view(info);
  }

  // The farthest element of a typed view that is granted.
  static void check_typed_view(const FrameInfo& info) {
    if (!detail::check_view(info, info.dtype, info.ndims)) return;
    std::uint64_t end = element_size(info.dtype);
    for (std::size_t i = 0; i < info.ndims; ++i) {
      if (info.dims[i] == 0) return;
      end += static_cast<std::uint64_t>(info.dims[i] - 1) *
             static_cast<std::uint64_t>(info.strides[i]);
    }
    TP_ASSERT(end <= info.size_bytes);
  }

  void poll() {
    now_ns += 300'000;
    std::uint64_t delivered = 0;
    const Polled polled = port_->poll([&](const agents::OpenFrame& frame) {
      check(frame);
      // The step before the proof comes behind this handler: look at its change beforehand.
      const auto choice = info_choice(frame.info.seq);
      if (choice == Port::Visit::skip) return choice;
      const bool intact = frame.intact();
      if (choice == Port::Visit::unproved) {
        const bool kept = intact && !spoils(frame);
        delivered += kept ? 1 : 0;
        return choice;
      }
      delivered += intact ? 1 : 0;
      return intact ? Port::Visit::intact : Port::Visit::overwritten;
    });
    TP_ASSERT(polled.delivered == delivered);
    record_->add(polled.delivered);
    record_->add(polled.overwritten);
  }

  static Port::Visit info_choice(std::uint64_t seq) {
    return seq % 7 == 6   ? Port::Visit::skip
           : seq % 3 == 2 ? Port::Visit::intact
                          : Port::Visit::unproved;
  }

  // Whether the armed change will make the commit word of this frame another one.
  bool spoils(const agents::OpenFrame& frame) const {
    if (!change.armed || change.step != agents::Step::before_proof) return false;
    const auto* word = static_cast<const std::byte*>(static_cast<const void*>(frame.slot.words));
    const std::byte* changed = ring_.data() + change.offset;
    return changed >= word && changed < word + 8 && *changed != change.value;
  }

  void pull(std::uint8_t flags) {
    now_ns += 300'000;
    Polled polled;
    agents::OpenFrame* frame = (flags & 1U) == 0 ? port_->next(polled) : port_->latest(polled);
    if (frame == nullptr) return;
    check(*frame);
    if ((flags & 2U) != 0) poll_under_view();
    if ((flags & 4U) != 0) remap(flags);
    const std::uint64_t committed = frame->committed;
    const std::uint64_t* word = frame->slot.words;
    const Outcome outcome = port_->finish(Port::Visit::unproved);
    if (outcome == Outcome::delivered) TP_ASSERT(*word == committed);
    if (outcome == Outcome::overwritten) TP_ASSERT(*word != committed);
    record_->add(static_cast<std::uint64_t>(outcome));
  }

  // While a view is open, no second one is given.
  void poll_under_view() {
    Polled polled;
    TP_ASSERT(port_->next(polled) == nullptr && port_->latest(polled) == nullptr);
  }

  fuzz::Input input_;
  Record* record_;
  std::uint32_t nslots_ = 1;
  std::vector<shm::PoolSpec> pools_;
  shm::RingGeometry geometry_;
  std::span<std::byte> ring_;
  std::array<std::span<std::byte>, pool_count_max> pool_;
  Messages messages_;
  agents::Lender lender_;
  std::unique_ptr<Port> port_;
  PortState state_ = PortState::active;
  std::uint64_t session_ = 1;
  std::uint64_t epoch_ = 5;
  std::uint64_t next_seq_ = 0;
};

}  // namespace

// Proves: SHM-185, SHM-187, SHM-191, SHM-236
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::array<Record, 2> records;
  for (std::size_t i = 0; i < records.size(); ++i) {
    Run run(fuzz::Input(data, size), i == 0 ? std::byte{0xFF} : std::byte{0x01}, records[i]);
    run.go();
  }
  TP_ASSERT(records[0].numbers == records[1].numbers);
  return 0;
}
