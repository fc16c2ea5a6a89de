#include "tensorpool/frame.hpp"

#include "shm/tensor_rules.hpp"

namespace tensorpool {

std::uint64_t FrameInfo::extent_bytes() const noexcept {
  std::uint64_t extent = element_size(dtype);
  for (std::size_t d = 0; d < ndims; ++d) {
    if (dims[d] == 0) return 0;
    // No overflow: the port refuses headers whose extent does not fit 64 bits (SHM-207).
    extent += (static_cast<std::uint64_t>(dims[d]) - 1) * static_cast<std::uint64_t>(strides[d]);
  }
  return extent;
}

namespace detail {

Result<void> check_view(const FrameInfo& info, DType dtype, std::size_t rank) noexcept {
  if (info.dtype != dtype) {
    return fail(Error::hot(Code::dtype_mismatch, "view", static_cast<std::uint64_t>(info.dtype),
                           static_cast<std::uint64_t>(dtype)));
  }
  if (info.ndims != rank) return fail(Error::hot(Code::rank_mismatch, "view", info.ndims, rank));
  const std::uint64_t extent = info.extent_bytes();
  if (extent > info.size_bytes)
    return fail(Error::hot(Code::extent_mismatch, "view", extent, info.size_bytes));
  return {};
}

}  // namespace detail
}  // namespace tensorpool
