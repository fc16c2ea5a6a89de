// sd_notify(3) by hand: what systemd wants to be told goes as one datagram to the socket it names.
#pragma once

#include <string>
#include <string_view>

#include "config/load.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::driver_program {

class ServiceManager {
 public:
  // By NOTIFY_SOCKET; without it every tell() does nothing.
  explicit ServiceManager(const config::Environment& environment);

  bool present() const noexcept { return !socket_.empty(); }
  // Lines such as "READY=1\nSTATUS=…". Never waits. Errors: invalid_argument for an address that is neither a path nor
  // an abstract name ("@…") of at most 107 bytes; system_error.
  Result<void> tell(std::string_view lines) const;

 private:
  std::string socket_;
};

}  // namespace tensorpool::driver_program
