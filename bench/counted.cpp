// tp_bench_counted DIRECTORY AERON_DIR FRAMES: the fixed schedule that runs under callgrind.
//
// One process, one thread: invoked clients, the media driver elsewhere. Only the three functions
// marked noinline are counted; they do a fixed number of calls and wait for nothing. Conductors run
// between them.
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
constexpr std::uint64_t frame_bytes = 64;
constexpr std::uint32_t slots = 4096;
constexpr std::uint64_t batch = 10;

// claim + commit, `frames` times.
[[gnu::noinline]] std::uint64_t produce(Producer& producer, const TensorSpec& spec,
                                        std::uint64_t frames) {
  std::uint64_t told = 0;
  for (std::uint64_t i = 0; i < frames; ++i) {
    auto slot = producer.claim(spec);
    if (!slot) return told;
    const auto committed = slot->commit();
    if (committed && committed->told == Told::consumers) ++told;
  }
  return told;
}

// Polls and proves; `polls` times. Frames are waiting.
[[gnu::noinline]] std::uint64_t consume(Consumer& consumer, std::uint64_t polls) {
  std::uint64_t delivered = 0;
  for (std::uint64_t i = 0; i < polls; ++i)
    delivered += consumer.poll([](const Frame&) {}).delivered;
  return delivered;
}

class Schedule {
 public:
  Schedule(const std::string& directory, const std::string& aeron_dir, std::uint64_t frames)
      : frames_(frames),
        ten_(make_client(directory, aeron_dir, descriptor_stream, batch)),
        one_(make_client(directory, aeron_dir, descriptor_stream, 1)),
        producer_(make_producer(ten_, directory, stream, slots, frame_bytes)),
        consumer_ten_(make_consumer(ten_, stream)),
        consumer_one_(make_consumer(one_, stream)),
        spec_(bytes_spec(frame_bytes)) {}

  void run() {
    attach();
    for (int warm = 0; warm < 2; ++warm) round(false);
    round(true);
  }

 private:
  void conduct() {
    (void)ten_.do_work();
    (void)one_.do_work();
  }

  // Until a frame reaches both consumers and nothing waits any more.
  void attach() {
    const std::int64_t deadline = now_ns() + std::int64_t{60'000'000'000};
    std::uint64_t by_ten = 0;
    std::uint64_t by_one = 0;
    while (by_ten == 0 || by_one == 0) {
      if (now_ns() > deadline) throw Failure("the consumers do not get frames");
      conduct();
      (void)produce(producer_, spec_, 1);
      by_ten += consume(consumer_ten_, 1);
      by_one += consume(consumer_one_, 1);
    }
    for (int quiet = 0; quiet < 100; ++quiet) {
      const bool work = consume(consumer_ten_, 1) + consume(consumer_one_, 1) != 0;
      if (work) quiet = 0;
    }
  }

  // One phase; its count goes to a dump of that name.
  template <class Phase>
  static void counted(bool count, const char* name, std::uint64_t expected, Phase&& phase) {
    if (count) CALLGRIND_TOGGLE_COLLECT;
    const std::uint64_t done = phase();
    if (count) {
      CALLGRIND_TOGGLE_COLLECT;
      CALLGRIND_DUMP_STATS_AT(name);
    }
    if (done != expected)
      throw Failure(fmt::format("{}: {} frames instead of {}", name, done, expected));
  }

  void round(bool count) {
    conduct();
    if (count) CALLGRIND_ZERO_STATS;
    counted(count, "producer", frames_, [&] { return produce(producer_, spec_, frames_); });
    counted(count, "consumer_ten", frames_,
            [&] { return consume(consumer_ten_, frames_ / batch); });
    counted(count, "consumer_one", frames_, [&] { return consume(consumer_one_, frames_); });
  }

  std::uint64_t frames_;
  Client ten_;
  Client one_;
  Producer producer_;
  Consumer consumer_ten_;
  Consumer consumer_one_;
  TensorSpec spec_;
};

int run(int argc, char** argv) {
  std::uint64_t frames = 0;
  if (argc == 4) (void)std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), frames);
  if (frames == 0 || frames % batch != 0 || frames > slots / 2) {
    fmt::print(stderr, "usage: {} DIRECTORY AERON_DIR FRAMES (a multiple of 10, at most 2048)\n",
               argv[0]);
    return 2;
  }
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
