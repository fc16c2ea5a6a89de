// Producers and consumers of driver mode, through the public API: one client with a port on each of `ports`
// streams. I is the number of a port, counted from 0.
//   leased_producer: run [I] | pause [I] | stats I | hold I | commit I | claim I | reopen I | close
//   leased_consumer: stats I | close                              (reads all the time)
//   both:            why I (a text: what port I was told last) | arm | plan POINT VISIT SIGNAL
// `hold` claims a slot and keeps it, `commit` commits it and then claims another, `claim` claims one and gives
// it up; they say with which code. `reopen` closes a port and makes a new one.
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <vector>

#include "fault/peer.hpp"

namespace tensorpool::fault {
namespace {

// Every consumer hears of the frames of every stream, so they are not many.
constexpr std::int64_t frame_pause_ns = 4'000'000;
constexpr std::int64_t poll_pause_ns = 2'000'000;

// What ports were told, by stream. Written by the conductor's thread.
class Told {
 public:
  void hear(const Notice& notice) {
    const std::lock_guard lock(mutex_);
    Port& port = ports_[notice.stream_id];
    if (notice.kind == NoticeKind::attached) ++port.attached;
    if (notice.kind == NoticeKind::attach_failed) ++port.failed;
    if (notice.kind == NoticeKind::announce_rejected) ++port.rejected;
    if (notice.kind == NoticeKind::lease_lost)
      ++port.lost[static_cast<std::size_t>(notice.lease_end)];
    const bool bad = notice.kind == NoticeKind::attach_failed ||
                     notice.kind == NoticeKind::lease_lost ||
                     notice.kind == NoticeKind::announce_rejected;
    if (bad) port.last = notice.text;
  }
  std::string books(std::uint32_t stream) {
    const std::lock_guard lock(mutex_);
    const Port& port = ports_[stream];
    std::string text = pair("attached", port.attached) + pair("attach_failed", port.failed) +
                       pair("rejected", port.rejected);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < port.lost.size(); ++i) {
      if (port.lost[i] == 0) continue;
      sum += port.lost[i];
      text += pair(("lost_" + std::string(name(static_cast<LeaseEnd>(i)))).c_str(), port.lost[i]);
    }
    return text + pair("leases_lost", sum);
  }
  std::string last(std::uint32_t stream) {
    const std::lock_guard lock(mutex_);
    return ports_[stream].last;
  }

 private:
  struct Port {
    std::uint64_t attached = 0;
    std::uint64_t failed = 0;
    std::uint64_t rejected = 0;
    std::array<std::uint64_t, 16> lost{};
    std::string last;
  };
  std::mutex mutex_;
  std::map<std::uint32_t, Port> ports_;
};

Client connect(const Arguments& a, Told& told) {
  ClientOptions options;
  options.aeron_dir = a.aeron_dir;
  options.allowed_base_dirs = {a.base_dir};
  options.forbidden_mode_bits = a.forbidden;
  if (a.owner != 0) options.required_owner = a.owner;
  const std::string small = "aeron:ipc?term-length=64k";
  options.control = {small, a.control};
  options.announce = {small, a.control + 1};
  options.qos.channel = options.metadata.channel = small;
  options.descriptor = {"aeron:ipc?term-length=" + a.term, a.control + 100};
  options.announce_period_ns = announce_ns;
  options.keepalive_interval_ns = keepalive_ns;
  options.keepalive_grace = grace;
  options.backoff_largest_ns = 400'000'000;
  options.media_driver_timeout_ns = media_driver_timeout_ns;
  options.on_notice = [&told](const Notice& notice) { told.hear(notice); };
  return Client::connect(std::move(options)).value();
}

// A line of standard input: a word, and the port that it is about.
struct Command {
  explicit Command(const std::string& line) : words(line) { words >> word; }
  std::istringstream words;
  std::string word;
};

// What both roles understand; true when it was one of these.
bool common(Command& command, Told& told, std::uint32_t first_stream) {
  if (command.word == "arm") {
    armed = true;
    say(pair("armed", 1));
    return true;
  }
  if (command.word == "plan") {
    std::string point;
    std::uint64_t visit_number = 0;
    int signal = 0;
    command.words >> point >> visit_number >> signal;
    make_plan(point_named(point).value(), visit_number, signal);
    say(pair("planned", 1));
    return true;
  }
  if (command.word != "why") return false;
  std::uint32_t index = 0;
  command.words >> index;
  say(told.last(first_stream + index));
  return true;
}

// --- Producers.

class ProducingPort {
 public:
  ProducingPort(Client& client, std::uint32_t stream, std::uint64_t sender)
      : client_(client), stream_(stream), sender_name_(sender) {
    open();
  }
  void open() {
    held_.reset();
    sender_.reset();
    producer_.reset();
    ProducerOptions options;
    options.stream = stream_;
    pending_.emplace(client_.producer(options));
    ++opened_;
  }
  // Errors end the peer: a port is waited for as long as it takes.
  void work() {
    if (pending_) {
      if (auto ended = pending_->poll()) {
        producer_ = std::make_unique<Producer>(std::move(*ended).value());
        sender_ = std::make_unique<Sender>(*producer_, sender_name_);
        pending_.reset();
      }
    }
    if (sender_ == nullptr) return;
    (void)producer_->state();  // adopts the news, also while nothing is sent
    if (running) {
      on_frame();
      sender_->publish();
    }
  }
  std::string books() {
    const std::string opened = pair("opened", opened_);
    if (sender_ == nullptr)
      return opened + pair("active", 0) + pair("open", 0) + pair("balanced", 1);
    return opened + sender_->books() + pair("active", producer_->state() == PortState::active) +
           pair("state", static_cast<std::uint64_t>(producer_->state())) +
           pair("id", producer_->producer_id()) + pair("node", producer_->node_id().value_or(0));
  }
  std::string hold() {
    if (producer_ == nullptr) return {};
    auto slot = producer_->claim(spec_of(0));
    if (!slot) return code(slot.error().code());
    held_.emplace(std::move(*slot));
    return code(Code::ok);
  }
  // Writes to the slot first: its memory is there for as long as the slot is.
  std::string commit() {
    if (!held_) return {};
    fill(held_->bytes(), sender_name_, 0, [] {});
    const auto committed = held_->commit();
    held_.reset();
    return code(committed ? Code::ok : committed.error().code()) + claim();
  }
  std::string claim() {
    if (producer_ == nullptr) return {};
    auto slot = producer_->claim(spec_of(0));
    if (slot) (void)slot->abort();
    return pair("claim_code", static_cast<std::uint64_t>(slot ? Code::ok : slot.error().code()));
  }
  void close() {
    held_.reset();
    if (producer_ != nullptr) producer_->close();
  }

  bool running = false;

 private:
  static std::string code(Code code) { return pair("code", static_cast<std::uint64_t>(code)); }

  Client& client_;
  std::uint32_t stream_;
  std::uint64_t sender_name_;
  std::uint64_t opened_ = 0;
  std::optional<Pending<Producer>> pending_;
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<Sender> sender_;
  std::optional<Slot> held_;
};

std::string act(const std::string& word, ProducingPort& port) {
  if (word == "run" || word == "pause") port.running = word == "run";
  if (word == "hold") return port.hold();
  if (word == "commit") return port.commit();
  if (word == "claim") return port.claim();
  if (word == "reopen") port.open();
  return {};
}

// --- Consumers.

class ConsumingPort {
 public:
  ConsumingPort(Client& client, std::uint32_t stream)
      : consumer_(client.consumer({.stream = stream}).wait(peer_patience).value()),
        reader_(consumer_) {}
  bool read() { return reader_.read(); }
  std::string books() {
    return pair("opened", 1) + reader_.books() + pair("id", consumer_.consumer_id()) +
           pair("node", consumer_.node_id().value_or(0)) +
           pair("state", static_cast<std::uint64_t>(consumer_.state()));
  }
  void close() { consumer_.close(); }

 private:
  Consumer consumer_;
  Reader reader_;
};

}  // namespace

int produce_leased(const Arguments& a) {
  Told told;
  Client client = connect(a, told);
  std::vector<std::unique_ptr<ProducingPort>> ports;
  for (std::uint32_t i = 0; i < a.ports; ++i)
    ports.push_back(std::make_unique<ProducingPort>(client, a.stream + i, a.sender));
  say(pair("ready", 1));
  Pace pace;
  Commands commands;
  std::string line;
  while (commands.next(line, frame_pause_ns)) {
    pace.round();
    Command command(line);
    if (command.word == "close") break;
    if (!command.word.empty() && !common(command, told, a.stream)) {
      std::uint32_t only = 0;
      const bool all = !(command.words >> only);
      std::string answer;
      for (std::uint32_t i = 0; i < a.ports; ++i) {
        if (all || i == only) answer += act(command.word, *ports[i]);
      }
      say(answer + ports.at(only)->books() + told.books(a.stream + only) + pace.book());
    }
    for (auto& port : ports) port->work();
  }
  const std::string last = ports.front()->books() + told.books(a.stream);
  for (auto& port : ports) port->close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

int consume_leased(const Arguments& a) {
  Told told;
  Client client = connect(a, told);
  std::vector<std::unique_ptr<ConsumingPort>> ports;
  for (std::uint32_t i = 0; i < a.ports; ++i)
    ports.push_back(std::make_unique<ConsumingPort>(client, a.stream + i));
  say(pair("ready", 1));
  Pace pace;
  Commands commands;
  std::string line;
  bool busy = false;
  while (commands.next(line, busy ? 0 : poll_pause_ns)) {
    pace.round();
    Command command(line);
    if (command.word == "close") break;
    if (!command.word.empty() && !common(command, told, a.stream)) {
      std::uint32_t index = 0;
      command.words >> index;
      say(ports.at(index)->books() + told.books(a.stream + index) + pace.book());
    }
    busy = false;
    for (auto& port : ports) busy |= port->read();
  }
  const std::string last = ports.front()->books() + told.books(a.stream);
  for (auto& port : ports) port->close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

}  // namespace tensorpool::fault
