// A fault_peer process, seen from the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace tensorpool::fault {

using namespace std::chrono_literals;

inline constexpr auto patience = 60s;  // of every wait: a failure, never a pace

// True once `done` holds. `done` may do work of its own.
bool eventually(const std::function<bool()>& done);

// Where and how a peer stops or dies; see fault_peer.cpp.
struct Fault {
  std::string point = "none";
  std::uint64_t visit = 0;
  int signal = 0;
  std::string when = "frames";
};

struct Setting {
  std::string aeron_dir;
  std::string base_dir;
  std::string space = "default";  // the namespace of producers
  std::uint32_t stream = 0;
  std::uint32_t slots = 4096;
  std::string term = "1m";
};

class Peer {
 public:
  using Books = std::map<std::string, std::uint64_t>;

  // Starts it and waits for nothing.
  Peer(const char* role, const Setting& setting, std::uint64_t sender = 0, const Fault& fault = {});
  Peer(Peer&& other) noexcept;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  Peer& operator=(Peer&&) = delete;
  ~Peer();  // kills, stopped or not

  pid_t pid() const noexcept { return pid_; }
  // Waits for its first line; false when it ended or said that it was refused.
  bool ready();
  // The text of a refusal; empty for a peer that was not refused.
  std::string refusal();
  // Sends a command and gives its answer; empty when there is none.
  Books ask(const std::string& command, std::chrono::seconds wait = patience);
  // Waits until the peer is stopped or killed by `signal`, as planned.
  bool struck_by(int signal);
  void signal(int number) const;
  // A clean end: the last books. Throws when it was none.
  Books close();

 private:
  std::string read_line(std::chrono::seconds wait = patience);

  std::string buffer_;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

}  // namespace tensorpool::fault
