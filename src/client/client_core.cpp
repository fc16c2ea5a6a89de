#include "client/client_core.hpp"

#include <thread>
#include <utility>

#include "client/validate.hpp"

namespace tensorpool::client {
namespace {

// The conductor whose duty cycle runs on this thread, while one does.
thread_local const ClientCore* cycling = nullptr;

class Cycling {
 public:
  explicit Cycling(const ClientCore* core) noexcept : before_(std::exchange(cycling, core)) {}
  Cycling(const Cycling&) = delete;
  Cycling& operator=(const Cycling&) = delete;
  ~Cycling() { cycling = before_; }

 private:
  const ClientCore* before_;
};

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
  if (!policy) return fail(std::move(policy.error()));
  std::shared_ptr<ClientCore> core(
      new ClientCore(std::move(options), std::move(world), std::move(*policy)));
  if (core->options_.threading == Threading::threaded) {
    // The thread holds no reference: the last user ends it.
    core->runner_ = std::make_unique<agents::Runner>([raw = core.get()] { return raw->cycle(); },
                                                     core->options_.idle);
    core->runner_->start();
  }
  return core;
}

ClientCore::ClientCore(ClientOptions options, OwnedWorld world, shm::MapPolicy policy)
    : options_(std::move(options)),
      world_(std::move(world)),
      conductor_(options_, std::move(policy),
                 agents::World{*world_.transport, *world_.file_system, *world_.clock}) {}

ClientCore::~ClientCore() {
  // Here no port and no handle is left, so everything that was lent has come back.
  (void)close();
}

int ClientCore::cycle() {
  const Cycling here(this);
  const int work = conductor_.do_work();
  if (close_later_.load(std::memory_order_acquire)) runner_->stop();
  return work;
}

Result<void> ClientCore::submit(std::shared_ptr<agents::Request> request) {
  if (closed_.load(std::memory_order_acquire)) return fail(Error::hot(Code::closed, "Client"));
  if (!conductor_.submit(std::move(request)))
    return fail(Error::hot(Code::back_pressured, "Client"));
  return {};
}

int ClientCore::do_work() {
  if (runner_ != nullptr || closed_.load(std::memory_order_acquire)) return 0;
  if (cycling == this) return 0;  // from inside a callback (CON-10): dispatches nothing
  if (baton_.exchange(true, std::memory_order_acquire)) return 0;
  int work = 0;
  if (!closed_.load(std::memory_order_acquire)) work = cycle();
  baton_.store(false, std::memory_order_release);
  return work;
}

bool ClientCore::in_callback() const noexcept { return cycling == this; }

Result<void> ClientCore::close() {
  if (in_callback()) return fail(Error::hot(Code::in_callback, "Client::close"));
  if (closed_.exchange(true, std::memory_order_acq_rel)) return {};
  if (runner_ != nullptr) {
    runner_->stop();
  } else {
    while (baton_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  const Cycling here(this);
  conductor_.close();
  return {};
}

void ClientCore::close_later() noexcept { close_later_.store(true, std::memory_order_release); }

ClientState ClientCore::state() const noexcept {
  if (closed_.load(std::memory_order_acquire)) return ClientState::closed;
  return conductor_.connected() ? ClientState::connected : ClientState::connecting;
}

std::string ClientCore::aeron_dir() const {
  transport::ConnectOptions connect;
  connect.directory = options_.aeron_dir;
  return world_.transport->directory(connect);
}

}  // namespace tensorpool::client
