// A transport that says what was asked of it, and refuses when told to.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "transport/transport.hpp"

namespace tensorpool::agents::test {

// What happened to the links of all connections, in order: "+publication aeron:ipc 1100",
// "-publication 1100", "+subscription …", "+counter LABEL", "+connection", "-connection".
struct Spy {
  std::vector<std::string> log;
  // Adds fail while their text (as above, without the sign) begins with this; empty: none.
  std::string refuse;
  std::string refusal = "the media driver has no memory left";

  int count(const std::string& entry) const;
  // The place of the first entry that begins with `entry`; -1: none.
  int find(const std::string& entry) const;
};

std::unique_ptr<transport::Transport> spy_on(std::unique_ptr<transport::Transport> inner,
                                             std::shared_ptr<Spy> spy);

}  // namespace tensorpool::agents::test
