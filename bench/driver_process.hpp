// A tp_driver of the bench's own with its media driver inside, and what its clients need to know.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "stage.hpp"
#include "tensorpool/client.hpp"

namespace tensorpool::bench {

// Stream of every bench here; the profile is 8 slots of 64 KiB.
inline constexpr std::uint32_t driver_stream = 10'000;
inline constexpr std::chrono::seconds driver_patience{60};

struct DriverPlaces {
  std::string aeron_dir;
  std::string base_dir;
  std::uint32_t keepalive_ms = 1000;
};

// In driver mode, with the driver's times. A refused or failed attach is repeated every tenth of a keepalive
// interval: what is measured is the driver and not the patience of a client.
ClientOptions driver_client_options(const DriverPlaces& places);
// Throws what went wrong.
Client driver_client(const DriverPlaces& places);

// A program that is killed with this object, or with the bench. Its standard output is ours to read.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  // Its next line; throws when it ended, or says nothing for driver_patience.
  std::string line();
  // SIGKILL, and waits for its end.
  void kill();
  pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string buffer_;
};

// Alive and ready when it is made.
class DriverProcess {
 public:
  // In `folder`, which is made. Announces come at the keepalive interval.
  DriverProcess(const std::string& program, const std::string& folder, std::uint32_t keepalive_ms);

  const DriverPlaces& places() const noexcept { return places_; }
  pid_t pid() const noexcept { return child_.pid(); }

 private:
  DriverPlaces places_;
  Child child_;
};

}  // namespace tensorpool::bench
