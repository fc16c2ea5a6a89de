// Every way in which a writer may stand still against every way in which a reader may, on a ring of
// two slots: the writer is stopped after n of its steps, the reader takes r of its own, the writer
// takes m more and stops, the reader goes on. No wrong byte may ever count as delivered, and the
// books must balance (docs/internals/concurrency.md section 4).
//
// All of it on one thread, so that each case is one interleaving and runs the same way every time.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr std::uint64_t epoch = 5;
constexpr std::size_t half_bytes = 32;
using Visit = ConsumerRig::Visit;

// What frame `seq` looks like: header and payload of neighbours differ in every field.
constexpr std::uint32_t size_of_frame(std::uint64_t seq) {
  return static_cast<std::uint32_t>(64 + 16 * (seq % 3));
}
constexpr std::uint64_t capture_time_of(std::uint64_t seq) { return 7'000 + seq; }

TestRegions two_slots() { return TestRegions(epoch, 2, {{1, 128, {}}}); }

// A frame as the reader saw it, piece by piece.
struct Seen {
  explicit Seen(const OpenFrame& frame)
      : info(frame.info), payload(frame.payload), bytes(frame.info.size_bytes) {}
  void read_first_half() {
    shm::load_payload(bytes.data(), payload, std::min(half_bytes, bytes.size()));
  }
  void read_second_half() {
    const std::size_t from = std::min(half_bytes, bytes.size());
    shm::load_payload(bytes.data() + from, payload + from, bytes.size() - from);
  }
  bool right() const {
    return bytes.size() == size_of_frame(info.seq) &&
           info.capture_time_ns == capture_time_of(info.seq) && is_frame(bytes, epoch, info.seq);
  }

  FrameInfo info;
  const std::byte* payload;
  std::vector<std::byte> bytes;
};

struct Total {
  std::uint64_t cases = 0;
  std::uint64_t delivered = 0;
  std::uint64_t wrong = 0;
};

// The steps of a writer one by one (ProducerPort takes them in this order: producer_port_test.cpp),
// with payload and header in two parts each.
class Writer {
 public:
  static constexpr std::uint64_t frames = 4;
  static constexpr int steps_per_frame = 7;
  static constexpr int all_steps = static_cast<int>(frames) * steps_per_frame;

  Writer(TestRegions& regions, FakeSubscription& subscription)
      : regions_(regions), subscription_(subscription) {}

  void run(int steps) {
    for (; steps > 0 && done_ < all_steps; --steps) step(done_++);
  }

 private:
  void step(int at) {
    const auto seq = static_cast<std::uint64_t>(at / steps_per_frame);
    const std::uint32_t size = size_of_frame(seq);
    std::vector<std::byte> payload(size);
    fill(payload, epoch, seq);
    shm::HeaderImage image;
    shm::build(image, ConsumerRig::fields_of(regions_, seq, size, capture_time_of(seq)));
    const shm::SlotRef slot = regions_.slot(seq);
    std::byte* const to = regions_.payload(1, seq);
    switch (at % steps_per_frame) {
      case 0:
        return shm::mark_in_progress(slot, seq);
      case 1:
        return shm::store_payload(to, payload.data(), half_bytes);
      case 2:
        return shm::store_payload(to + half_bytes, payload.data() + half_bytes, size - half_bytes);
      case 3:  // words 1 to 3: size, slot, pool, time
        for (std::size_t word = 1; word < 4; ++word)
          shm::HostRecipe::store_body(slot.words[word], image.words[word]);
        return;
      case 4:  // the rest: the tensor
        for (std::size_t word = 4; word < shm::header_words; ++word)
          shm::HostRecipe::store_body(slot.words[word], image.words[word]);
        return;
      case 5:
        return shm::commit(slot, seq);
      default:
        return subscription_.push(ConsumerRig::descriptor_of(regions_, seq));
    }
  }

  TestRegions& regions_;
  FakeSubscription& subscription_;
  int done_ = 0;
};

enum class Form { poll, copy, next, without_proof };

class Case {
 public:
  Case(Form form, int n, int r, int m) : form_(form), reader_stop_(r), more_(m) {
    rig_.attach(regions_);
    rig_.port.on_event([this](const Event& event) {
      if (event.kind == EventKind::overwritten) refused_.insert(event.first);
    });
    writer_.run(n);
    {
      const OnStep hook([this](Step) { step(); });
      read();
    }
    // Nobody stops any more.
    reader_stop_ = -1;
    writer_.run(Writer::all_steps);
    read();
    EXPECT_TRUE(rig_.balanced());
  }

  bool reached() const { return steps_ >= stop_wanted_; }
  void add_to(Total& total) const {
    ++total.cases;
    total.delivered += delivered_;
    total.wrong += wrong_;
  }

 private:
  void step() {
    if (++steps_ == reader_stop_) writer_.run(more_);
  }
  Seen look(const OpenFrame& frame) {
    Seen seen(frame);
    seen.read_first_half();
    step();
    seen.read_second_half();
    step();
    return seen;
  }
  void read() {
    if (form_ == Form::next) {
      Polled polled;
      while (const OpenFrame* view = rig_.port.next(polled)) {
        const Seen seen = look(*view);
        if (rig_.port.finish(Visit::unproved) == Outcome::delivered) judge(seen);
      }
      return;
    }
    std::vector<Seen> all;
    (void)rig_.port.poll([&](const OpenFrame& frame) {
      all.push_back(look(frame));
      if (form_ == Form::without_proof) return Visit::intact;
      if (form_ == Form::poll) return Visit::unproved;
      return frame.intact() ? Visit::intact : Visit::overwritten;
    });
    for (const Seen& seen : all) {
      if (refused_.count(seen.info.seq) == 0) judge(seen);
    }
  }
  void judge(const Seen& seen) {
    ++delivered_;
    if (!seen.right()) ++wrong_;
  }

  Form form_;
  int reader_stop_;
  const int stop_wanted_ = reader_stop_;
  int more_;
  int steps_ = 0;
  TestRegions regions_ = two_slots();
  ConsumerRig rig_;
  Writer writer_{regions_, rig_.subscription};
  std::set<std::uint64_t> refused_;
  std::uint64_t delivered_ = 0;
  std::uint64_t wrong_ = 0;
};

Total all_cases(Form form) {
  Total total;
  for (int n = 0; n <= Writer::all_steps; ++n) {
    for (int r = 1;; ++r) {
      // Where the reader has fewer steps than r, m makes no difference.
      const Case alone(form, n, r, 0);
      alone.add_to(total);
      if (!alone.reached()) break;
      for (int m = 1; n + m <= Writer::all_steps; ++m) Case(form, n, r, m).add_to(total);
    }
  }
  return total;
}

void expect_only_right_bytes(Form form) {
  const Total total = all_cases(form);
  EXPECT_GT(total.cases, 1'000U);
  EXPECT_GT(total.delivered, total.cases);
  EXPECT_EQ(total.wrong, 0U) << "of " << total.delivered << " frames in " << total.cases
                             << " cases";
}

// Proves: STR-235, STR-122, SHM-187, SHM-242, SHM-185, STR-109
TEST(EveryStop, PollDeliversNoWrongByte) { expect_only_right_bytes(Form::poll); }

// Proves: STR-235, SHM-185
TEST(EveryStop, ACopyThatProvesItselfHoldsNoWrongByte) { expect_only_right_bytes(Form::copy); }

// Proves: STR-110, SHM-237
TEST(EveryStop, AViewDeliversNoWrongByte) { expect_only_right_bytes(Form::next); }

// The cases above are not harmless: without the last look at the commit word wrong bytes get through.
TEST(EveryStop, WithoutTheProofWrongBytesGetThrough) {
  const Total total = all_cases(Form::without_proof);
  EXPECT_GT(total.wrong, 100U) << "of " << total.delivered;
}

// Both ports themselves: the pieces of one view happen at three steps of a producer's frame path.
class BothPorts {
 public:
  BothPorts(int open, int read, int finish) : at_{open, read, finish} {
    writer_.attach(regions_, {&link_});
    reader_.attach(regions_);
    const OnStep hook([this](Step step) {
      if (step != Step::adopted) writer_step();
    });
    for (std::uint64_t seq = 0; seq < Writer::frames; ++seq) {
      const auto claimed = writer_.port.claim(bytes_spec(size_of_frame(seq)));
      EXPECT_TRUE(claimed);
      if (!claimed) return;
      std::vector<std::byte> payload(claimed->size);
      fill(payload, epoch, seq);
      shm::store_payload(claimed->data, payload.data(), half_bytes);
      writer_step();
      shm::store_payload(claimed->data + half_bytes, payload.data() + half_bytes,
                         payload.size() - half_bytes);
      writer_step();
      CommitOptions options;
      options.timestamp_ns = capture_time_of(seq);
      EXPECT_TRUE(writer_.port.commit(*claimed, options));
    }
    EXPECT_EQ(writer_.cell().producer.published.get(), Writer::frames);
  }
  ~BothPorts() {
    if (reader_.port.view_open()) (void)reader_.port.finish(Visit::overwritten);
  }
  BothPorts(const BothPorts&) = delete;
  BothPorts& operator=(const BothPorts&) = delete;

  bool delivered() const { return delivered_; }
  bool right() const { return !seen_.empty() && seen_[0].right(); }
  bool balanced() { return static_cast<bool>(reader_.balanced()); }

 private:
  void writer_step() {
    const int now = steps_++;
    if (busy_) return;  // the reader's own steps
    busy_ = true;
    if (now == at_[0]) {
      Polled polled;
      if (const OpenFrame* view = reader_.port.next(polled)) {
        seen_.emplace_back(*view);
        seen_[0].read_first_half();
      }
    }
    if (now == at_[1] && !seen_.empty()) seen_[0].read_second_half();
    if (now == at_[2] && !seen_.empty())
      delivered_ = reader_.port.finish(Visit::unproved) == Outcome::delivered;
    steps_ = now + 1;
    busy_ = false;
  }

  std::array<int, 3> at_;
  int steps_ = 0;
  bool busy_ = false;
  bool delivered_ = false;
  std::vector<Seen> seen_;
  TestRegions regions_ = two_slots();
  ProducerRig writer_;
  ConsumerRig reader_;
  FakePublication link_{&reader_.subscription};
};

// Proves: STR-235, STR-87, SHM-174, SHM-187
TEST(EveryStop, AViewAcrossTheStepsOfAProducerPortIsRightOrRefused) {
  constexpr int steps = Writer::all_steps;
  std::uint64_t delivered = 0;
  std::uint64_t wrong_unless_refused = 0;
  for (int open = 0; open < steps; ++open) {
    for (int read = open; read < steps; ++read) {
      for (int finish = read; finish < steps; ++finish) {
        BothPorts one(open, read, finish);
        ASSERT_TRUE(!one.delivered() || one.right()) << open << " " << read << " " << finish;
        if (one.delivered()) ++delivered;
        if (!one.delivered() && !one.right()) ++wrong_unless_refused;
        ASSERT_TRUE(finish == steps - 1 || one.balanced());
      }
    }
  }
  EXPECT_GT(delivered, 100U);
  EXPECT_GT(wrong_unless_refused, 100U);
}

}  // namespace
}  // namespace tensorpool::agents::test
