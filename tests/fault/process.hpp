// A fault_peer process, seen from the test.
#pragma once

#include <cstdint>
#include <string>

#include "support/child.hpp"

namespace tensorpool::fault {

using namespace std::chrono_literals;
using test::eventually;
using test::patience;

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
};

}  // namespace tensorpool::fault
