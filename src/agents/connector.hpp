// Finds a media driver, connects to it, and notices its end: what every agent with a connection of its
// own does (docs/internals/concurrency.md section 5).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agents/generation.hpp"
#include "base/clock.hpp"
#include "transport/transport.hpp"

namespace tensorpool::agents {

class Connector {
 public:
  // The transport outlives the connector.
  Connector(transport::Transport& transport, transport::ConnectOptions options)
      : transport_(transport), options_(std::move(options)) {}

  struct Step {
    bool connected = false;  // `generation` was made
    std::string_view
        lost;  // why `generation` is of no use any more; empty: it is, or there is none
    std::string complaint;  // what is in the way and is news; empty: nothing
  };
  // One look, at most every 100 ms; never waits. Makes `generation` where it is null and a media driver
  // lives. One that is lost is left to the caller to drop.
  Step do_work(base::Nanos now, std::shared_ptr<Generation>& generation);

  std::string directory() const { return transport_.directory(options_); }

 private:
  Step look_after(const Generation& generation);
  Step connect(std::shared_ptr<Generation>& generation);
  // The text where it is news.
  std::string once(const std::string& text);

  transport::Transport& transport_;
  const transport::ConnectOptions options_;
  base::Nanos next_probe_ns_ = 0;
  bool opening_ = false;               // the transport is making a connection: ask it every cycle
  std::int64_t opening_start_ns_ = 0;  // the life of the media driver that it is made to
  std::string last_complaint_;
};

}  // namespace tensorpool::agents
