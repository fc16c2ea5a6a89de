// A connection, for tests that have nothing to do meanwhile: asks until there is an outcome.
#pragma once

#include <thread>

#include "transport/transport.hpp"

namespace tensorpool::transport {

inline Result<std::unique_ptr<Connection>> connect_now(Transport& transport,
                                                       const ConnectOptions& options) {
  for (;;) {
    auto connection = transport.connect(options);
    if (connection || connection.error().code() != Code::connecting) return connection;
    std::this_thread::yield();
  }
}

}  // namespace tensorpool::transport
