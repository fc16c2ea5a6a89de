// What the ports and the conductor of this library are compiled for. tests/fault builds the client a
// second time with a header of this name in front of this one, whose types stop or kill the process
// at named points; the product has no hook at all.
#pragma once

#include <memory>

#include "agents/aeron_env.hpp"
#include "base/posix_file_system.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::client {

using PortEnv = agents::AeronEnv;
using HostFileSystem = base::PosixFileSystem;

inline std::unique_ptr<transport::Transport> make_transport() {
  return transport::aeron::make_transport();
}

}  // namespace tensorpool::client
