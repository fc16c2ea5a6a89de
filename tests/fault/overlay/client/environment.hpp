// In front of src/client/environment.hpp where the client is built with faults.
#pragma once

#include "agents/aeron_env.hpp"
#include "base/posix_file_system.hpp"
#include "fault/point.hpp"

namespace tensorpool::client {

struct PortEnv : agents::AeronEnv {
  template <agents::Step S>
  static void step() noexcept {
    fault::visit(fault::point_of(S));
  }
};

class HostFileSystem final : public base::PosixFileSystem {
 public:
  Result<std::byte*> map(const base::File& file, std::uint64_t bytes,
                         base::Access access) override {
    fault::visit(fault::Point::mapping);
    return PosixFileSystem::map(file, bytes, access);
  }
};

}  // namespace tensorpool::client
