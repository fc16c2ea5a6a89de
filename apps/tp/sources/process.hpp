// Another program whose standard output is read: no shell, so that no argument can be a command.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tensorpool/error.hpp"

namespace tensorpool::sources {

// One thread. Destroying it kills the program if it still runs, and waits for its end.
class Process {
 public:
  // Runs arguments[0], found on PATH, in a process group of its own (Ctrl-C is the caller's to
  // handle), with nothing on standard input and no other open file. Code::unsupported when there is
  // no such program; the text names `package`, the Debian package that has it.
  static Result<Process> start(const std::vector<std::string>& arguments,
                               const std::string& package);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { end(); }

  // Up to out.size() bytes of its output, at least one; 0 at the end of the output. Keeps what it
  // says on standard error meanwhile. Code::closed once a signal asked this process to stop.
  Result<std::size_t> read(std::span<std::byte> out);

  // How it ended, after read() said 0: "" for exit code 0, else "exit code 1" or "signal 9
  // (Killed)". Waits some seconds for the end, then ends it.
  std::string how_it_failed();
  // The last line that it wrote on standard error, without control characters.
  std::string last_words() const;

 private:
  Process() = default;
  void keep_words();
  void end() noexcept;
  int wait() noexcept;
  bool ends_by_itself();

  std::string name_;
  pid_t pid_ = -1;
  int out_ = -1;
  int words_ = -1;
  int status_ = 0;
  std::string tail_;  // the end of its standard error
};

}  // namespace tensorpool::sources
