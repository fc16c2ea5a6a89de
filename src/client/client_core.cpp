#include "client/client_core.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/fork.hpp"
#include "client/validate.hpp"

namespace tensorpool::client {
namespace {

// The conductors whose duty cycles run on this thread, the innermost first: a notice handler of one
// client may drive another.
class Cycling {
 public:
  explicit Cycling(const ClientCore* core) noexcept
      : core_(core), outer_(std::exchange(innermost, this)) {}
  Cycling(const Cycling&) = delete;
  Cycling& operator=(const Cycling&) = delete;
  ~Cycling() { innermost = outer_; }

  static bool here(const ClientCore* core) noexcept {
    for (const Cycling* at = innermost; at != nullptr; at = at->outer_) {
      if (at->core_ == core) return true;
    }
    return false;
  }

 private:
  static thread_local const Cycling* innermost;
  const ClientCore* core_;
  const Cycling* outer_;
};
thread_local const Cycling* Cycling::innermost = nullptr;

// The baton of an invoked client, taken for one duty cycle.
class Baton {
 public:
  explicit Baton(std::atomic<bool>& taken) noexcept
      : taken_(taken), held_(!taken.exchange(true, std::memory_order_acquire)) {}
  Baton(const Baton&) = delete;
  Baton& operator=(const Baton&) = delete;
  ~Baton() {
    if (held_) taken_.store(false, std::memory_order_release);
  }
  bool held() const noexcept { return held_; }

 private:
  std::atomic<bool>& taken_;
  const bool held_;
};

// Lets go without destroying.
template <class T>
void leave(std::unique_ptr<T>& owned) noexcept {
  [[maybe_unused]] T* const left = owned.release();
}

}  // namespace

Result<std::shared_ptr<ClientCore>> ClientCore::make(ClientOptions options, OwnedWorld world) {
  if (auto valid = check(options); !valid) return fail(std::move(valid.error()));
  shm::MapPolicy::Settings settings;
  settings.allowed_base_dirs = options.allowed_base_dirs;
  settings.forbidden_mode_bits = options.forbidden_mode_bits;
  settings.owner = options.required_owner;
  settings.group = options.required_group;
  settings.mlock = options.lock_memory;
  auto policy = shm::MapPolicy::make(*world.file_system, settings);
  if (!policy) {
    return fail(policy.error().code(), "Client::connect",
                "allowed_base_dirs: " + policy.error().message());
  }
  std::shared_ptr<ClientCore> core(
      new ClientCore(std::move(options), std::move(world), std::move(*policy)));
  if (core->options_.threading == Threading::threaded) {
    // The thread holds no reference: the last user ends it.
    ClientCore* raw = core.get();
    const ClientOptions& o = core->options_;
    core->runner_ = std::make_unique<agents::Runner>(
        [raw] { return raw->cycle(); }, o.idle, core->conductor_->bell(),
        agents::Rest::longest_park_of_client(
            std::chrono::nanoseconds{std::min(o.keepalive_interval_ns, o.announce_period_ns)}),
        [raw] { raw->end_after_callback(); });
    if (auto started = core->runner_->start("Client::connect", "tp-conductor"); !started)
      return fail(std::move(started.error()));
  }
  return core;
}

ClientCore::ClientCore(ClientOptions options, OwnedWorld world, shm::MapPolicy policy)
    : options_(std::move(options)),
      world_(std::move(world)),
      process_id_(world_.file_system->process_id()),
      conductor_(std::make_unique<agents::Conductor>(
          options_, std::move(policy),
          agents::World{*world_.transport, *world_.file_system, *world_.clock})) {}

ClientCore::~ClientCore() {
  if (forked()) {
    // Closing would take links and files away from the parent, whose thread is not here either.
    leave(runner_);
    leave(bells_);
    leave(conductor_);
    leave(world_.transport);
    leave(world_.file_system);
    leave(world_.clock);
    return;
  }
  // Here no port and no handle is left, so everything that was lent has come back.
  (void)close();
}

int ClientCore::cycle() {
  // The only thread of a forked child may be the conductor's: an application forked in a notice.
  if (base::in_forked_child() && forked()) return 0;
  const Cycling here(this);
  return conductor_->do_work();
}

Result<void> ClientCore::submit(std::shared_ptr<agents::Request> request) {
  if (forked()) return fail(Error::hot(Code::forked, "Client"));
  if (closed_.load(std::memory_order_acquire)) return fail(Error::hot(Code::closed, "Client"));
  if (!conductor_->submit(std::move(request)))
    return fail(Error::hot(Code::back_pressured, "Client"));
  return {};
}

int ClientCore::do_work() {
  if (runner_ != nullptr || closed_.load(std::memory_order_acquire)) return 0;
  if (in_callback() || forked()) return 0;  // from inside a callback (CON-10): dispatches nothing
  std::shared_ptr<ClientCore> ending;
  int work = 0;
  {
    const Baton baton(baton_);
    if (!baton.held() || closed_.load(std::memory_order_acquire)) return 0;
    work = cycle();
    ending = std::move(ending_);
  }
  if (ending != nullptr) (void)close();
  return work;
}

bool ClientCore::in_callback() const noexcept { return Cycling::here(this); }

Result<void> ClientCore::close() {
  if (forked()) return fail(Error::hot(Code::forked, "Client::close"));
  if (in_callback()) return fail(Error::hot(Code::in_callback, "Client::close"));
  if (closed_.exchange(true, std::memory_order_acq_rel)) return {};
  if (runner_ != nullptr) {
    runner_->stop();
  } else {
    while (baton_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  const Cycling here(this);
  auto outcome = conductor_->close();
  over_.store(true, std::memory_order_release);
  return outcome;
}

void ClientCore::end() noexcept {
  if (!in_callback()) {
    (void)close();
    return;
  }
  if (closed_.load(std::memory_order_acquire)) return;  // is being closed, by this very thread
  ending_ = shared_from_this();
  if (runner_ != nullptr) runner_->ask_to_stop();
}

// The conductor's thread, after its last cycle. May destroy this object and its Runner.
void ClientCore::end_after_callback() noexcept {
  const std::shared_ptr<ClientCore> ending = std::move(ending_);
  if (ending != nullptr) (void)close();
}

ClientState ClientCore::state() const noexcept {
  if (closed_.load(std::memory_order_acquire)) return ClientState::closed;
  return conductor_->connected() ? ClientState::connected : ClientState::connecting;
}

std::string ClientCore::aeron_dir() const {
  transport::ConnectOptions connect;
  connect.directory = options_.aeron_dir;
  return world_.transport->directory(connect);
}

std::string ClientCore::media_driver_trouble() const {
  transport::ConnectOptions connect;
  connect.directory = options_.aeron_dir;
  connect.driver_timeout_ns = options_.media_driver_timeout_ns;
  return world_.transport->probe(connect).why;
}

}  // namespace tensorpool::client
