// FITS images through cfitsio, where it was there when this was built.
#pragma once

#include <memory>
#include <string>

#include "tp/sources/source.hpp"

namespace tensorpool::sources {

// Whether cfitsio was built in.
bool fits_built_in() noexcept;

// Ends in .fits, .fit or .fts, in any case, also with .gz behind it.
bool is_fits_name(const std::string& name);

// The first image of two or three axes in the file, whatever extension it is in; of three axes the
// last (NAXIS3) is time. NAXIS1 varies fastest, so that frames are (NAXIS2, NAXIS1), row by row, in
// this machine's byte order. BITPIX 8, 16, 32 and 64 become u8, i16, i32 and i64, or their
// counterparts i8, u16, u32 and u64 where BZERO says so; -32 and -64 become f32 and f64; integers
// with another BSCALE or BZERO become what they stand for, f32 or f64. Frames are read from the disk
// as they play. Code::unsupported without cfitsio; Code::invalid_file names the file and why.
Result<std::unique_ptr<Source>> open_fits(const std::string& path);

}  // namespace tensorpool::sources
