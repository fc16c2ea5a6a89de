// What a client tells outside the frame path, as people and programs are told it: each thing once.
#pragma once

#include <mutex>
#include <string>

#include "tensorpool/tensorpool.hpp"

namespace tensorpool::cli {

// Any thread: notices come on the conductor's.
class News {
 public:
  // `json`: objects of kind "lease" and "connection" on standard output instead of text.
  News(Mode mode, std::int32_t control_stream, bool json)
      : mode_(mode), control_stream_(control_stream), json_(json) {}

  void tell(const Notice& notice);

  // Why there is no lease; empty while there is one, none was tried for, or in direct mode.
  std::string trouble() const;
  // What to do about a media driver that is not there.
  std::string media_driver_hint() const;
  // An error of a request in words that say what to do on this command line.
  Error explained(Error error) const;

 private:
  void tell_lease(const Notice& notice);
  void tell_connection(const Notice& notice);
  std::string failure(std::string_view text) const;

  const Mode mode_;
  const std::int32_t control_stream_;
  const bool json_;
  mutable std::mutex mutex_;
  std::string aeron_dir_;
  std::string trouble_;
  bool attached_once_ = false;
  bool lost_ = false;  // the media driver
};

// True when `text` was the last thing that was said on standard error by way of this.
bool told(std::string_view text);

}  // namespace tensorpool::cli
