// hostile_peer ROLE AERON_DIR BASE_DIR SEED: one party of hostile_control_test in a process of its own, driven by
// lines on standard input; every command is answered with one line of name=value pairs.
//   drive:   a driver; stats | close
//   produce: a frame every 2 ms; stats | close
//   consume: stats | close
//   attack:  burns its share of a CPU; send | silent | stats | close
#include <sys/prctl.h>
#include <time.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include "base/clock.hpp"
#include "base/posix_file_system.hpp"
#include "integration/hostile_attack.hpp"
#include "integration/hostile_deployment.hpp"
#include "support/commands.hpp"
#include "transport/channel.hpp"
#include "unit/transport/connect_now.hpp"

namespace tensorpool::integration::hostile {
namespace {

using test::Commands;
using test::pair;
using test::say;

constexpr std::int64_t idle_pause_ns = 200'000;

struct Arguments {
  std::string role;
  std::string aeron_dir;
  std::string base_dir;
  std::uint64_t seed = 0;
};

std::uint64_t resident_pages() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0, resident = 0, shared = 0;
  file >> size >> resident >> shared;
  return resident - shared;  // what is this process's alone
}

// --- The driver.

std::string books_of(const agents::driver::DriverAgent& driver) {
  using protocol::driver::AttachRefusal;
  using protocol::driver::Count;
  const agents::driver::DriverStatus s = driver.status();
  const protocol::driver::Counters& c = driver.core().counters();
  std::uint64_t refused = 0;
  std::uint64_t reasons = 0;
  for (std::uint8_t why = 0; why < static_cast<std::uint8_t>(AttachRefusal::count_); ++why) {
    const std::uint64_t times = c.of(static_cast<AttachRefusal>(why));
    refused += times;
    reasons += times != 0 ? 1U : 0U;
  }
  return pair("connected", s.connected) + pair("leases", s.producers + s.consumers) +
         pair("producers", s.producers) + pair("streams", s.streams) +
         pair("malformed", s.malformed) + pair("shed", s.shed_requests) + pair("unsent", s.unsent) +
         pair("errors", s.errors) + pair("refused", refused) + pair("reasons", reasons) +
         pair("keepalives", c.of(Count::keepalives)) +
         pair("keepalives_ignored", c.of(Count::keepalives_ignored)) +
         pair("detach_refused", c.of(Count::detach_refused)) +
         pair("hellos_ignored", c.of(Count::hellos_ignored)) +
         pair("too_many_leases", c.of(AttachRefusal::too_many_leases)) +
         pair("granted", c.of(Count::granted)) + pair("bytes_reserved", s.bytes_reserved) +
         pair("pages", resident_pages());
}

int drive(const Arguments& arguments) {
  const auto transport = transport::aeron::make_transport();
  base::PosixFileSystem files;
  base::SystemClock clock;
  auto driver =
      agents::driver::DriverAgent::make(driver_options(arguments.aeron_dir, arguments.base_dir),
                                        {*transport, files, clock})
          .value();
  Commands commands;
  int work = 0;
  const auto step = [&](std::string& command) {
    const bool open = commands.next(command, work == 0 ? idle_pause_ns : 0);
    work = driver->do_work();
    return open;
  };
  std::string command;
  while (!driver->status().connected && step(command)) {
  }
  say(books_of(*driver));
  while (step(command) && command != "close") {
    if (!command.empty()) say(books_of(*driver));
  }
  driver->terminate();
  driver->terminate();
  while (!driver->stopped() && step(command)) {
  }
  say(books_of(*driver));
  return 0;
}

// --- The stream.

struct Told {
  std::atomic<std::uint64_t> lost{0};
  std::atomic<std::uint64_t> attached{0};
  std::atomic<std::uint64_t> unmapped{0};
  void hear(const Notice& notice) {
    if (notice.kind == NoticeKind::lease_lost) {
      ++lost;  // never: then the reason is worth a line
      std::fprintf(stderr, "lost a lease: %.*s\n", static_cast<int>(notice.text.size()),
                   notice.text.data());
    }
    if (notice.kind == NoticeKind::attached) ++attached;
    if (notice.kind == NoticeKind::unmapped) ++unmapped;
  }
  std::string books() const {
    return pair("lease_lost", lost) + pair("attached", attached) + pair("unmapped", unmapped);
  }
};

Client connect_leased(const Arguments& arguments, Told& told) {
  ClientOptions options = leased_client(arguments.aeron_dir, arguments.base_dir);
  options.on_notice = [&told](const Notice& notice) { told.hear(notice); };
  return connect(std::move(options));
}

int produce(const Arguments& arguments) {
  Told told;
  Client client = connect_leased(arguments, told);
  ProducerOptions options;
  options.stream = stream;
  Producer producer = make_producer(client, options);
  std::uint64_t refused = 0;
  const auto books = [&] {
    const ProducerStatistics s = producer.statistics();
    return pair("published", s.published) + pair("refused", refused) +
           pair("not_announced", s.not_announced) + pair("sessions", s.sessions) +
           pair("epoch", s.epoch) + pair("balanced", s.balanced()) + told.books();
  };
  say(books());
  Commands commands;
  std::string command;
  std::int64_t due = base::SystemClock::monotonic();
  for (;;) {
    const std::int64_t wait = due - base::SystemClock::monotonic();
    if (!commands.next(command, std::clamp<std::int64_t>(wait, 0, frame_ns))) break;
    if (command == "close") break;
    if (!command.empty()) say(books());
    if (base::SystemClock::monotonic() < due) continue;
    due = std::max(due + frame_ns, base::SystemClock::monotonic());  // no burst after a pause
    const std::uint64_t seq = producer.statistics().next_seq;
    auto slot = producer.claim(spec_of(seq));
    if (slot) fill(slot->bytes(), seq);
    if (!slot || !slot->commit()) ++refused;
  }
  const std::string last = books();
  producer.close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

int consume(const Arguments& arguments) {
  Told told;
  Client client = connect_leased(arguments, told);
  Consumer consumer = make_consumer(client, consumer_options(stream));
  std::uint64_t wrong = 0;
  const auto books = [&] {
    const ConsumerStatistics s = consumer.statistics();
    return pair("delivered", s.delivered) + pair("lost", s.lost) +
           pair("overwritten", s.overwritten) + pair("skipped", s.skipped) +
           pair("ended", s.ended) + pair("sessions", s.sessions) + pair("epoch", s.epoch) +
           pair("last_seq", s.last_seq) + pair("balanced", s.balanced()) + pair("wrong", wrong) +
           pair("active", consumer.state() == PortState::active) + told.books();
  };
  say(books());
  Commands commands;
  std::string command;
  bool idle = false;
  while (commands.next(command, idle ? idle_pause_ns : 0) && command != "close") {
    if (!command.empty()) say(books());
    idle = consumer
               .poll([&](const Frame& frame) {
                 const bool right = is_right(frame.info(), frame.bytes());
                 if (frame.intact() && !right) ++wrong;
               })
               .work() == 0;
  }
  const std::string last = books();
  consumer.close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

// --- The attacker.

class Attacker {
 public:
  explicit Attacker(const Arguments& arguments) : transport_(transport::aeron::make_transport()) {
    transport::ConnectOptions options;
    options.directory = arguments.aeron_dir;
    options.driver_timeout_ns = driver_timeout_ns;
    connection_ = transport::connect_now(*transport_, options).value();
    for (const Endpoint* endpoint : {&control, &announce}) {
      out_.push_back(ready(connection_
                               ->add_publication(transport::control_channel(endpoint->channel),
                                                 endpoint->stream_id, deadline())
                               .value()));
      in_.push_back(ready(
          connection_->add_subscription(endpoint->channel, endpoint->stream_id, deadline(), nullptr)
              .value()));
    }
    attack_.emplace(stream, range_first, out_[0]->max_message_bytes(), arguments.seed);
  }

  // One message is made, and sent unless it keeps silent; the time is burnt in any case.
  void turn(bool silent) {
    const std::int64_t begun = base::SystemClock::monotonic();
    for (const auto& in : in_) {
      (void)in->poll_assembled(
          [&](const transport::Fragment& message) {
            ++heard_;
            attack_->heard(message.data);
          },
          10);
    }
    const Attack::Message message = attack_->next();
    const auto header = wire::peek(message);
    const bool to_announces =
        header && header->schema_id == wire::ShmPoolAnnounce::schema_id && made_++ % 2 == 0;
    if (!silent) {
      const transport::Position sent = out_[to_announces ? 1 : 0]->offer(message);
      ++(sent > 0 ? sent_ : held_back_);
      if (sent > 0 && message.size() > 100'000) ++oversized_;
    }
    while (base::SystemClock::monotonic() - begun < duty_ns) {
    }
  }
  std::string books() const {
    return pair("sent", sent_) + pair("held_back", held_back_) + pair("oversized", oversized_) +
           pair("heard", heard_);
  }

 private:
  static std::int64_t deadline() {
    return (std::chrono::steady_clock::now() + patience).time_since_epoch().count();
  }
  template <class T>
  static std::unique_ptr<T> ready(std::unique_ptr<transport::Add<T>> add) {
    std::unique_ptr<T> made;
    if (!eventually([&] { return (made = add->poll().value()) != nullptr; }))
      throw std::runtime_error("no stream");
    return made;
  }

  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::vector<std::unique_ptr<transport::Publication>> out_;
  std::vector<std::unique_ptr<transport::Subscription>> in_;
  std::optional<Attack> attack_;
  std::uint64_t made_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t held_back_ = 0;
  std::uint64_t oversized_ = 0;
  std::uint64_t heard_ = 0;
};

int attack(const Arguments& arguments) {
  Attacker attacker(arguments);
  say(attacker.books());
  Commands commands;
  std::string command;
  bool silent = true;
  std::int64_t due = base::SystemClock::monotonic();
  for (;;) {
    const std::int64_t wait = due - base::SystemClock::monotonic();
    if (!commands.next(command, std::clamp<std::int64_t>(wait, 0, message_ns))) break;
    if (command == "close") break;
    if (command == "send" || command == "silent") silent = command == "silent";
    if (!command.empty()) say(attacker.books());
    if (base::SystemClock::monotonic() < due) continue;
    due = std::max(due + message_ns, base::SystemClock::monotonic());
    attacker.turn(silent);
  }
  say(attacker.books());
  return 0;
}

}  // namespace
}  // namespace tensorpool::integration::hostile

int main(int argc, char** argv) {
  using namespace tensorpool::integration::hostile;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc != 5) return 2;
  const Arguments arguments{argv[1], argv[2], argv[3], std::stoull(argv[4])};
  try {
    if (arguments.role == "drive") return drive(arguments);
    if (arguments.role == "produce") return produce(arguments);
    if (arguments.role == "consume") return consume(arguments);
    return attack(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hostile_peer %s: %s\n", argv[1], error.what());
    return 1;
  }
}
