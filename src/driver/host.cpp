#include "driver/host.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "base/fork.hpp"
#include "driver/configuration.hpp"
#include "driver/setup.hpp"

namespace tensorpool::driver {
namespace {

constexpr const char* launching = "Driver::launch";

static_assert(std::atomic<unsigned>::is_always_lock_free, "changed by signal handlers");

// Of all variables AERON_DIR alone, unless the application wants them all.
config::Environment environment_of(const DriverOptions& options) {
  if (options.environment) return config::process_environment();
  config::Environment environment;
  if (const char* directory = std::getenv("AERON_DIR"); directory != nullptr)
    environment.emplace("AERON_DIR", directory);
  return environment;
}

Result<Source> source_of(DriverOptions& options) {
  if (options.config_file && options.config_text) {
    return fail(Code::invalid_argument, launching,
                fmt::format("config_file '{}' and config_text: at most one of the two",
                            *options.config_file));
  }
  Source source{std::move(options.config_file), std::move(options.config_text),
                environment_of(options), std::move(options.overrides)};
  if (!options.aeron_dir.empty())
    source.overrides.emplace_back("driver.aeron_dir", options.aeron_dir);
  return source;
}

Result<void> check_enums(const DriverOptions& options) {
  if (options.threading > Threading::invoked) {
    return fail(
        Code::invalid_argument, launching,
        fmt::format("threading {}: threaded or invoked", static_cast<int>(options.threading)));
  }
  if (options.idle > Idle::noop) {
    return fail(Code::invalid_argument, launching,
                fmt::format("idle {}: one of Idle", static_cast<int>(options.idle)));
  }
  return {};
}

}  // namespace

class Host::Turn {
 public:
  // Of a duty cycle: those who wait go first, so that a driver that spins keeps nobody out.
  struct Cycle {};
  // Of a duty cycle that goes without its turn rather than wait for it.
  struct Try {};

  explicit Turn(const Host& host) : host_(host) {
    host_.waiting_.fetch_add(1);
    host_.mutex_.lock();
    host_.waiting_.fetch_sub(1);
    own();
  }
  Turn(const Host& host, Cycle /*kind*/) : host_(host) {
    constexpr int yields = 64;
    for (int i = 0; i < yields && host_.waiting_.load() != 0; ++i) std::this_thread::yield();
    host_.mutex_.lock();
    own();
  }
  Turn(const Host& host, Try /*kind*/) : host_(host), held_(host.mutex_.try_lock()) {
    if (held_) own();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (!held_) return;
    host_.owner_.store({});
    host_.mutex_.unlock();
  }
  bool held() const noexcept { return held_; }

 private:
  void own() noexcept { host_.owner_.store(std::this_thread::get_id()); }
  const Host& host_;
  const bool held_ = true;
};

Result<std::shared_ptr<Host>> Host::make(DriverOptions options) {
  if (auto good = check_enums(options); !good) return fail(std::move(good.error()));
  auto source = source_of(options);
  if (!source) return fail(std::move(source.error()));
  auto loaded = load_configuration(*source);
  if (!loaded) return fail(std::move(loaded.error()));
  auto directories = check_machine(*loaded);
  if (!directories) return fail(std::move(directories.error()));
  auto setup = setup_from(*loaded, *directories);
  if (!setup) return fail(std::move(setup.error()));
  const bool threaded = options.threading == Threading::threaded;
  setup->agent.invoked = !threaded;
  setup->agent.media_driver_timeout_ns = options.media_driver_timeout_ns;
  if (auto good = agents::driver::check(setup->agent); !good) return fail(std::move(good.error()));

  std::shared_ptr<Host> host(new Host());
  host->configuration_ = config::print(*loaded, config::Secrets::hidden);
  host->warnings_ = std::move(loaded->warnings);
  host->aeron_dir_ = setup->agent.aeron_dir;
  auto engine = Engine::start(std::move(*setup), std::move(options.on_notice));
  if (!engine) return fail(std::move(engine.error()));
  host->engine_ = std::move(*engine);
  if (!threaded) return host;
  Host* const at = host.get();
  host->runner_ = std::make_unique<agents::Runner>(
      [at] { return at->threaded_cycle(); }, options.idle, at->engine_->bell(),
      at->engine_->longest_park(), [at] { at->end_after_callback(); });
  if (auto started = host->runner_->start(launching, "tp-driver"); !started)
    return fail(std::move(started.error()));
  return host;
}

// Nobody is left who could work on it: end() was called, or make() failed.
Host::~Host() = default;

bool Host::forked() const noexcept { return base::in_forked_child() && ::getpid() != process_id_; }

int Host::cycle() {
  for (const unsigned asked = terminations_.load(); passed_on_ != asked; ++passed_on_)
    engine_->terminate();
  const int work = engine_->do_work();
  if (engine_->stopped() && !stopped_.load()) {
    {
      const std::lock_guard lock(end_mutex_);
      stopped_.store(true);
    }
    ended_.notify_all();
  }
  return work;
}

int Host::threaded_cycle() {
  // The only thread of a forked child may be this one: an application forked in a handler.
  if (forked()) return 0;
  const Turn turn(*this, Turn::Cycle{});
  const int work = cycle();
  if (stopped_.load()) runner_->ask_to_stop();
  return work;
}

int Host::do_work() {
  if (runner_ != nullptr || forked() || in_callback()) return 0;
  std::shared_ptr<Host> ending;
  int work = 0;
  {
    const Turn turn(*this, Turn::Try{});
    if (!turn.held()) return 0;
    work = cycle();
    ending = std::move(ending_);
  }
  if (ending != nullptr) ending->finish();
  return work;
}

void Host::terminate() noexcept {
  if (forked()) return;
  terminations_.fetch_add(1);
  engine_->bell().ring();
}

bool Host::stopped() const noexcept { return stopped_.load() || forked(); }

Result<void> Host::wait(std::chrono::nanoseconds timeout) {
  constexpr const char* call = "Driver::wait";
  if (forked()) return fail(Error::hot(Code::forked, call));
  if (in_callback()) return fail(Error::hot(Code::in_callback, call));
  using Clock = std::chrono::steady_clock;
  const Clock::time_point now = Clock::now();
  const Clock::time_point deadline =
      timeout > Clock::time_point::max() - now ? Clock::time_point::max() : now + timeout;
  if (runner_ != nullptr) {
    std::unique_lock lock(end_mutex_);
    ended_.wait_until(lock, deadline, [this] { return stopped(); });
  } else {
    agents::IdleStrategy idle(Idle::backoff);
    while (!stopped() && Clock::now() < deadline) idle.idle(do_work());
  }
  if (stopped()) return {};
  return fail(Code::timeout, call,
              fmt::format("not stopped after {} ms; it goes on: terminate(), or wait again",
                          std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count()));
}

DriverStatus Host::status() const {
  if (forked()) return {};
  if (in_callback()) return engine_->status();
  const Turn turn(*this);
  return engine_->status();
}

std::vector<DriverLease> Host::leases() const {
  if (forked()) return {};
  if (in_callback()) return engine_->leases();
  const Turn turn(*this);
  return engine_->leases();
}

Result<void> Host::revoke(std::uint64_t lease_id, std::string_view text) {
  constexpr const char* call = "Driver::revoke";
  if (forked()) return fail(Error::hot(Code::forked, call));
  if (in_callback()) return fail(Error::hot(Code::in_callback, call));
  Result<void> outcome;
  std::shared_ptr<Host> ending;
  {
    const Turn turn(*this);
    outcome = engine_->revoke(lease_id, text);
    engine_->bell().ring();  // the next cycle says so
    if (runner_ == nullptr) ending = std::move(ending_);
  }
  if (ending != nullptr) ending->finish();
  return outcome;
}

void Host::end() noexcept {
  if (in_callback() && finishing_.load())
    return;  // a notice of the end, on the thread that ends it
  if (forked() || in_callback()) {
    ending_ = shared_from_this();
    if (runner_ != nullptr && !forked()) runner_->ask_to_stop();
    return;
  }
  finish();
}

// The conductor's thread is over or about to return; the last cycles are this thread's.
void Host::finish() noexcept {
  finishing_.store(true);
  if (runner_ != nullptr) runner_->stop();
  terminate();
  terminate();
  agents::IdleStrategy idle(Idle::backoff);
  while (!stopped_.load()) {
    int work = 0;
    {
      const Turn turn(*this);
      work = cycle();
    }
    idle.idle(work);
  }
}

// The driver's thread, after its last cycle. May destroy this object and its Runner.
void Host::end_after_callback() noexcept {
  const std::shared_ptr<Host> ending = std::move(ending_);
  if (ending != nullptr) ending->finish();
}

}  // namespace tensorpool::driver
