// Where frames come from: files, folders, arrays, pipes and generated pictures. Frame k of a source
// is the same bytes in every process, so that `tp watch --expect SOURCE` can compare what arrived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensorpool/error.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool::sources {

// Frames that a folder or a generated source may hold in memory.
inline constexpr std::uint64_t memory_limit_bytes = std::uint64_t{4} << 30U;

// One thread. Bytes handed out live until the next call.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  // Number of distinct frames; 0 for a pipe (a video counts as one), whose end is only known when it
  // comes.
  virtual std::size_t size() const = 0;
  // What frame `index` holds; index < size(), or anything for a pipe.
  virtual TensorSpec spec(std::size_t index) const = 0;
  // The bytes of frame `index`. Code::unsupported for a pipe.
  virtual Result<std::span<const std::byte>> frame(std::size_t index) = 0;
  // Copies frame `index` into `out`, which has exactly its size; false at the end of a pipe.
  virtual Result<bool> fill(std::size_t index, std::span<std::byte> out);
  // Makes a pipe begin again; false when it cannot, or when nothing came since it last began.
  virtual Result<bool> rewind() { return false; }
  // The rate at which the frames were taken; 0 when the source knows none.
  virtual double rate_hz() const { return 0; }
  // All frames are alike: spec(0) is that of every one.
  virtual bool uniform() const { return false; }
  // Generated sources have no natural end: publishing them repeats without being asked to.
  virtual bool endless() const { return false; }
};

// Payload bytes of a contiguous frame; Code::invalid_argument when the spec is none.
Result<std::uint64_t> payload_bytes(const TensorSpec& spec);

// What a pool needs for every frame of the source: bytes of its largest one, as a multiple of 64.
Result<std::uint32_t> stride_for(const Source& source);
// Slots of a ring that takes 256 MiB with this stride: a power of two, 16 to 1024.
std::uint32_t slots_for(std::uint32_t stride_bytes) noexcept;

// One frame in memory.
struct Picture {
  TensorSpec spec;
  std::vector<std::byte> bytes;
};

// Frames that all lie in memory.
class MemorySource final : public Source {
 public:
  MemorySource(std::vector<Picture> pictures, bool endless)
      : pictures_(std::move(pictures)), endless_(endless) {}
  std::size_t size() const override { return pictures_.size(); }
  TensorSpec spec(std::size_t index) const override { return pictures_[index].spec; }
  Result<std::span<const std::byte>> frame(std::size_t index) override {
    return std::span<const std::byte>(pictures_[index].bytes);
  }
  bool endless() const override { return endless_; }

 private:
  std::vector<Picture> pictures_;
  bool endless_;
};

// What a raw pipe or file cannot say itself.
struct RawFormat {
  DType dtype = DType::unknown;
  Dims shape;
};

// The names that the command line takes:
//   stars                      a simulated star field, u16 512x640
//   pattern[:WxH[:dtype]]      a moving test pattern that checks itself
//   FILE.png FILE.jpg FOLDER   pictures; a folder's PNG and JPEG files by name
//   FILE.npy                   first axis is time
//   FILE.fits                  an image, or a cube whose planes are frames, where cfitsio is built in
//   FILE.mp4, .mkv, …          a video, through the programs ffprobe and ffmpeg
//   FILE or -                  raw frames, described by `raw`
Result<std::unique_ptr<Source>> open_source(const std::string& name, const RawFormat& raw = {});

// "512x640x3" → {512, 640, 3}; "512,640,3" as well.
Result<Dims> parse_shape(const std::string& text);

}  // namespace tensorpool::sources
