// A stream_peer process, seen from the test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace tensorpool::integration {

class Folder;

class Peer {
 public:
  using Books = std::map<std::string, std::uint64_t>;

  // Returns when it is ready: a producer can publish, a consumer exists, a media driver serves. Throws
  // when it is not.
  Peer(const char* role, const Folder& folder, std::uint32_t stream, std::uint32_t slots);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();  // kills

  // Sends a command and gives its answer; empty when the process ended without one.
  Books ask(const std::string& command);
  Books stats() { return ask("stats"); }
  // A clean end: the last books. Throws when it was none.
  Books close();
  void kill();    // -9
  void pause();   // SIGSTOP; returns once it stands still
  void resume();  // SIGCONT
  pid_t pid() const noexcept { return pid_; }

 private:
  Books read_line();

  std::string buffer_;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

}  // namespace tensorpool::integration
