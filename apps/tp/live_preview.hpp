// Frames drawn on the terminal while tp watch counts them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tensorpool/error.hpp"
#include "tensorpool/frame.hpp"
#include "tp/preview.hpp"

namespace tensorpool::cli {

// Draws at most ten times a second over its own last picture; where standard output is no terminal,
// once and without moving anything. While it lives the cursor is hidden; it comes back when this
// ends, and on a second signal too. One thread.
class LivePreview {
 public:
  LivePreview();
  LivePreview(const LivePreview&) = delete;
  LivePreview& operator=(const LivePreview&) = delete;
  ~LivePreview();

  // Whether a frame of this moment (CLOCK_MONOTONIC) should be shown. Cheap.
  bool due(std::int64_t now_ns) const noexcept;
  // Draws a proved copy of a frame and one line below it. Errors: those of render().
  Result<void> show(const FrameInfo& info, std::span<const std::byte> copy, std::string_view status,
                    std::int64_t now_ns);

 private:
  bool terminal_;
  Shades shades_;
  bool shown_ = false;
  std::int64_t shown_ns_ = 0;
};

}  // namespace tensorpool::cli
