#include "tp/sources/raw.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace tensorpool::sources {

namespace {

class RawSource final : public Source {
 public:
  RawSource(std::string name, int fd, const TensorSpec& spec)
      : name_(std::move(name)), fd_(fd), spec_(spec) {}
  ~RawSource() override {
    if (fd_ != STDIN_FILENO) ::close(fd_);
  }
  std::size_t size() const override { return 0; }
  TensorSpec spec(std::size_t /*index*/) const override { return spec_; }
  Result<std::span<const std::byte>> frame(std::size_t /*index*/) override {
    return fail(Code::unsupported, "RawSource::frame",
                fmt::format("'{}' can be read once only; name a file with a header", name_));
  }
  Result<bool> fill(std::size_t index, std::span<std::byte> out) override {
    std::size_t have = 0;
    while (have < out.size()) {
      const ssize_t got = ::read(fd_, out.data() + have, out.size() - have);
      if (got > 0) {
        have += static_cast<std::size_t>(got);
        continue;
      }
      if (got == 0) break;
      if (errno != EINTR) return fail(Error::system("read", errno, name_));
      // A signal: the caller decides whether to go on; at a frame's boundary it can simply stop.
      if (have == 0) return false;
    }
    if (have != 0 && have < out.size()) {
      return fail(
          Code::invalid_file, "RawSource::fill",
          fmt::format("'{}' ends inside frame {}: {} of {} bytes", name_, index, have, out.size()));
    }
    return have != 0;
  }

 private:
  std::string name_;
  int fd_;
  TensorSpec spec_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_raw(const std::string& name, const RawFormat& format) {
  if (element_size(format.dtype) == 0 || format.shape.size() == 0) {
    return fail(Code::invalid_argument, "open_raw",
                fmt::format("'{}' holds raw frames: give --dtype and --shape, for example --dtype "
                            "u16 --shape 512x640",
                            name));
  }
  TensorSpec spec;
  spec.dtype = format.dtype;
  spec.shape = format.shape;
  if (const auto bytes = payload_bytes(spec); !bytes) return fail(bytes.error());
  const int fd = name == "-" ? STDIN_FILENO : ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(Error::system("open", errno, name));
  return std::make_unique<RawSource>(name, fd, spec);
}

}  // namespace tensorpool::sources
