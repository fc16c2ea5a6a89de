// A process that takes commands on standard input and answers each with one line, seen from the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/eventually.hpp"

namespace tensorpool::test {

class Child {
 public:
  using Books = std::map<std::string, std::uint64_t>;

  // Starts the program `name`, which lies beside this one, and waits for nothing. Throws when there is
  // no process to be had.
  Child(const std::string& name, std::vector<std::string> arguments);
  Child(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child& operator=(Child&&) = delete;
  ~Child();  // kills, stopped or not, and reaps

  pid_t pid() const noexcept { return pid_; }
  // Its next line without the end; empty when it ended or said nothing for so long.
  std::string read_line(std::chrono::seconds wait = patience);
  // Sends a command and waits for nothing; false when nobody takes it.
  bool post(const std::string& command) const;
  // Sends a command and gives the name=value pairs of its answer; empty when there is none.
  Books ask(const std::string& command, std::chrono::seconds wait = patience);
  // `close`, and a clean end: the last books. Throws when it was none.
  Books close();
  void signal(int number) const;
  // Waits until it has stopped or ended; the status of waitpid(). Nothing when it does neither.
  bool changed(int& status);
  // Waits for its end. Once.
  int reap();

  static Books parse(const std::string& line);

 private:
  std::string name_;
  std::string buffer_;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

}  // namespace tensorpool::test
