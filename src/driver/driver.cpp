#include "tensorpool/driver.hpp"

#include <utility>

#include "driver/host.hpp"

namespace tensorpool {

using driver::Host;

std::string_view name(DriverEvent event) noexcept {
  switch (event) {
    case DriverEvent::media_driver_started:
      return "media_driver_started";
    case DriverEvent::starting:
      return "starting";
    case DriverEvent::media_driver_connected:
      return "media_driver_connected";
    case DriverEvent::media_driver_lost:
      return "media_driver_lost";
    case DriverEvent::ready:
      return "ready";
    case DriverEvent::lease_granted:
      return "lease_granted";
    case DriverEvent::lease_ended:
      return "lease_ended";
    case DriverEvent::stream_created:
      return "stream_created";
    case DriverEvent::stream_forgotten:
      return "stream_forgotten";
    case DriverEvent::regions_created:
      return "regions_created";
    case DriverEvent::regions_failed:
      return "regions_failed";
    case DriverEvent::epochs_removed:
      return "epochs_removed";
    case DriverEvent::epoch_removal_failed:
      return "epoch_removal_failed";
    case DriverEvent::node_ids_exhausted:
      return "node_ids_exhausted";
    case DriverEvent::draining:
      return "draining";
    case DriverEvent::stopped:
      return "stopped";
    case DriverEvent::ended:
      return "ended";
    case DriverEvent::error:
      break;
  }
  return "error";
}

Result<Driver> Driver::launch(DriverOptions options) {
  auto host = Host::make(std::move(options));
  if (!host) return fail(std::move(host.error()));
  return Driver(std::move(*host));
}

Driver::Driver(std::shared_ptr<Host> host) noexcept : host_(std::move(host)) {}
Driver::Driver(Driver&&) noexcept = default;

Driver& Driver::operator=(Driver&& other) noexcept {
  if (this == &other) return *this;
  Driver old(std::move(*this));
  host_ = std::move(other.host_);
  return *this;
}

Driver::~Driver() {
  // A reference of its own: a notice of the end may find nothing else. The member stays, since handlers on the
  // driver's thread may look at it until the end.
  if (const std::shared_ptr<Host> host = host_; host != nullptr) host->end();
}

int Driver::do_work() {
  // A reference of its own: a handler may destroy this object during the call.
  const std::shared_ptr<Host> host = host_;
  return host == nullptr ? 0 : host->do_work();
}

void Driver::terminate() noexcept {
  if (host_ != nullptr) host_->terminate();
}

bool Driver::stopped() const noexcept { return host_ == nullptr || host_->stopped(); }

Result<void> Driver::wait(std::chrono::nanoseconds timeout) {
  const std::shared_ptr<Host> host = host_;  // as above
  if (host == nullptr) return {};
  return host->wait(timeout);
}

DriverStatus Driver::status() const { return host_ == nullptr ? DriverStatus{} : host_->status(); }

std::vector<DriverLease> Driver::leases() const {
  return host_ == nullptr ? std::vector<DriverLease>{} : host_->leases();
}

Result<void> Driver::revoke(std::uint64_t lease_id, std::string_view text) {
  const std::shared_ptr<Host> host = host_;  // as above
  if (host == nullptr) return fail(Error::hot(Code::closed, "Driver::revoke"));
  return host->revoke(lease_id, text);
}

const std::vector<std::string>& Driver::warnings() const noexcept {
  static const std::vector<std::string> none;
  return host_ == nullptr ? none : host_->warnings();
}

const std::string& Driver::configuration() const noexcept {
  static const std::string none;
  return host_ == nullptr ? none : host_->configuration();
}

const std::string& Driver::aeron_dir() const noexcept {
  static const std::string none;
  return host_ == nullptr ? none : host_->aeron_dir();
}

}  // namespace tensorpool
