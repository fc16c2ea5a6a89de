// stream_peer ROLE AERON_DIR BASE_DIR STREAM SLOTS: one producer or consumer in a process of its own,
// driven by lines on standard input; every command is answered with one line of name=value pairs.
//   produce: publish N | run | pause | stats | close
//   consume: stats | close             (reads all the time)
//   stall:   as consume, but holds every second frame in its handler until it is overwritten
//   drive:   a media driver; stats | close
#include <sys/prctl.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

#include "integration/frames.hpp"
#include "integration/support.hpp"
#include "support/commands.hpp"

namespace tensorpool::integration {
namespace {

using test::Commands;
using test::pair;
using test::say;

constexpr std::int64_t frame_pause_ns = 200'000;  // between two frames of `run`
constexpr std::int64_t idle_pause_ns = 50'000;

struct Arguments {
  std::string role;
  std::string aeron_dir;
  std::string base_dir;
  std::uint32_t stream = 0;
  std::uint32_t slots = 0;
};

// What the client told of its media driver. Written by the conductor.
struct Heard {
  std::atomic<std::uint64_t> connected{0};
  std::atomic<std::uint64_t> lost{0};
  std::atomic<std::uint64_t> errors{0};
};

Client connect_peer(const Arguments& arguments, Heard& told) {
  ClientOptions options = client_options(arguments.aeron_dir, arguments.base_dir);
  options.on_notice = [&told](const Notice& notice) {
    if (notice.kind == NoticeKind::connected) ++told.connected;
    if (notice.kind == NoticeKind::connection_lost) ++told.lost;
    if (notice.kind == NoticeKind::error) ++told.errors;
  };
  return connect(std::move(options));
}

std::string books_of(const Client& client, const Heard& told) {
  return pair("connected", client.state() == ClientState::connected) +
         pair("told_connected", told.connected) + pair("told_lost", told.lost) +
         pair("told_errors", told.errors);
}

bool rests(const Error& error) { return error.code() == Code::reattaching; }

// Returns false when the producer said anything that it never should. While no media driver lives
// nothing can be claimed, and what was claimed before is refused.
bool publish_one(Producer& producer) {
  const std::uint64_t expected = producer.statistics().next_seq;
  auto slot = producer.claim(spec_of(expected));
  if (!slot) return rests(slot.error());
  if (slot->seq() != expected || slot->pool_id() != kind_of(expected).pool_id) return false;
  fill(slot->bytes(), expected);
  const auto committed = slot->commit();
  if (!committed) return rests(committed.error());
  return committed->seq == expected;
}

std::string books_of(Producer& producer, std::uint64_t errors) {
  (void)producer.state();  // takes the news of a mapping, which the statistics then tell
  const ProducerStatistics s = producer.statistics();
  return pair("claimed", s.claimed) + pair("published", s.published) +
         pair("not_announced", s.not_announced) + pair("open", s.open) +
         pair("next_seq", s.next_seq) + pair("epoch", s.epoch) + pair("sessions", s.sessions) +
         pair("resting", producer.state() == PortState::reattaching) + pair("errors", errors) +
         pair("balanced", s.balanced());
}

int produce(const Arguments& arguments) {
  Heard told;
  Client client = connect_peer(arguments, told);
  ProducerOptions options =
      producer_options(arguments.base_dir, arguments.stream, arguments.slots, frame_strides);
  Producer producer = make_producer(client, options);
  say(books_of(producer, 0));
  Commands commands;
  std::string command;
  std::uint64_t errors = 0;
  bool running = false;
  while (commands.next(command, frame_pause_ns)) {
    if (command.rfind("publish ", 0) == 0) {
      for (int left = std::stoi(command.substr(8)); left > 0; --left)
        errors += publish_one(producer) ? 0U : 1U;
    }
    if (command == "run" || command == "pause") running = command == "run";
    if (command == "close") break;
    if (!command.empty()) say(books_of(producer, errors) + books_of(client, told));
    if (running) errors += publish_one(producer) ? 0U : 1U;
  }
  const std::string last = books_of(producer, errors);
  producer.close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

class Reader {
 public:
  Reader(Consumer& consumer, bool stalls) : consumer_(consumer), stalls_(stalls) {}

  void read() {
    idle_ = consumer_.poll([this](const Frame& frame) { look(frame); }).work() == 0;
  }
  bool idle() const { return idle_; }

  std::string books() {
    const ConsumerStatistics s = consumer_.statistics();
    return pair("delivered", s.delivered) + pair("overwritten", s.overwritten) +
           pair("lost", s.lost) + pair("skipped", s.skipped) + pair("ended", s.ended) +
           pair("seen", s.seen) + pair("sessions", s.sessions) + pair("epoch", s.epoch) +
           pair("last_seq", s.last_seq) + pair("duplicates", s.duplicates) +
           pair("balanced", s.balanced()) + pair("wrong", wrong_) +
           pair("active", consumer_.state() == PortState::active) +
           pair("resting", consumer_.state() == PortState::reattaching);
  }

 private:
  // What was read counts only when the proof says so, and nothing is read after the proof.
  void look(const Frame& frame) {
    const bool right = is_right(frame.info(), frame.bytes());
    if (stalls_ && ++frames_ % 2 == 0) {
      const auto deadline = std::chrono::steady_clock::now() + 2s;
      while (frame.intact() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    }
    if (frame.intact() && !right) ++wrong_;
  }

  Consumer& consumer_;
  bool stalls_;
  bool idle_ = false;
  std::uint64_t frames_ = 0;
  std::uint64_t wrong_ = 0;
};

int consume(const Arguments& arguments, bool stalls) {
  Heard told;
  Client client = connect_peer(arguments, told);
  Consumer consumer = make_consumer(client, consumer_options(arguments.stream));
  Reader reader(consumer, stalls);
  say(reader.books());
  Commands commands;
  std::string command;
  while (commands.next(command, reader.idle() ? idle_pause_ns : 0)) {
    if (command == "close") break;
    if (!command.empty()) say(reader.books() + books_of(client, told));
    reader.read();
  }
  const std::string last = reader.books();
  consumer.close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

int drive(const Arguments& arguments) {
  {
    auto driver = MediaDriver::launch({.aeron_dir = arguments.aeron_dir});
    if (!driver) throw std::runtime_error(driver.error().message());
    say("serves=1");
    Commands commands;
    for (std::string command; commands.next(command, 100'000'000) && command != "close";)
      if (!command.empty()) say("serves=1");
  }
  say("serves=0");
  return 0;
}

}  // namespace
}  // namespace tensorpool::integration

int main(int argc, char** argv) {
  using namespace tensorpool::integration;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc != 6) return 2;
  const Arguments arguments{argv[1], argv[2], argv[3],
                            static_cast<std::uint32_t>(std::stoul(argv[4])),
                            static_cast<std::uint32_t>(std::stoul(argv[5]))};
  try {
    if (arguments.role == "produce") return produce(arguments);
    if (arguments.role == "drive") return drive(arguments);
    return consume(arguments, arguments.role == "stall");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stream_peer: %s\n", error.what());
    return 1;
  }
}
