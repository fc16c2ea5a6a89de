// A media driver's CnC file, looked at from outside: what it says, and why nobody can connect.
#pragma once

#include <aeronc.h>

#include <cstdint>
#include <memory>
#include <string>

#include "transport/transport.hpp"

namespace tensorpool::transport::aeron {

struct CncDeleter {
  void operator()(aeron_cnc_t* cnc) const noexcept { aeron_cnc_close(cnc); }
};
using Cnc = std::unique_ptr<aeron_cnc_t, CncDeleter>;

// The CnC file in `directory`, mapped read-only; null where there is none that Aeron understands,
// with Aeron's error on this thread. Never waits.
Cnc open_cnc(const std::string& directory) noexcept;

// What tells a CnC file from the one of another life of a media driver without looking into it: a new one is a new
// file, and its time of change does not come again. All 0 where there is none.
struct CncFile {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t changed_s = 0;
  std::int64_t changed_ns = 0;
  friend bool operator==(const CncFile&, const CncFile&) = default;
};
CncFile cnc_file(const std::string& directory);

// Everything that aeron_init waits for, asked beforehand: a CnC file that this user may read and
// write, of this Aeron's version and of full length, whose process lives and beats. Never waits, and
// trusts nothing in the file.
MediaDriverState look_at_media_driver(const std::string& directory, base::Nanos driver_timeout_ns);

}  // namespace tensorpool::transport::aeron
