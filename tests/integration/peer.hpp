// A stream_peer process, seen from the test.
#pragma once

#include <cstdint>

#include "support/child.hpp"
#include "support/folder.hpp"

namespace tensorpool::integration {

class Peer : public test::Child {
 public:
  // Returns when it is ready: a producer can publish, a consumer exists, a media driver serves. Throws
  // when it is not.
  Peer(const char* role, const test::Places& folder, std::uint32_t stream, std::uint32_t slots);

  Books stats() { return ask("stats"); }
  void kill();    // -9; returns once it is gone
  void pause();   // SIGSTOP; returns once it stands still
  void resume();  // SIGCONT
};

}  // namespace tensorpool::integration
