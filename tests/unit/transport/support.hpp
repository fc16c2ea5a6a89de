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

// How the tests ask and connect: nobody drives most of these media drivers, and a crowded machine stops
// this process too, so a heartbeat may be old.
inline ConnectOptions patient(const std::string& directory) {
  ConnectOptions options;
  options.directory = directory;
  options.driver_timeout_ns = 60'000'000'000;
  return options;
}

inline bool alive(const std::string& directory) {
  return make_transport()->probe(patient(directory)).alive;
}

}  // namespace tensorpool::transport::aeron
