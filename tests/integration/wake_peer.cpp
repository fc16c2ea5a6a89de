// wake_peer ROLE AERON_DIR BASE_DIR STREAM: one that waits for frames in a process of its own, driven by lines on
// standard input; every command is answered with one line of name=value pairs.
//   wait: a consumer that sleeps between frames; stats | close
//   lie:  no consumer at all, but a counter that says that one sleeps; stats | close
#include <sys/prctl.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

#include "integration/wake_watch.hpp"
#include "support/commands.hpp"

namespace tensorpool::integration {
namespace {

using test::Commands;
using test::pair;
using test::say;

constexpr std::int64_t idle_pause_ns = 100'000'000;

struct Arguments {
  std::string role;
  std::string aeron_dir;
  std::string base_dir;
  std::uint32_t stream = 0;
};

int wait(const Arguments& arguments) {
  Client client = connect(client_options(arguments.aeron_dir, arguments.base_dir));
  ConsumerOptions options = consumer_options(arguments.stream);
  options.wait.spin_ns = 0;
  options.wait.yields = 0;
  Consumer consumer = make_consumer(client, options);
  std::atomic<bool> over{false};
  std::thread reader([&] {
    while (!over) {
      auto view = consumer.next(1s);
      if (view) (void)view->finish();
    }
  });
  const auto books = [&] {
    const ConsumerStatistics s = consumer.statistics();
    return pair("delivered", s.delivered) + pair("lost", s.lost) +
           pair("overwritten", s.overwritten);
  };
  say(books());
  Commands commands;
  for (std::string command; commands.next(command, idle_pause_ns) && command != "close";)
    if (!command.empty()) say(books());
  over = true;
  reader.join();
  consumer.close();
  if (!client.close()) return 1;
  say(books());
  return 0;
}

int lie(const Arguments& arguments) {
  CounterMaker maker(arguments.aeron_dir);
  const auto counter = maker.make(agents::armed_type_id, arguments.stream);
  counter->set(1);
  say(pair("armed", 1));
  Commands commands;
  for (std::string command; commands.next(command, idle_pause_ns) && command != "close";)
    if (!command.empty()) say(pair("armed", 1));
  say(pair("armed", 1));
  return 0;
}

}  // namespace
}  // namespace tensorpool::integration

int main(int argc, char** argv) {
  using namespace tensorpool::integration;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc != 5) return 2;
  const Arguments arguments{argv[1], argv[2], argv[3],
                            static_cast<std::uint32_t>(std::stoul(argv[4]))};
  try {
    return arguments.role == "lie" ? lie(arguments) : wait(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wake_peer: %s\n", error.what());
    return 1;
  }
}
