// A fault_peer process, seen from the test.
#pragma once

#include <cstdint>
#include <string>

#include "support/child.hpp"

namespace tensorpool::fault {

// Frames that a producer may be refused though nobody holds it up: where the machine leaves the media driver no time to
// raise the limit. A subscriber that stands still would have it refuse all of them.
inline constexpr std::uint64_t refused_by_chance = 3;

using namespace std::chrono_literals;
using test::eventually;
using test::patience;

// Where and how a peer stops or dies. Armed at the start, with the first frame that a producer sends or a
// consumer reads, or by the command `arm` (of peers of driver mode).
struct Fault {
  std::string point = "none";
  std::uint64_t visit = 0;
  int signal = 0;
  std::string when = "frames";
};

struct Setting {
  std::string aeron_dir;
  std::string base_dir;
  std::string space = "default";  // the namespace of producers and drivers
  std::uint32_t stream = 0;
  std::uint32_t slots = 4096;
  std::string term = "1m";
  // Driver mode.
  std::uint32_t ports = 1;      // one on each of `stream` and the streams after it
  std::int32_t control = 1000;  // stream id; announces are on the next one
  std::uint32_t file_mode = 0660;
  // Who the process is (0: as the test), and what files a client is willing to map (0: anybody's).
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t owner = 0;
  std::uint32_t forbidden = 0007;
};

class Peer : public test::Child {
 public:
  // Starts it and waits for nothing.
  Peer(const char* role, const Setting& setting, std::uint64_t sender = 0, const Fault& fault = {});

  // Waits for its first line; false when it ended or said that it was refused.
  bool ready();
  // The text of a refusal; empty for a peer that was not refused.
  std::string refusal();
  // Waits until the peer is stopped or killed by `signal`, as planned.
  bool struck_by(int signal);
  // Stops or kills it here and now.
  bool strike(int signal) {
    this->signal(signal);
    return struck_by(signal);
  }
  // The answer to a command as it is, for texts.
  std::string text(const std::string& command) { return post(command) ? read_line() : ""; }
};

}  // namespace tensorpool::fault
