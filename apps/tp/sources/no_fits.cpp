// Stands for fits.cpp in builds without cfitsio.
#include <fmt/format.h>

#include "tp/sources/fits.hpp"

namespace tensorpool::sources {

bool fits_built_in() noexcept { return false; }

Result<std::unique_ptr<Source>> open_fits(const std::string& path) {
  return fail(Code::unsupported, "open_fits",
              fmt::format("'{}': this program was built without cfitsio; install it (Debian: "
                          "libcfitsio-dev), configure and build again",
                          path));
}

}  // namespace tensorpool::sources
