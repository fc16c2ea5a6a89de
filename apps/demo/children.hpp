// Child processes of the demo: subcommands of this program and tp_driver, whose JSON lines arrive through a pipe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tensorpool/error.hpp"
#include "tp/json.hpp"

namespace tensorpool::demo {

// What to start.
struct Command {
  std::string name;     // for people
  std::string program;  // a path; empty: this program
  std::vector<std::string> arguments;
  // Its JSON lines come on standard error, as the driver's log does.
  bool speaks_on_stderr = false;
};

// One child. Dropping it kills it; it also dies with its parent. What it says on standard error, if that is not
// its pipe, is appended to the file `errors`.
class Child {
 public:
  static Result<Child> start(const Command& command, const std::string& errors);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  // Its end of the pipe; -1 once the child closed it.
  int fd() const { return fd_; }
  // Takes what the pipe holds. Call when fd() is readable.
  void read();

  // The last progress or summary of a producer or consumer, and the last summary; null without one.
  const cli::Json& last() const { return last_; }
  const cli::Json& summary() const { return summary_; }
  // A media driver or driver that says that it is ready.
  bool ready() const { return ready_; }
  // How often it was attached to its stream, and with what epoch the last time; how often it was connected
  // to a media driver after a loss.
  std::uint64_t attached() const { return attached_; }
  std::uint64_t epoch() const { return epoch_; }
  std::uint64_t reconnected() const { return reconnected_; }
  // Frames that it has delivered or published, as far as it has told.
  std::uint64_t frames() const;

  // SIGKILL, and waits until it is gone.
  void kill() noexcept;
  // Asks it to end.
  void interrupt() const;
  // Reads until it has closed its pipe, then collects its exit code; kills it after the timeout.
  int finish(int timeout_ms);

 private:
  Child() = default;
  void take_line(const std::string& line);

  std::string buffer_;
  cli::Json last_;
  cli::Json summary_;
  std::uint64_t attached_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t reconnected_ = 0;
  bool ready_ = false;
  pid_t pid_ = -1;
  int fd_ = -1;
};

}  // namespace tensorpool::demo
