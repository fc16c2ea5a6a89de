#include "tensorpool/media_driver.hpp"

#include <unistd.h>

#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/media_driver.hpp"

namespace tensorpool {

struct MediaDriver::Impl {
  explicit Impl(std::unique_ptr<transport::aeron::EmbeddedMediaDriver> embedded)
      : driver(std::move(embedded)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  // A forked child has neither its thread nor a right to its directory.
  ~Impl() {
    if (::getpid() == process_id) return;
    [[maybe_unused]] auto* const left = driver.release();
  }

  std::unique_ptr<transport::aeron::EmbeddedMediaDriver> driver;
  const pid_t process_id = ::getpid();
};

MediaDriver::MediaDriver(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
MediaDriver::MediaDriver(MediaDriver&&) noexcept = default;
MediaDriver& MediaDriver::operator=(MediaDriver&&) noexcept = default;
MediaDriver::~MediaDriver() = default;

Result<MediaDriver> MediaDriver::launch(const MediaDriverOptions& options) {
  transport::aeron::EmbeddedDriverOptions embedded;
  embedded.directory = options.aeron_dir;
  auto driver = transport::aeron::EmbeddedMediaDriver::launch(embedded);
  if (!driver) return fail(std::move(driver.error()));
  return MediaDriver(std::make_unique<Impl>(std::move(*driver)));
}

bool MediaDriver::alive(const std::string& aeron_dir) {
  transport::ConnectOptions options;
  options.directory = aeron_dir;
  return transport::aeron::make_transport()->probe(options).alive;
}

const std::string& MediaDriver::aeron_dir() const noexcept { return impl_->driver->directory(); }

}  // namespace tensorpool
