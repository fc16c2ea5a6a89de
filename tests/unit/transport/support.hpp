// A folder of its own for every test of a media driver, and small settings.
#pragma once

#include <string>

#include "support/eventually.hpp"
#include "support/folder.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/media_driver.hpp"
#include "unit/transport/connect_now.hpp"

namespace tensorpool::transport::aeron {

using test::Folder;

inline EmbeddedDriverOptions small_driver(const std::string& directory, bool invoked = true) {
  EmbeddedDriverOptions options;
  options.directory = directory;
  options.invoked = invoked;
  options.term_bytes = 64U << 10U;
  options.sparse_terms = true;
  options.timer_interval_ns = 10'000'000;
  return options;
}

inline bool alive(const std::string& directory) {
  ConnectOptions options;
  options.directory = directory;
  return make_transport()->probe(options).alive;
}

}  // namespace tensorpool::transport::aeron
