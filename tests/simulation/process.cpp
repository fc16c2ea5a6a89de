#include "simulation/process.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "simulation/env.hpp"
#include "simulation/noting_transport.hpp"
#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

Thread* running_thread = nullptr;

std::string_view text_of(agents::Step step) noexcept {
  switch (step) {
    case agents::Step::claimed:
      return "claimed";
    case agents::Step::before_commit_word:
      return "before commit word";
    case agents::Step::after_commit_word:
      return "after commit word";
    case agents::Step::before_descriptor:
      return "before descriptor";
    case agents::Step::after_descriptor:
      return "after descriptor";
    case agents::Step::commit_word_loaded:
      return "commit word loaded";
    case agents::Step::header_copied:
      return "header copied";
    case agents::Step::in_handler:
      return "in handler";
    case agents::Step::before_proof:
      return "before proof";
    case agents::Step::adopted:
      return "adopted";
  }
  return "unknown";
}

std::string_view text_of(NoticeKind kind) noexcept {
  switch (kind) {
    case NoticeKind::connected:
      return "connected";
    case NoticeKind::connection_lost:
      return "connection lost";
    case NoticeKind::mapped:
      return "mapped";
    case NoticeKind::unmapped:
      return "unmapped";
    case NoticeKind::announce_rejected:
      return "announce rejected";
    case NoticeKind::error:
      return "error";
    case NoticeKind::back_pressure:
      return "back-pressure";
    case NoticeKind::attached:
      return "attached";
    case NoticeKind::attach_failed:
      return "attach failed";
    case NoticeKind::lease_lost:
      return "lease lost";
  }
  return "unknown";
}

// Speaks for a thread while its code runs.
class Running {
 public:
  explicit Running(Thread& thread) noexcept { running_thread = &thread; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { running_thread = nullptr; }
};

}  // namespace

void at_step(agents::Step step) noexcept {
  if (running_thread != nullptr) running_thread->step(step);
}
base::Nanos now_here() noexcept {
  TP_ASSERT(running_thread != nullptr);
  return running_thread->process().host().clock.monotonic_ns();
}

WatchedPublication& watched(transport::Publication& real) noexcept {
  TP_ASSERT(running_thread != nullptr);
  running_thread->publication().watch(real);
  return running_thread->publication();
}

transport::Position WatchedPublication::try_claim(std::size_t size,
                                                  transport::Claim& claim) noexcept {
  const transport::Position position = real_->try_claim(size, claim);
  if (position <= 0 || sim::Fiber::current() == nullptr) return position;
  thread_.announcing(true);
  if (thread_.process().world().chance(20)) thread_.yield();
  return position;
}

void WatchedPublication::commit(transport::Claim& claim) noexcept {
  if (!thread_.process().world().over()) thread_.app().on_descriptor({claim.data, claim.size});
  thread_.announcing(false);
  real_->commit(claim);
}

void abandon(std::shared_ptr<agents::Request>& request) {
  if (request == nullptr) return;
  if (!request->abandon() && request->state() == agents::Request::State::complete)
    request->take_cell()->closed.store(true, std::memory_order_release);
  request.reset();
}

Thread::Thread(Process& process, const Part& part)
    : process_(process),
      part_(part),
      name_(fmt::format("{}/{}{}", process.name(), part.produces ? "out" : "in", part.id)),
      app_(part.produces ? make_producer(*this) : make_consumer(*this)),
      fiber_([this] { app_->run(); }) {}

void Thread::resume() {
  TP_ASSERT(!fiber_.done());
  const Running running(*this);
  fiber_.resume();
}

void Thread::yield() {
  if (!process_.world().over()) sim::Fiber::yield();
}
void Thread::maybe_yield() {
  if (!process_.world().over() && process_.world().chance(process_.world().yields_percent()))
    sim::Fiber::yield();
}

void Thread::step(agents::Step step) {
  World& world = process_.world();
  if (sim::Fiber::current() == nullptr || world.over()) return;
  stands_at_ = step;
  world.trace("{} {}", name_, text_of(step));
  app_->on_step(step);
  maybe_yield();
}

void Thread::close() {
  TP_ASSERT(fiber_.done());
  const Running running(*this);
  app_->close();
}

// What the process was doing when it was killed.
void Thread::note_kill() {
  World& world = process_.world();
  if (stands_at_ == agents::Step::before_commit_word) world.hit(Probe::killed_before_commit_word);
  if (stands_at_ == agents::Step::after_commit_word ||
      stands_at_ == agents::Step::before_descriptor) {
    world.hit(Probe::killed_between_commit_word_and_descriptor);
  }
  if (app_->filling()) world.hit(Probe::killed_while_filling);
  if (app_->handling()) world.hit(Probe::killed_in_the_handler);
  if (announcing_) world.hit(Probe::killed_inside_a_transport_claim);
}

Process::Process(World& world, std::shared_ptr<Host> host, Role& role, std::uint32_t incarnation)
    : world_(world),
      host_(std::move(host)),
      role_(role),
      incarnation_(incarnation),
      name_(World::name_of(role, incarnation)),
      files_(host_->disk, 1000 + std::uint64_t{incarnation}),
      calls_(files_,
             [this](const char* call) {
               return world_.side() == nullptr || world_.over() ? std::nullopt
                                                                : world_.side()->trouble(call);
             }),
      transport_(std::make_unique<NotingTransport>(host_->network.make_transport(), clients_)) {
  set_options();
  shm::MapPolicy::Settings settings;
  settings.allowed_base_dirs = options_.allowed_base_dirs;
  auto policy = shm::MapPolicy::make(files_, settings);
  TP_ASSERT(policy.has_value());
  conductor_ = std::make_unique<agents::Conductor>(
      options_, std::move(*policy), agents::World{*transport_, calls_, host_->clock});
  for (const Part& part : role_.parts) threads_.push_back(std::make_unique<Thread>(*this, part));
}

void Process::set_options() {
  options_.mode = Mode::direct;
  options_.threading = Threading::invoked;
  options_.aeron_dir = aeron_dir;
  options_.allowed_base_dirs = {base_dir};
  options_.announce_period_ns = announce_period_ns;
  options_.liveness_factor = liveness_factor;
  options_.media_driver_timeout_ns = 10 * announce_period_ns;
  options_.command_queue_capacity = 16;
  if (world_.one_endpoint()) options_.announce = options_.control;
  options_.on_notice = [this](const Notice& notice) { on_notice(notice); };
  if (world_.side() == nullptr) return;
  const Deployment& deployment = world_.side()->deployment();
  options_.mode = Mode::driver;
  options_.keepalive_interval_ns = deployment.keepalive_interval_ns;
  options_.keepalive_grace = deployment.grace;
  options_.attach_timeout_ns = 5 * announce_period_ns;
  options_.attach_resend_ns = announce_period_ns / 2;
  options_.backoff_first_ns = announce_period_ns / 5;
  options_.backoff_largest_ns = 4 * announce_period_ns;
}

void Process::on_notice(const Notice& notice) {
  if (world_.over()) return;
  world_.trace("{} notice {} stream {} epoch {}: {}", name_, text_of(notice.kind), notice.stream_id,
               notice.epoch, notice.text);
  if (notice.kind == NoticeKind::connection_lost) world_.hit(Probe::connection_lost);
  for (const auto& thread : threads_) {
    if (thread->part().stream != notice.stream_id) continue;
    thread->app().on_notice(notice);
    if (world_.side() == nullptr) continue;
    const std::string wrong = thread->app().lease().on_notice(notice, cycles_);
    if (!wrong.empty()) world_.fail(fmt::format("{}: {}", thread->name(), wrong));
    if (notice.kind == NoticeKind::lease_lost) world_.side()->on_lease_lost(*thread, notice);
  }
}

Process::~Process() = default;

bool Process::submit(const std::shared_ptr<agents::Request>& request) {
  if (client_closed_) return false;
  if (!conductor_->submit(request)) world_.fail("a command queue of 16 is full");
  return true;
}
bool Process::leaving() const noexcept { return asked_to_leave_ || world_.over(); }

bool Process::application_done() const noexcept {
  return std::all_of(threads_.begin(), threads_.end(),
                     [](const auto& thread) { return thread->done(); });
}

void Process::do_work() {
  // No two cycles are at the same time: only the clock keeps epochs of two places apart.
  host_->network.advance(1);
  if (client_closed_) return;
  ++cycles_;
  (void)conductor_->do_work();
  if (world_.side() == nullptr || world_.over()) return;
  for (const auto& thread : threads_) thread->app().after_cycle();
}

bool Process::is_client(std::int64_t id) const noexcept {
  return std::find(clients_.begin(), clients_.end(), id) != clients_.end();
}

void Process::close_client() {
  ask_to_leave();
  if (client_closed_) return;
  client_closed_ = true;
  const bool in_call = std::any_of(threads_.begin(), threads_.end(),
                                   [](const auto& thread) { return thread->in_call(); });
  if (in_call) world_.hit(Probe::client_closed_under_a_call);
  (void)conductor_->close();
}

void Process::pause(bool on) {
  paused_ = on;
  for (const std::int64_t client : clients_) host_->network.stop(client, on);
  for (const auto& thread : threads_) {
    if (on && thread->in_call()) world_.hit(Probe::paused_inside_a_call);
  }
}

// Nothing of the process runs again while the world lives.
void Process::kill() {
  TP_ASSERT(!killed_ && !ended_);
  killed_ = true;
  for (const auto& thread : threads_) thread->note_kill();
  for (const std::int64_t client : clients_) host_->network.crash(client);
  files_.kill();
  if (role_.current == this) role_.current = nullptr;
}

// A thread's port may hold what it works on, what a handler and a view pin, and one mapping in its
// mailbox; its agent may just be making another; a port that was closed may still be there.
void Process::check_mapped() {
  constexpr std::uint64_t mappings_per_thread = 6;
  const std::uint64_t most = threads_.size() * mappings_per_thread * largest_stream_bytes;
  if (files_.mapped_bytes() > most) {
    world_.fail(fmt::format("{} has {} bytes mapped; {} would be much", name_,
                            files_.mapped_bytes(), most));
  }
}

void Process::end() {
  std::vector<std::string> removed;
  for (const auto& thread : threads_) {
    thread->close();
    for (std::string& folder : thread->app().removed_folders())
      removed.push_back(std::move(folder));
    if (!world_.over() && world_.chance(50)) do_work();
  }
  (void)conductor_->close();
  conductor_.reset();
  threads_.clear();
  ended_ = true;
  if (role_.current == this) role_.current = nullptr;
  for (const std::string& path : host_->disk.files()) {
    for (const std::string& folder : removed) {
      if (!killed_ && path.starts_with(folder))
        world_.fail(fmt::format("{} ended and left {} behind", name_, path));
    }
  }
  if (files_.mapped_bytes() != 0 || files_.open_files() != 0) {
    world_.fail(fmt::format("{} ended and left {} mapped bytes and {} open files behind", name_,
                            files_.mapped_bytes(), files_.open_files()));
  }
}

}  // namespace tensorpool::simulation
