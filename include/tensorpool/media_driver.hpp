// A media driver inside this process, for programs that do not want to run one beside them.
#pragma once

#include <memory>
#include <string>

#include "tensorpool/error.hpp"
#include "tensorpool/export.hpp"

namespace tensorpool {

struct MediaDriverOptions {
  std::string aeron_dir{};  // empty: AERON_DIR, then Aeron's default
};

// Runs Aeron's C media driver in one thread of its own, with the settings that keep a standing
// subscriber from holding up a producer. Any thread may call it; destroy it last, after the clients
// of this process. Destroying it ends it and removes its directory; clients lose their connection.
//
// Where Aeron's duty cycle fails, which it does not come back from, the thread ends, as Aeron's own would. alive()
// then turns false within the time that clients allow a media driver to be silent, and they say no_media_driver: its
// process is there, but last worked so long ago. Destroy this object and launch anew.
class TENSORPOOL_EXPORT MediaDriver {
 public:
  // Errors: rejected when a live media driver already owns the directory or is being started there,
  // naming its process; invalid_argument for a relative or over-long directory and for one that holds
  // anything else than files of a media driver of this version, which this user may write;
  // system_error; transport_error. What a dead media driver left
  // behind is replaced.
  static Result<MediaDriver> launch(const MediaDriverOptions& options = {});
  // True when a live media driver serves the directory (empty: as in MediaDriverOptions).
  static bool alive(const std::string& aeron_dir = {});

  MediaDriver(MediaDriver&&) noexcept;
  MediaDriver& operator=(MediaDriver&&) noexcept;
  ~MediaDriver();
  const std::string& aeron_dir() const noexcept;

 private:
  struct Impl;
  explicit MediaDriver(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tensorpool
