// A folder of its own for every test of a media driver, and small settings.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/media_driver.hpp"
#include "unit/transport/connect_now.hpp"

namespace tensorpool::transport::aeron {

class Folder {
 public:
  Folder() {
    std::array<char, 64> name{"/dev/shm/tensorpool-transport-XXXXXX"};
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name.data();
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

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
