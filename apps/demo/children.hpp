// Child processes of the demo: this program again, as a subcommand of the command line, whose JSON
// lines arrive through a pipe.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tensorpool/error.hpp"
#include "tp/output.hpp"

namespace tensorpool::demo {

// One child. Dropping it kills it; it also dies with its parent.
class Child {
 public:
  static Result<Child> start(std::string name, const std::vector<std::string>& arguments);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  const std::string& name() const { return name_; }
  // Its end of the pipe; -1 once the child closed it.
  int fd() const { return fd_; }
  // Takes what the pipe holds. Call when fd() is readable.
  void read();
  // The last object of each kind that the child printed; null when there was none.
  const cli::Json& last() const { return last_; }
  const cli::Json& summary() const { return summary_; }

  // Asks it to end.
  void interrupt() const;
  // Reads until it has closed its pipe, then collects its exit code; kills it after the timeout.
  int finish(int timeout_ms);

 private:
  Child() = default;
  void take_line(const std::string& line);

  std::string name_;
  std::string buffer_;
  cli::Json last_;
  cli::Json summary_;
  pid_t pid_ = -1;
  int fd_ = -1;
};

}  // namespace tensorpool::demo
