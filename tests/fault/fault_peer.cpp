// fault_peer NAME=VALUE…: one party in a process of its own that stops or dies at a named point, or at
// none. process.hpp lists the names. Driven by lines on standard input; each is answered with one line of
// name=value pairs. A peer that is ready writes one unasked.
//
// Direct mode, one port each:
//   producer: run | pause | publish N | flood RATE SECONDS | stats | close
//   consumer: stats | close                          (reads all the time)
//   forgotten: as consumer, but never polls
// Driver mode: leased_peer.cpp and driver_peer.cpp.
//
// A party that is refused writes "refused" and the error, and ends with 3.
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include "fault/peer.hpp"

namespace tensorpool::fault {
namespace {

constexpr std::int64_t frame_pause_ns = 1'000'000;  // between two frames of `run`
constexpr std::int64_t idle_pause_ns = 50'000;

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
  options.media_driver_timeout_ns = media_driver_timeout_ns;
  return Client::connect(std::move(options)).value();
}

int produce(const Arguments& a) {
  Client client = connect(a);
  ProducerOptions options;
  options.stream = a.stream;
  options.base_dir = a.base_dir;
  options.namespace_name = a.space;
  options.slots = a.slots;
  options.pools = {{.pool_id = 1, .stride_bytes = stride_bytes}};
  auto made = client.producer(options).wait(peer_patience);
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
      on_frame();
      sender.publish();
    }
  }
  const std::string last = sender.books();
  producer.close();
  if (!client.close()) return 1;
  say(last);
  return 0;
}

int consume(const Arguments& a, bool polls) {
  Client client = connect(a);
  Consumer consumer = client.consumer({.stream = a.stream}).wait(peer_patience).value();
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

class Values {
 public:
  Values(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string text = argv[i];
      const std::size_t equal = text.find('=');
      if (equal == std::string::npos) throw std::invalid_argument(text);
      values_[text.substr(0, equal)] = text.substr(equal + 1);
    }
  }
  std::string text(const std::string& name) const { return values_.at(name); }
  std::uint64_t number(const std::string& name) const { return std::stoull(values_.at(name)); }
  std::uint32_t id(const std::string& name) const {
    return static_cast<std::uint32_t>(number(name));
  }

 private:
  std::map<std::string, std::string> values_;
};

Arguments parse(const Values& v) {
  Arguments a;
  a.role = v.text("role");
  a.aeron_dir = v.text("aeron");
  a.base_dir = v.text("base");
  a.space = v.text("space");
  a.stream = v.id("stream");
  a.slots = v.id("slots");
  a.sender = v.number("sender");
  a.term = v.text("term");
  a.ports = v.id("ports");
  a.control = static_cast<std::int32_t>(v.number("control"));
  a.file_mode = v.id("mode");
  a.user = v.id("user");
  a.group = v.id("group");
  a.owner = v.id("owner");
  a.forbidden = v.id("forbidden");
  const auto point = point_named(v.text("point"));
  if (!point) throw std::invalid_argument(v.text("point"));
  make_plan(*point, v.number("visit"), static_cast<int>(v.number("signal")));
  armed = v.text("when") == "start";
  arms_with_frames = v.text("when") == "frames";
  return a;
}

// The process becomes another user's and group's, without any other group.
void become(const Arguments& a) {
  if (a.user == 0) return;
  if (::setgroups(0, nullptr) != 0 || ::setgid(a.group) != 0 || ::setuid(a.user) != 0)
    throw std::runtime_error("cannot become another user");
  ::umask(0077);  // nothing may depend on a friendlier one
}

int run(const Arguments& a) {
  if (a.role == "producer") return produce(a);
  if (a.role == "consumer" || a.role == "forgotten") return consume(a, a.role == "consumer");
  if (a.role == "leased_producer") return produce_leased(a);
  if (a.role == "leased_consumer") return consume_leased(a);
  if (a.role == "driver" || a.role == "driver_with_media") return drive(a, a.role != "driver");
  if (a.role == "media") return run_media_driver(a);
  throw std::invalid_argument(a.role);
}

}  // namespace
}  // namespace tensorpool::fault

int main(int argc, char** argv) {
  using namespace tensorpool::fault;
  try {
    const Arguments arguments = parse(Values(argc, argv));
    become(arguments);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    return run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fault_peer: %s\n", error.what());
    return 1;
  }
}
