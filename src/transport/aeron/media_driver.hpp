// Aeron's C media driver inside this process, in a thread of its own or invoked.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::transport::aeron {

// Defaults are those that keep a standing subscriber from holding up a publisher: the driver looks
// often and lets go of an untethered laggard soon (docs/internals/aeron-facts.md).
struct EmbeddedDriverOptions {
  std::string directory;                // empty: AERON_DIR, then Aeron's default
  bool invoked = false;                 // do_work() drives it; otherwise one thread
  std::size_t term_bytes = 16U << 20U;  // where a channel names none
  bool sparse_terms = false;            // true for tests: no pages until they are used
  base::Nanos timer_interval_ns = 10'000'000;
  base::Nanos untethered_timeout_ns = 100'000'000;
  base::Nanos client_liveness_ns = 10'000'000'000;
  base::Nanos linger_ns = 1'000'000'000;
  bool delete_directory = true;  // at the end
};

class EmbeddedMediaDriver {
 public:
  // Errors: rejected when a media driver is already running in the directory or being started there,
  // naming its process; invalid_argument for a relative or over-long directory and for one that holds
  // anything else than files of a media driver of this version, which this user may write;
  // system_error; transport_error. A directory that a dead media driver left
  // behind is replaced. Any thread; of two launches at once exactly one succeeds.
  static Result<std::unique_ptr<EmbeddedMediaDriver>> launch(const EmbeddedDriverOptions& options);

  EmbeddedMediaDriver(const EmbeddedMediaDriver&) = delete;
  EmbeddedMediaDriver& operator=(const EmbeddedMediaDriver&) = delete;
  // Close all clients of this process first.
  ~EmbeddedMediaDriver();

  // Invoked mode: one duty cycle.
  int do_work();
  const std::string& directory() const noexcept;

 private:
  struct Impl;
  explicit EmbeddedMediaDriver(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tensorpool::transport::aeron
