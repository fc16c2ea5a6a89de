// Everything that dies with one connection to one life of a media driver.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "agents/wiring.hpp"
#include "transport/image_log.hpp"
#include "transport/transport.hpp"

namespace tensorpool::agents {

// Adds one link and keeps trying: a failed add is repeated after a pause, and told once as long as
// it fails for the same reason.
template <class T>
class LinkAdd {
 public:
  bool ready() const noexcept { return link_ != nullptr; }
  T* get() const noexcept { return link_.get(); }
  std::unique_ptr<T> take() noexcept { return std::move(link_); }
  std::int64_t registration_id() const noexcept { return add_ ? add_->registration_id() : -1; }

  // One step. `start` begins an add. An error is returned when it is news; else the work done.
  template <class Start>
  Result<int> step(base::Nanos now, Start&& start) {
    if (link_ != nullptr) return 0;
    if (add_ == nullptr) {
      if (now < retry_at_) return 0;
      auto started = start();
      if (!started) return failed(now, std::move(started.error()));
      add_ = std::move(*started);
      return 1;
    }
    auto polled = add_->poll();
    if (!polled) {
      add_.reset();
      return failed(now, std::move(polled.error()));
    }
    if (*polled == nullptr) return 0;
    add_.reset();
    link_ = std::move(*polled);
    return 1;
  }

 private:
  static constexpr base::Nanos retry_pause_ns = 500'000'000;

  Result<int> failed(base::Nanos now, Error error) {
    retry_at_ = now + retry_pause_ns;
    std::string text = error.message();
    if (text == told_) return 1;
    told_ = std::move(text);
    return fail(std::move(error));
  }

  std::unique_ptr<transport::Add<T>> add_;
  std::unique_ptr<T> link_;
  base::Nanos retry_at_ = 0;
  std::string told_;
};

// One connection and the links that the conductor itself uses. Shared by everything that was lent
// from it, so it ends with the last Wiring that names one of its links.
struct Generation {
  // Handlers inside the connection push into the logs until it is gone, so they come first.
  transport::ImageLog control_images;
  transport::ImageLog announce_images;
  transport::ImageLog descriptor_images;  // of all consumer ports
  std::unique_ptr<transport::Connection> connection;
  std::int64_t media_driver_start_ns = 0;
  LinkAdd<transport::Publication> control_out;
  LinkAdd<transport::Publication> announce_out;
  LinkAdd<transport::Publication> qos_out;
  LinkAdd<transport::Subscription> control_in;
  LinkAdd<transport::Subscription> announce_in;
};

// A publication lent to a producer port.
struct LentPublication final : Lent {
  LentPublication(std::shared_ptr<Generation> g, std::unique_ptr<transport::Publication> p)
      : generation(std::move(g)), publication(std::move(p)) {}
  std::shared_ptr<Generation> generation;  // outlives the publication
  std::unique_ptr<transport::Publication> publication;
};

// A subscription lent to a consumer port; only the port calls it.
struct LentSubscription final : Lent {
  LentSubscription(std::shared_ptr<Generation> g, std::unique_ptr<transport::Subscription> s)
      : generation(std::move(g)), subscription(std::move(s)) {}
  std::shared_ptr<Generation> generation;
  std::unique_ptr<transport::Subscription> subscription;
};

// A counter lent to a port, which stores into it.
struct LentCounter final : Lent {
  LentCounter(std::shared_ptr<Generation> g, std::unique_ptr<transport::Counter> c)
      : generation(std::move(g)), counter(std::move(c)) {}
  std::shared_ptr<Generation>
      generation;  // outlives the counter, and the places of others beside it
  std::unique_ptr<transport::Counter> counter;
};

}  // namespace tensorpool::agents
