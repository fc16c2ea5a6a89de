// fault_peer ROLE AERON_DIR BASE_DIR NAMESPACE STREAM SLOTS SENDER TERM POINT VISIT SIGNAL WHEN: one party
// in a process of its own that stops or dies at a named point, or at none. Driven by lines on standard
// input; each is answered with one line of name=value pairs. A peer that is ready writes one unasked.
//   producer: run | pause | publish N | flood RATE SECONDS | stats | close
//   consumer: stats | close                          (reads all the time)
//   forgotten: as consumer, but never polls
//   driver:   stats | close
// WHEN the plan is armed: "start", or "frames" (a producer's first `run`, a consumer's first frame).
// A producer that is refused writes "refused" and the error, and ends with 3.
#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include "fault/pattern.hpp"
#include "fault/point.hpp"
#include "support/commands.hpp"
#include "tensorpool/client.hpp"
#include "tensorpool/media_driver.hpp"

namespace tensorpool::fault {
namespace {

using namespace std::chrono_literals;
using test::Commands;
using test::pair;
using test::say;

constexpr auto patience = 60s;
constexpr std::int64_t frame_pause_ns = 1'000'000;  // between two frames of `run`
constexpr std::int64_t flood_pause_ns = 500'000;    // between two bursts of `flood`
constexpr std::int64_t idle_pause_ns = 50'000;
constexpr int refused_exit = 3;

struct Arguments {
  std::string role, aeron_dir, base_dir, space;
  std::uint32_t stream = 0;
  std::uint32_t slots = 0;
  std::uint64_t sender = 0;
  std::string term;
};

Client connect(const Arguments& a) {
  ClientOptions options;
  options.mode = Mode::direct;
  options.aeron_dir = a.aeron_dir;
  options.allowed_base_dirs = {a.base_dir};
  options.control.channel = options.announce.channel = options.qos.channel =
      options.metadata.channel = "aeron:ipc?term-length=64k";
  options.descriptor.channel = "aeron:ipc?term-length=" + a.term;
  // A crowded machine stops a process for a while, too: that alone is neither the death of a writer,
  // after five periods, nor that of the media driver.
  options.announce_period_ns = 300'000'000;
  options.media_driver_timeout_ns = 6'000'000'000;
  return Client::connect(std::move(options)).value();
}

class Sender {
 public:
  Sender(Producer& producer, std::uint64_t name) : producer_(producer), name_(name) {}

  void publish() {
    const std::uint64_t seq = producer_.statistics().next_seq;
    auto slot = producer_.claim(spec_of(seq));
    if (!slot) {
      ++refused_;
      return;
    }
    fill(slot->bytes(), name_, slot->seq(), [] { visit(Point::filling); });
    CommitOptions options;
    options.trace_id = name_;
    if (slot->seq() != seq || !slot->commit(options)) ++refused_;
  }
  // In bursts as the clock says they are due. Time in which this process did not run is not made up
  // for: that would be another rate. Says what the rate was.
  std::string flood(std::uint64_t rate, std::uint64_t seconds) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::seconds(seconds);
    const std::uint64_t burst_limit = rate / 500;
    std::uint64_t sent = 0;
    for (auto before = begin, now = begin; now < end; before = now, now = Clock::now()) {
      const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(now - before);
      std::uint64_t due = static_cast<std::uint64_t>(passed.count()) * rate / 1'000'000;
      for (due = std::min(due, burst_limit); due > 0; --due, ++sent) publish();
      const timespec pause{0, flood_pause_ns};
      (void)::ppoll(nullptr, 0, &pause, nullptr);
    }
    return pair("rate", sent / seconds);
  }
  std::string books() {
    (void)producer_.state();
    const ProducerStatistics s = producer_.statistics();
    return pair("claimed", s.claimed) + pair("published", s.published) +
           pair("not_announced", s.not_announced) + pair("open", s.open) +
           pair("back_pressured", s.back_pressured) + pair("epoch", s.epoch) +
           pair("refused", refused_) + pair("balanced", s.balanced());
  }

 private:
  Producer& producer_;
  std::uint64_t name_;
  std::uint64_t refused_ = 0;
};

int produce(const Arguments& a) {
  Client client = connect(a);
  ProducerOptions options;
  options.stream = a.stream;
  options.base_dir = a.base_dir;
  options.namespace_name = a.space;
  options.slots = a.slots;
  options.pools = {{.pool_id = 1, .stride_bytes = stride_bytes}};
  auto made = client.producer(options).wait(patience);
  if (!made) {
    say("refused " + made.error().message());
    return refused_exit;
  }
  Producer producer = std::move(*made);
  Sender sender(producer, a.sender);
  say(sender.books());
  Commands commands;
  std::string line;
  bool running = false;
  while (commands.next(line, frame_pause_ns)) {
    std::istringstream words(line);
    std::string word;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    words >> word >> first >> second;
    std::string more;
    if (word == "run" || word == "pause") running = word == "run";
    if (word == "publish") {
      for (; first > 0; --first) sender.publish();
    }
    if (word == "flood") more = sender.flood(first, second);
    if (word == "close") break;
    if (!word.empty()) say(sender.books() + more);
    if (running) {
      armed = true;
      sender.publish();
    }
  }
  const std::string last = sender.books();
  producer.close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

class Reader {
 public:
  explicit Reader(Consumer& consumer) : consumer_(consumer) {}

  bool read() {
    return consumer_.poll([this](const Frame& frame) { look(frame); }).work() != 0;
  }
  std::string books() {
    const PortState state = consumer_.state();
    const ConsumerStatistics s = consumer_.statistics();
    return pair("delivered", s.delivered) + pair("overwritten", s.overwritten) +
           pair("lost", s.lost) + pair("skipped", s.skipped) + pair("ended", s.ended) +
           pair("seen", s.seen) + pair("sessions", s.sessions) + pair("epoch", s.epoch) +
           pair("wrong_epoch", s.wrong_epoch) + pair("balanced", s.balanced()) +
           pair("sender", sender_) + pair("of_sender", of_sender_) + pair("wrong", wrong_) +
           pair("active", state == PortState::active);
  }

 private:
  // What was read counts only when the proof says so, and nothing is read after the proof. An epoch is
  // one sender's, from its first frame to its last.
  void look(const Frame& frame) {
    const FrameInfo& info = frame.info();
    const bool right = is_right(info, frame.bytes(), [] { visit(Point::reading); });
    if (!frame.intact()) return;
    armed = true;
    const std::uint64_t owner = owners_.try_emplace(info.epoch, info.trace_id).first->second;
    if (!right || owner != info.trace_id) ++wrong_;
    if (info.trace_id != sender_) of_sender_ = 0;
    sender_ = info.trace_id;
    ++of_sender_;
  }

  Consumer& consumer_;
  std::map<std::uint64_t, std::uint64_t> owners_;
  std::uint64_t sender_ = 0;
  std::uint64_t of_sender_ = 0;  // frames since it became the one that is heard
  std::uint64_t wrong_ = 0;
};

int consume(const Arguments& a, bool polls) {
  Client client = connect(a);
  Consumer consumer = client.consumer({.stream = a.stream}).wait(patience).value();
  Reader reader(consumer);
  say(reader.books());
  Commands commands;
  std::string line;
  bool busy = false;
  while (commands.next(line, busy ? 0 : idle_pause_ns)) {
    if (line == "close") break;
    if (!line.empty()) say(reader.books());
    busy = polls && reader.read();
  }
  const std::string last = reader.books();
  consumer.close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

int drive(const Arguments& a) {
  const MediaDriver driver = MediaDriver::launch({.aeron_dir = a.aeron_dir}).value();
  say(pair("ready", 1));
  Commands commands;
  std::string line;
  while (commands.next(line, 999'000'000) && line != "close") {
    if (!line.empty()) say(pair("ready", 1));
  }
  say(pair("ready", 0));
  return 0;
}

Arguments parse(char** argv) {
  Arguments a;
  a.role = argv[1];
  a.aeron_dir = argv[2];
  a.base_dir = argv[3];
  a.space = argv[4];
  a.stream = static_cast<std::uint32_t>(std::stoul(argv[5]));
  a.slots = static_cast<std::uint32_t>(std::stoul(argv[6]));
  a.sender = std::stoull(argv[7]);
  a.term = argv[8];
  for (const NamedPoint& named : points) {
    if (named.name == argv[9]) plan.point = named.point;
  }
  if (plan.point == Point::none && std::string(argv[9]) != "none")
    throw std::invalid_argument(argv[9]);
  plan.visit = std::stoull(argv[10]);
  plan.signal = std::stoi(argv[11]);
  armed = std::string(argv[12]) == "start";
  return a;
}

}  // namespace
}  // namespace tensorpool::fault

int main(int argc, char** argv) {
  using namespace tensorpool::fault;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc != 13) return 2;
  try {
    const Arguments arguments = parse(argv);
    if (arguments.role == "producer") return produce(arguments);
    if (arguments.role == "driver") return drive(arguments);
    return consume(arguments, arguments.role != "forgotten");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fault_peer: %s\n", error.what());
    return 1;
  }
}
