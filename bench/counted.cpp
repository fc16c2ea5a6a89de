// tp_bench_counted DIRECTORY AERON_DIR FRAMES [WASTE]: the fixed schedule that runs under callgrind.
//
// One process, one thread: invoked clients, the media driver elsewhere. Only what lies between two
// toggles is counted: a fixed number of calls that wait for nothing. Conductors run between them.
// WASTE instructions, or somewhat more, are added to every counted call: a deliberate slow-down, for
// the test of the gate.
#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <charconv>
#include <cstdio>
#include <cstring>

#include "streams.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint32_t stream = 301;
constexpr std::int32_t descriptor_stream = 1301;
constexpr std::uint32_t bell_stream =
    302;  // of a producer with wake_waiters, apart from the others
constexpr std::int32_t bell_descriptor_stream = 1302;
constexpr std::uint64_t frame_bytes = 64;
constexpr std::uint32_t slots = 4096;
constexpr std::uint64_t batch = 10;

std::uint64_t waste = 0;

inline void slow_down(std::uint64_t loops = waste) {
  for (std::uint64_t i = 0; i < loops; ++i) __asm__ volatile("" ::: "memory");
}

// Out of line, so that each of them costs the same wherever it stands.
[[gnu::noinline]] void toggle() { CALLGRIND_TOGGLE_COLLECT; }

// claim + commit, `frames` times.
[[gnu::noinline]] std::uint64_t produce(Producer& producer, const TensorSpec& spec,
                                        std::uint64_t frames) {
  const std::uint64_t loops = waste;
  std::uint64_t told = 0;
  for (std::uint64_t i = 0; i < frames; ++i) {
    slow_down(loops);
    auto slot = producer.claim(spec);
    if (!slot) return told;
    const auto committed = slot->commit();
    if (committed && committed->told == Told::consumers) ++told;
  }
  return told;
}

// The same with two shapes in turns.
[[gnu::noinline]] std::uint64_t produce_in_turns(Producer& producer, const TensorSpec (&specs)[2],
                                                 std::uint64_t frames) {
  const std::uint64_t loops = waste;
  std::uint64_t told = 0;
  for (std::uint64_t i = 0; i < frames; ++i) {
    slow_down(loops);
    auto slot = producer.claim(specs[i % 2]);
    if (!slot) return told;
    const auto committed = slot->commit();
    if (committed && committed->told == Told::consumers) ++told;
  }
  return told;
}

// Polls and proves; `polls` times. Frames are waiting.
[[gnu::noinline]] std::uint64_t consume(Consumer& consumer, std::uint64_t polls) {
  const std::uint64_t loops = waste;
  std::uint64_t delivered = 0;
  for (std::uint64_t i = 0; i < polls; ++i) {
    slow_down(loops);
    delivered += consumer.poll([](const Frame&) {}).delivered;
  }
  return delivered;
}

// The halves of the above, each between toggles of its own.

std::uint64_t toggle_only(std::uint64_t calls) {
  for (std::uint64_t i = 0; i < calls; ++i) {
    toggle();
    toggle();
  }
  return calls;
}

enum class Half { claim, commit };

std::uint64_t produce_half(Producer& producer, const TensorSpec& spec, std::uint64_t frames,
                           Half counted) {
  std::uint64_t told = 0;
  for (std::uint64_t i = 0; i < frames; ++i) {
    if (counted == Half::claim) toggle();
    if (counted == Half::claim) slow_down();
    auto slot = producer.claim(spec);
    if (counted == Half::claim) toggle();
    if (!slot) return told;
    if (counted == Half::commit) toggle();
    if (counted == Half::commit) slow_down();
    const auto committed = slot->commit();
    if (counted == Half::commit) toggle();
    if (committed && committed->told == Told::consumers) ++told;
  }
  return told;
}

// From the call of poll to the handler, with frames waiting and a limit of 1.
std::uint64_t poll_half(Consumer& consumer, std::uint64_t polls) {
  std::uint64_t delivered = 0;
  for (std::uint64_t i = 0; i < polls; ++i) {
    toggle();
    slow_down();
    delivered += consumer.poll([](const Frame&) { toggle(); }).delivered;
  }
  return delivered;
}

// From the end of the handler to that of poll.
std::uint64_t proof_half(Consumer& consumer, std::uint64_t polls) {
  std::uint64_t delivered = 0;
  for (std::uint64_t i = 0; i < polls; ++i) {
    delivered += consumer.poll([](const Frame&) { toggle(); }).delivered;
    slow_down();
    toggle();
  }
  return delivered;
}

// A frame at a time: poll never finds more than one.
std::uint64_t one_by_one(Producer& producer, const TensorSpec& spec, Consumer& consumer,
                         std::uint64_t frames) {
  std::uint64_t delivered = 0;
  for (std::uint64_t i = 0; i < frames; ++i) {
    if (produce(producer, spec, 1) != 1) return delivered;
    toggle();
    delivered += consume(consumer, 1);
    toggle();
  }
  return delivered;
}

class Schedule {
 public:
  Schedule(const std::string& directory, const std::string& aeron_dir, std::uint64_t frames)
      : frames_(frames),
        ten_(make_client(directory, aeron_dir, descriptor_stream, batch)),
        one_(make_client(directory, aeron_dir, descriptor_stream, 1)),
        bell_(make_client(directory, aeron_dir, bell_descriptor_stream, batch)),
        producer_(make_producer(ten_, directory, stream, slots, frame_bytes)),
        consumer_ten_(make_consumer(ten_, stream)),
        consumer_one_(make_consumer(one_, stream)),
        bell_producer_(make_producer(bell_, directory, bell_stream, slots, frame_bytes, true)),
        bell_consumer_(make_consumer(bell_, bell_stream)),
        spec_(bytes_spec(frame_bytes)),
        shapes_{spec_, matrix_spec()} {}

  void run() {
    attach();
    // What is counted is the steady state: every slot of the ring was used before, with the same shape.
    const std::uint64_t frames_per_round = 7 * frames_;
    for (std::uint64_t done = 0; done < 2 * slots; done += frames_per_round) round(false);
    round(true);
  }

 private:
  // As large as spec_, with other dimensions.
  static TensorSpec matrix_spec() {
    TensorSpec spec;
    spec.dtype = DType::f32;
    spec.shape = {4, 4};
    return spec;
  }

  void conduct() {
    (void)ten_.do_work();
    (void)one_.do_work();
    (void)bell_.do_work();
  }

  // Until a frame reaches every consumer and nothing waits any more.
  void attach() {
    const std::int64_t deadline = now_ns() + std::int64_t{60'000'000'000};
    std::uint64_t by_ten = 0;
    std::uint64_t by_one = 0;
    std::uint64_t by_bell = 0;
    while (by_ten == 0 || by_one == 0 || by_bell == 0) {
      if (now_ns() > deadline) throw Failure("the consumers do not get frames");
      conduct();
      (void)produce(producer_, spec_, 1);
      by_ten += consume(consumer_ten_, 1);
      by_one += consume(consumer_one_, 1);
      (void)produce(bell_producer_, spec_, 1);
      by_bell += consume(bell_consumer_, 1);
    }
    for (int quiet = 0; quiet < 100; ++quiet) {
      const bool work =
          consume(consumer_ten_, 1) + consume(consumer_one_, 1) + consume(bell_consumer_, 1) != 0;
      if (work) quiet = 0;
    }
  }

  static void expect(const char* name, std::uint64_t done, std::uint64_t expected) {
    if (done != expected)
      throw Failure(fmt::format("{}: {} frames instead of {}", name, done, expected));
  }

  // One phase, which toggles by itself; its count goes to a dump of that name.
  template <class Phase>
  void toggling(bool count, const char* name, Phase&& phase) {
    if (!count) {
      // Warms up alike: nothing is collected, for what is switched on is thrown away.
      expect(name, phase(), frames_);
      CALLGRIND_ZERO_STATS;
      return;
    }
    CALLGRIND_ZERO_STATS;
    const std::uint64_t done = phase();
    CALLGRIND_DUMP_STATS_AT(name);
    expect(name, done, frames_);
  }
  // One phase that is counted from its begin to its end.
  template <class Phase>
  void counted(bool count, const char* name, Phase&& phase) {
    toggling(count, name, [&] {
      toggle();
      const std::uint64_t done = phase();
      toggle();
      return done;
    });
  }

  std::uint64_t ten() { return consume(consumer_ten_, frames_ / batch); }
  std::uint64_t one() { return consume(consumer_one_, frames_); }
  void drain() {
    expect("limit 10", ten(), frames_);
    expect("limit 1", one(), frames_);
  }
  void fill() { expect("producer", produce(producer_, spec_, frames_), frames_); }

  void round(bool count) {
    conduct();
    toggling(count, "nothing", [&] { return toggle_only(frames_); });
    counted(count, "producer", [&] { return produce(producer_, spec_, frames_); });
    counted(count, "consumer_ten", [&] { return ten(); });
    counted(count, "consumer_one", [&] { return one(); });
    conduct();
    toggling(count, "claim", [&] { return produce_half(producer_, spec_, frames_, Half::claim); });
    drain();
    toggling(count, "commit",
             [&] { return produce_half(producer_, spec_, frames_, Half::commit); });
    drain();
    conduct();
    fill();
    toggling(count, "poll", [&] { return poll_half(consumer_one_, frames_); });
    expect("limit 10", ten(), frames_);
    fill();
    toggling(count, "proof", [&] { return proof_half(consumer_one_, frames_); });
    expect("limit 10", ten(), frames_);
    conduct();
    toggling(count, "consumer_single",
             [&] { return one_by_one(producer_, spec_, consumer_ten_, frames_); });
    expect("limit 1", one(), frames_);
    conduct();
    counted(count, "producer_two_shapes",
            [&] { return produce_in_turns(producer_, shapes_, frames_); });
    counted(count, "consumer_two_shapes", [&] { return ten(); });
    expect("limit 1", one(), frames_);
    conduct();
    counted(count, "producer_bell", [&] { return produce(bell_producer_, spec_, frames_); });
    expect("limit 10", consume(bell_consumer_, frames_ / batch), frames_);
  }

  std::uint64_t frames_;
  Client ten_;
  Client one_;
  Client bell_;
  Producer producer_;
  Consumer consumer_ten_;
  Consumer consumer_one_;
  Producer bell_producer_;
  Consumer bell_consumer_;  // never sleeps
  TensorSpec spec_;
  TensorSpec shapes_[2];
};

std::uint64_t number(int argc, char** argv, int which) {
  std::uint64_t value = 0;
  if (which < argc)
    (void)std::from_chars(argv[which], argv[which] + std::strlen(argv[which]), value);
  return value;
}

int run(int argc, char** argv) {
  const std::uint64_t frames = number(argc, argv, 3);
  if (argc < 4 || argc > 5 || frames == 0 || frames % batch != 0 || frames > slots / 2) {
    fmt::print(stderr,
               "usage: {} DIRECTORY AERON_DIR FRAMES (a multiple of 10, at most 2048) [WASTE]\n",
               argv[0]);
    return 2;
  }
  waste = number(argc, argv, 4);
  Schedule(argv[1], argv[2], frames).run();
  return 0;
}

}  // namespace
}  // namespace tensorpool::bench

int main(int argc, char** argv) {
  try {
    return tensorpool::bench::run(argc, argv);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "bench: %s\n", failure.what());
    return 1;
  }
}
