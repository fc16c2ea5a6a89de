// tp_demo: frames from one process to others, with a live table. A media driver, a producer and two
// consumers, and a second stream of four slots whose consumer is slow on purpose, each in a process
// of its own. Exits with 0 only if all that it promises was seen to happen.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "demo/children.hpp"
#include "tp/connection.hpp"
#include "tp/media_driver.hpp"
#include "tp/output.hpp"
#include "tp/publish.hpp"
#include "tp/signals.hpp"
#include "tp/sources/source.hpp"
#include "tp/watch.hpp"

namespace tensorpool::demo {

namespace {

using cli::Json;
using Clock = std::chrono::steady_clock;

struct DemoOptions {
  double seconds = 10;
  std::string input = "stars";
  bool json = false;
};

constexpr const char* main_stream = "10000";
constexpr const char* small_stream = "10001";
constexpr const char* small_source = "pattern:640x480:u8";
constexpr int start_ms = 60'000;
constexpr int finish_ms = 30'000;

// Everything that the demo puts on the disk lies in here, and goes with it.
class Folder {
 public:
  Folder() : path_(fmt::format("/dev/shm/tp-demo-{}-XXXXXX", ::getpid())) {
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Demo {
 public:
  Demo(const DemoOptions& options, std::string folder)
      : options_(options), folder_(std::move(folder)) {}

  Result<void> start();
  void play();
  int finish();

 private:
  Result<void> add(const char* name, const std::vector<std::string>& arguments);
  std::vector<std::string> with_places(std::vector<std::string> arguments,
                                       const char* stream) const;
  bool wait_ready();
  void read_children(int timeout_ms);
  bool may_go_on() const;
  bool flowing() const;
  void show(double elapsed);
  bool judge(std::vector<std::string>& reasons, const std::vector<int>& codes) const;

  const DemoOptions& options_;
  std::string folder_;
  std::vector<Child> children_;  // the media driver, consumers, then producers
  std::size_t rows_shown_ = 0;
};

constexpr std::size_t media_driver = 0;
constexpr std::size_t consumer_a = 1;
constexpr std::size_t consumer_b = 2;
constexpr std::size_t slow_consumer = 3;
constexpr std::size_t producer = 4;
constexpr std::size_t small_producer = 5;

std::vector<std::string> Demo::with_places(std::vector<std::string> arguments,
                                           const char* stream) const {
  arguments.insert(arguments.end(),
                   {"--stream", stream, "--aeron-dir", folder_ + "/aeron", "--base-dir",
                    folder_ + "/regions", "--mode", "direct", "--media-driver", "never", "--json"});
  return arguments;
}

Result<void> Demo::add(const char* name, const std::vector<std::string>& arguments) {
  auto child = Child::start(name, arguments);
  if (!child) return fail(std::move(child.error()));
  children_.push_back(std::move(*child));
  return {};
}

bool Demo::wait_ready() {
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (children_.back().last().is_null() && Clock::now() < deadline) {
    if (children_.back().fd() < 0 || cli::stop_requested()) return false;
    read_children(50);
  }
  return !children_.back().last().is_null();
}

Result<void> Demo::start() {
  std::error_code error;
  std::filesystem::create_directory(folder_ + "/regions", error);
  if (auto ok = add("media driver", {"media-driver", "--aeron-dir", folder_ + "/aeron"}); !ok)
    return ok;
  if (!wait_ready())
    return fail(Code::no_media_driver, "tp_demo", "the media driver's process did not start");
  const std::string& input = options_.input;
  const std::vector<std::pair<const char*, std::vector<std::string>>> rest{
      {"consumer a", with_places({"watch", "--expect", input}, main_stream)},
      {"consumer b", with_places({"watch", "--expect", input}, main_stream)},
      {"slow consumer",
       with_places({"watch", "--expect", small_source, "--slow-ms", "60", "--slow-every", "16"},
                   small_stream)},
      {"producer",
       with_places({"publish", "--input", input, "--loop", "--rate", "200"}, main_stream)},
      {"small producer",
       with_places({"publish", "--input", small_source, "--rate", "150", "--slots", "4"},
                   small_stream)}};
  for (const auto& [name, arguments] : rest) {
    if (auto ok = add(name, arguments); !ok) return ok;
  }
  return {};
}

void Demo::read_children(int timeout_ms) {
  std::vector<pollfd> waits;
  waits.reserve(children_.size());
  for (const Child& child : children_) waits.push_back({child.fd(), POLLIN, 0});
  if (::poll(waits.data(), waits.size(), timeout_ms) <= 0) return;
  for (std::size_t i = 0; i < waits.size(); ++i) {
    if (waits[i].revents != 0) children_[i].read();
  }
}

std::string row_of(const Child& child) {
  const Json& last = child.last();
  if (!last.is_object() || !last.contains("fps"))
    return fmt::format("{:<15} starting", child.name());
  std::string row = fmt::format("{:<15} {:>5} {:>9.1f} {:>9.1f}", child.name(),
                                last["stream"].get<std::uint32_t>(), last["fps"].get<double>(),
                                last["mib_per_s"].get<double>());
  if (last["role"] == "producer")
    return row + fmt::format(" {:>10}", last["published"].get<std::uint64_t>());
  const Json& latency = last["latency_ns"];
  const auto percentile = [&latency](const char* key) {
    return latency.is_null() ? std::string("-") : cli::human_ns(latency[key].get<std::int64_t>());
  };
  return row + fmt::format(" {:>10} {:>10} {:>10} {:>7} {:>6} {:>6}",
                           last["delivered"].get<std::uint64_t>(), percentile("p50"),
                           percentile("p99"), last["overwritten"].get<std::uint64_t>(),
                           last["lost"].get<std::uint64_t>(),
                           last["mismatched"].get<std::uint64_t>());
}

void Demo::show(double elapsed) {
  if (options_.json) {
    Json line{{"kind", "progress"}, {"seconds", elapsed}};
    for (std::size_t i = 1; i < children_.size(); ++i)
      line["processes"][children_[i].name()] = children_[i].last();
    return cli::print_json(line);
  }
  if (cli::on_terminal() && rows_shown_ > 0)
    std::fprintf(stdout, "\x1b[%zuA\x1b[J", rows_shown_);  // back to the top of the table
  rows_shown_ = children_.size() + 1;
  cli::print_line(fmt::format("{:.0f} of {:.0f} s", elapsed, options_.seconds));
  cli::print_line(cli::paint(
      cli::Colour::bold,
      fmt::format("{:<15} {:>5} {:>9} {:>9} {:>10} {:>10} {:>10} {:>7} {:>6} {:>6}", "process",
                  "strm", "frames/s", "MiB/s", "frames", "p50", "p99", "overwr", "lost", "wrong")));
  for (std::size_t i = 1; i < children_.size(); ++i) cli::print_line(row_of(children_[i]));
}

bool Demo::may_go_on() const {
  return !cli::stop_requested() &&
         std::ranges::all_of(children_, [](const Child& child) { return child.fd() >= 0; });
}

// True once every process has told of its first frame.
bool Demo::flowing() const {
  return std::all_of(children_.begin() + consumer_a, children_.end(), [](const Child& child) {
    const Json& last = child.last();
    return last.is_object() && last.value("published", 0U) + last.value("delivered", 0U) > 0;
  });
}

// The seconds count from the first frames on: a busy machine takes its time to start six processes.
void Demo::play() {
  const auto patience = Clock::now() + std::chrono::milliseconds(start_ms);
  while (!flowing() && may_go_on() && Clock::now() < patience) read_children(100);
  const auto begin = Clock::now();
  double shown = 0;
  for (double elapsed = 0; elapsed < options_.seconds && may_go_on();) {
    read_children(100);
    elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    if (elapsed - shown >= 1) show(shown = elapsed);
  }
}

// Ends producers first, so that consumers can count all that was sent.
int Demo::finish() {
  std::vector<int> codes(children_.size(), 0);
  const std::vector<std::vector<std::size_t>> order{
      {producer, small_producer}, {consumer_a, consumer_b, slow_consumer}, {media_driver}};
  for (const auto& group : order) {
    for (const std::size_t i : group) children_[i].interrupt();
    for (const std::size_t i : group) codes[i] = children_[i].finish(finish_ms);
  }
  std::vector<std::string> reasons;
  const bool good = judge(reasons, codes);
  if (options_.json) {
    Json line{{"kind", "summary"}, {"ok", good}, {"reasons", reasons}};
    for (std::size_t i = 1; i < children_.size(); ++i)
      line["processes"][children_[i].name()] = children_[i].summary();
    cli::print_json(line);
  } else {
    show(options_.seconds);
    for (const std::string& reason : reasons) cli::print_line(cli::paint(cli::Colour::red, reason));
    if (good) {
      cli::print_line(cli::paint(cli::Colour::green,
                                 "every delivered frame was proved and equal to its "
                                 "source; overwrites were caught; all books balance"));
    }
  }
  return good ? cli::exit_ok : cli::exit_failed;
}

bool Demo::judge(std::vector<std::string>& reasons, const std::vector<int>& codes) const {
  for (std::size_t i = 0; i < children_.size(); ++i) {
    const std::string& name = children_[i].name();
    if (codes[i] != 0) reasons.push_back(fmt::format("{}: exit code {}", name, codes[i]));
    if (i == media_driver) continue;
    const Json& summary = children_[i].summary();
    if (!summary.is_object()) {
      reasons.push_back(fmt::format("{}: no summary", name));
      continue;
    }
    if (!summary["balanced"].get<bool>())
      reasons.push_back(fmt::format("{}: the books do not balance", name));
    const bool sends = summary["role"] == "producer";
    if (summary[sends ? "published" : "delivered"].get<std::uint64_t>() == 0)
      reasons.push_back(fmt::format("{}: no frame", name));
    if (sends) continue;
    if (summary["mismatched"].get<std::uint64_t>() != 0)
      reasons.push_back(
          fmt::format("{}: a frame that was called whole was not the source's", name));
    if (summary["equal"] != summary["delivered"])
      reasons.push_back(fmt::format("{}: not every delivered frame was compared", name));
  }
  const Json& slow = children_[slow_consumer].summary();
  if (!slow.is_object() || slow["overwritten"].get<std::uint64_t>() == 0)
    reasons.push_back("slow consumer: nothing was overwritten, though it was slow on purpose");
  return reasons.empty();
}

// Once and here, rather than by every child for itself.
int check_input(const std::string& input) {
  const auto source = sources::open_source(input);
  if (!source) {
    cli::print_error("--input: " + source.error().message());
    return source.error().code() == Code::invalid_argument ? cli::exit_usage : cli::exit_failed;
  }
  if ((*source)->size() != 0) return cli::exit_ok;
  cli::print_error("--input: consumers compare with the source, so it cannot be a pipe");
  return cli::exit_usage;
}

int run(const DemoOptions& options) {
  if (const int code = check_input(options.input); code != cli::exit_ok) return code;
  const Folder folder;
  if (folder.path().empty()) {
    cli::print_error("cannot make a folder below /dev/shm");
    return cli::exit_failed;
  }
  Demo demo(options, folder.path());
  if (auto started = demo.start(); !started) return cli::failed(started.error());
  demo.play();
  return demo.finish();
}

}  // namespace

}  // namespace tensorpool::demo

int main(int argc, char** argv) {
  using namespace tensorpool;
  cli::catch_signals();
  CLI::App app{"Frames from one process to others through shared memory", "demo"};
  demo::DemoOptions options;
  int exit_code = cli::exit_ok;
  app.add_option("--seconds", options.seconds, "how long")
      ->capture_default_str()
      ->check(cli::between(2, 86400));
  app.add_option("--input", options.input, "source of the main stream, as in tp publish")
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line; the last is the summary");
  app.footer(
      fmt::format("Exit code 0 only if frames were delivered, every one of them proved and\n"
                  "equal to its source, overwrites were caught on the small stream, and all\n"
                  "books balance.\n\nExamples:\n  ./run demo --seconds 5\n"
                  "  ./run demo --input photos/ --json\n\n{}",
                  cli::exit_codes_text));
  // What the children are; hidden, since `tp` is the door to them.
  for (CLI::App* hidden :
       {cli::register_publish(app, exit_code), cli::register_watch(app, exit_code),
        cli::register_media_driver(app, exit_code)})
    hidden->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli::not_run(app, error);
  } catch (const std::exception& error) {
    cli::print_error(error.what());
    return cli::exit_failed;
  }
  return app.get_subcommands().empty() ? demo::run(options) : exit_code;
}
