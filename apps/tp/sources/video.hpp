// Videos, decoded by the programs ffprobe and ffmpeg where they are installed.
#pragma once

#include <memory>
#include <string>

#include "tp/sources/source.hpp"

namespace tensorpool::sources {

// Ends in .mp4, .mkv, .avi, … in any case.
bool is_video_name(const std::string& name);

// The first video stream, frame after frame, as it is stored (not turned). Grey videos of 8 bits
// come as u8 (h, w), deeper ones as u16 (h, w) with the values that they hold; all others as u8
// (h, w, 3), red first. A pipe (size() is 0) that can be rewound. Errors: unsupported when a program
// is missing; invalid_file for what is no video. fill() says invalid_file when the decoder fails on
// the way or ends inside a frame, with its exit code and its last words.
Result<std::unique_ptr<Source>> open_video(const std::string& path);

}  // namespace tensorpool::sources
