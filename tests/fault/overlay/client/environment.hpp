// In front of src/client/environment.hpp where the client is built with faults.
#pragma once

#include <memory>

#include "agents/aeron_env.hpp"
#include "fault/faulty_files.hpp"
#include "fault/faulty_transport.hpp"
#include "fault/point.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::client {

struct PortEnv : agents::AeronEnv {
  template <agents::Step S>
  static void step() noexcept {
    fault::visit(fault::point_of(S));
  }
};

using HostFileSystem = fault::FaultyFileSystem;

inline std::unique_ptr<transport::Transport> make_transport() {
  return fault::make_faulty(transport::aeron::make_transport());
}

}  // namespace tensorpool::client
