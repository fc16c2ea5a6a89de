// One run of the demo: starts everybody, shows them, kills whom it was told to, ends them and judges.
#pragma once

#include <string>
#include <vector>

#include "demo/kill.hpp"
#include "demo/roles.hpp"
#include "demo/show.hpp"

namespace tensorpool::demo {

struct DemoOptions {
  double seconds = 10;
  std::string input = "stars";
  std::vector<Role> kills;  // one after the other, spread over the run
  bool json = false;
};

class Demo {
 public:
  Demo(const DemoOptions& options, const Folder& folder) : options_(options), folder_(folder) {}

  Result<void> start(const Input& input);
  // Until the time is over and everybody has got over every kill.
  void play();
  // Ends everybody, prints the summary; the exit code.
  int finish();

 private:
  Result<void> add(Role role);
  Result<void> start_ready(Role role);
  bool wait_ready(Role role);
  void read_children(int timeout_ms);
  bool may_go_on() const;
  bool flowing() const;
  void wait_for_frames();
  void kill_when_due(double elapsed);
  void kill(Role role, double elapsed);
  void see_recovery();
  bool done(double elapsed) const;
  void show(double elapsed);
  void say(const char* kind, const cli::Json& object, const std::string& text);
  void print_summary(const std::vector<std::string>& reasons);
  void print_errors() const;

  const DemoOptions& options_;
  const Folder& folder_;
  std::vector<Command> commands_;  // by role
  std::vector<Child> children_;    // by role
  std::vector<Recovery> recoveries_;
  bool recovering_ = false;           // from the last of them
  double calm_since_s_ = 0;           // when the last recovery was over
  std::vector<std::string> reasons_;  // what went wrong before the end
  Table table_;
};

}  // namespace tensorpool::demo
