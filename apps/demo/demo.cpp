#include "demo/demo.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "demo/judge.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"

namespace tensorpool::demo {

namespace {

using cli::Json;
using std::chrono::milliseconds;

// A busy machine takes its time to start seven processes, and to end them.
constexpr milliseconds start_patience{60'000};
constexpr milliseconds recovery_patience{60'000};
constexpr int finish_ms = 30'000;
// Frames that are seen to flow before the next kill, and before the end.
constexpr double calm_s = 1;
constexpr std::size_t errors_shown = 40;  // lines

}  // namespace

Result<void> Demo::add(Role role) {
  auto child = Child::start(commands_[index(role)], folder_.errors());
  if (!child) return fail(std::move(child.error()));
  if (index(role) == children_.size()) {
    children_.push_back(std::move(*child));
  } else {
    children_[index(role)] = std::move(*child);
  }
  return {};
}

bool Demo::wait_ready(Role role) {
  const auto deadline = Clock::now() + start_patience;
  const Child& child = children_[index(role)];
  while (!child.ready() && Clock::now() < deadline) {
    if (child.fd() < 0 || cli::stop_requested()) return false;
    read_children(50);
  }
  return child.ready();
}

Result<void> Demo::start_ready(Role role) {
  if (auto ok = add(role); !ok) return ok;
  if (wait_ready(role)) return {};
  print_errors();
  return fail(Code::timeout, "tp_demo", fmt::format("the {} did not start", name(role)));
}

Result<void> Demo::start(const Input& input) {
  auto commands = prepare(folder_.path(), input);
  if (!commands) return fail(std::move(commands.error()));
  commands_ = std::move(*commands);
  children_.reserve(roles);
  for (std::size_t i = 0; i < roles; ++i) {
    const Role role{static_cast<std::uint8_t>(i)};
    if (auto ok = is_client(role) ? add(role) : start_ready(role); !ok) return ok;
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

bool Demo::may_go_on() const {
  return reasons_.empty() && !cli::stop_requested() &&
         std::ranges::all_of(children_, [](const Child& child) { return child.fd() >= 0; });
}

// True once every producer and consumer has told of its first frame.
bool Demo::flowing() const {
  return std::all_of(children_.begin() + index(Role::producer), children_.end(),
                     [](const Child& child) { return child.frames() > 0; });
}

void Demo::wait_for_frames() {
  const auto deadline = Clock::now() + start_patience;
  while (!flowing() && may_go_on() && Clock::now() < deadline) read_children(100);
}

// The seconds count from the first frames on.
void Demo::play() {
  wait_for_frames();
  const auto begin = Clock::now();
  double shown = 0;
  for (double elapsed = 0; !done(elapsed) && may_go_on();) {
    read_children(20);
    elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    see_recovery();
    if (recovering_) calm_since_s_ = elapsed;
    kill_when_due(elapsed);
    if (elapsed - shown >= 1) show(shown = elapsed);
  }
}

bool Demo::done(double elapsed) const {
  if (recovering_ || recoveries_.size() < options_.kills.size()) return false;
  return elapsed >= options_.seconds && (recoveries_.empty() || elapsed >= calm_since_s_ + calm_s);
}

// Spread evenly; each after the one before was got over.
void Demo::kill_when_due(double elapsed) {
  const std::size_t next = recoveries_.size();
  if (recovering_ || next == options_.kills.size()) return;
  const double due = options_.seconds * static_cast<double>(next + 1) /
                     static_cast<double>(options_.kills.size() + 1);
  if (elapsed >= std::max(due, calm_since_s_ + calm_s)) kill(options_.kills[next], elapsed);
}

void Demo::kill(Role role, double elapsed) {
  Recovery recovery(role, children_[index(role)].pid(), elapsed, children_);
  children_[index(role)].kill();
  if (auto started = add(role); !started) {
    reasons_.push_back(started.error().message());
    return;
  }
  recovering_ = true;
  recoveries_.push_back(recovery);
  say("killed", recovery.json(), recovery.told());
}

void Demo::see_recovery() {
  if (!recovering_) return;
  Recovery& recovery = recoveries_.back();
  if (recovery.over(children_)) {
    recovering_ = false;
    say("recovered", recovery.json(), recovery.told_over());
  } else if (recovery.age() > recovery_patience) {
    reasons_.push_back(recovery.missing(children_));
  }
}

void Demo::say(const char* kind, const Json& object, const std::string& text) {
  if (!options_.json) return table_.say(cli::paint(cli::Colour::yellow, text));
  Json line{{"kind", kind}};
  line.update(object);
  cli::print_json(line);
}

void Demo::show(double elapsed) {
  if (!options_.json)
    return table_.show(fmt::format("{:.0f} of {:.0f} s", elapsed, options_.seconds), children_);
  Json line{{"kind", "progress"}, {"seconds", elapsed}};
  for (std::size_t i = 0; i < children_.size(); ++i) {
    const Role role{static_cast<std::uint8_t>(i)};
    if (is_client(role)) line["processes"][std::string(name(role))] = children_[i].last();
  }
  cli::print_json(line);
}

// Ends producers first, so that consumers can count all that was sent.
int Demo::finish() {
  std::vector<int> codes(children_.size(), 0);
  const std::vector<std::vector<Role>> order{
      {Role::producer, Role::small_producer},
      {Role::consumer_a, Role::consumer_b, Role::slow_consumer},
      {Role::driver},
      {Role::media_driver}};
  for (const auto& group : order) {
    for (const Role role : group) children_[index(role)].interrupt();
    for (const Role role : group) codes[index(role)] = children_[index(role)].finish(finish_ms);
  }
  std::vector<std::string> reasons = reasons_;
  std::ranges::move(judge(children_, codes), std::back_inserter(reasons));
  if (recoveries_.size() < options_.kills.size() || (recovering_ && reasons_.empty()))
    reasons.emplace_back("ended before everybody had got over every kill");
  print_summary(reasons);
  if (!reasons.empty()) print_errors();
  return reasons.empty() ? cli::exit_ok : cli::exit_failed;
}

void Demo::print_summary(const std::vector<std::string>& reasons) {
  if (options_.json) {
    Json line{{"kind", "summary"}, {"ok", reasons.empty()}, {"reasons", reasons}};
    line["kills"] = Json::array();
    for (const Recovery& recovery : recoveries_) line["kills"].push_back(recovery.json());
    for (std::size_t i = 0; i < children_.size(); ++i) {
      const Role role{static_cast<std::uint8_t>(i)};
      if (is_client(role)) line["processes"][std::string(name(role))] = children_[i].summary();
    }
    return cli::print_json(line);
  }
  table_.show("in all", children_);
  for (const Recovery& recovery : recoveries_) {
    if (&recovery == &recoveries_.back() && recovering_) break;
    cli::print_line(recovery.told() + "; " + recovery.told_over());
  }
  for (const std::string& reason : reasons) cli::print_line(cli::paint(cli::Colour::red, reason));
  if (!reasons.empty()) return;
  cli::print_line(cli::paint(cli::Colour::green,
                             "every delivered frame was proved and equal to its source;\n"
                             "overwrites were caught; all books balance"));
}

// The last of what the processes said on standard error: on a terminal it would have torn the table.
void Demo::print_errors() const {
  std::vector<std::string> lines;
  std::ifstream file(folder_.errors());
  for (std::string line; std::getline(file, line);) {
    if (lines.size() == errors_shown) lines.erase(lines.begin());
    lines.push_back(std::move(line));
  }
  for (const std::string& line : lines) std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace tensorpool::demo
