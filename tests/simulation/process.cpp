#include "simulation/process.hpp"

#include <utility>

#include "base/assert.hpp"
#include "simulation/env.hpp"
#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

Process* running_process = nullptr;

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
  }
  return "unknown";
}

// Speaks for a process while its code runs.
class Running {
 public:
  explicit Running(Process& process) noexcept { running_process = &process; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { running_process = nullptr; }
};

}  // namespace

void at_step(agents::Step step) noexcept {
  if (running_process != nullptr) running_process->step(step);
}
base::Nanos now_here() noexcept {
  TP_ASSERT(running_process != nullptr);
  return running_process->host().clock.monotonic_ns();
}

// Notes the ids under which the process is known to media drivers, which kill -9 needs.
class Process::NotingTransport final : public transport::Transport {
 public:
  NotingTransport(std::unique_ptr<transport::Transport> real, std::vector<std::int64_t>& clients)
      : real_(std::move(real)), clients_(clients) {}

  transport::MediaDriverState probe(const transport::ConnectOptions& options) override {
    return real_->probe(options);
  }
  std::string directory(const transport::ConnectOptions& options) const override {
    return real_->directory(options);
  }
  Result<std::unique_ptr<transport::Connection>> connect(
      const transport::ConnectOptions& options) override {
    auto connection = real_->connect(options);
    if (connection) clients_.push_back((*connection)->client_id());
    return connection;
  }

 private:
  std::unique_ptr<transport::Transport> real_;
  std::vector<std::int64_t>& clients_;
};

Process::Process(World& world, std::shared_ptr<Host> host, Role& role, std::uint32_t incarnation)
    : world_(world),
      host_(std::move(host)),
      role_(role),
      incarnation_(incarnation),
      name_(World::name_of(role, incarnation)),
      files_(host_->disk, 1000 + std::uint64_t{incarnation}),
      transport_(std::make_unique<NotingTransport>(host_->network.make_transport(), clients_)),
      fiber_([this] { app_->run(); }) {
  options_.mode = Mode::direct;
  options_.threading = Threading::invoked;
  options_.aeron_dir = aeron_dir;
  options_.allowed_base_dirs = {base_dir};
  options_.announce_period_ns = announce_period_ns;
  options_.liveness_factor = liveness_factor;
  options_.media_driver_timeout_ns = 10 * announce_period_ns;
  options_.command_queue_capacity = 16;
  options_.on_notice = [this](const Notice& notice) {
    if (world_.over()) return;
    world_.trace("{} notice {} epoch {}: {}", name_, text_of(notice.kind), notice.epoch,
                 notice.text);
    if (notice.kind == NoticeKind::connection_lost) world_.hit(Probe::connection_lost);
    app_->on_notice(notice);
  };
  shm::MapPolicy::Settings settings;
  settings.allowed_base_dirs = options_.allowed_base_dirs;
  auto policy = shm::MapPolicy::make(files_, settings);
  TP_ASSERT(policy.has_value());
  conductor_ = std::make_unique<agents::Conductor>(
      options_, std::move(*policy), agents::World{*transport_, files_, host_->clock});
  app_ = role_.produces ? make_producer(*this) : make_consumer(*this);
}

Process::~Process() = default;

bool Process::leaving() const noexcept { return asked_to_leave_ || world_.over(); }

void Process::yield() {
  if (!world_.over()) sim::Fiber::yield();
}
void Process::maybe_yield() {
  if (!world_.over() && world_.chance(50)) sim::Fiber::yield();
}

void Process::step(agents::Step step) {
  if (sim::Fiber::current() == nullptr || world_.over()) return;
  stands_at_ = step;
  world_.trace("{} {}", name_, text_of(step));
  app_->on_step(step);
  maybe_yield();
}

void Process::resume() {
  TP_ASSERT(!fiber_.done());
  const Running running(*this);
  fiber_.resume();
}

void Process::pause(bool on) {
  paused_ = on;
  for (const std::int64_t client : clients_) host_->network.stop(client, on);
  if (on && in_call()) world_.hit(Probe::paused_inside_a_call);
}

// Nothing of the process runs again while the world lives.
void Process::kill() {
  TP_ASSERT(!killed_ && !ended_);
  killed_ = true;
  if (stands_at_ == agents::Step::before_commit_word) world_.hit(Probe::killed_before_commit_word);
  if (stands_at_ == agents::Step::after_commit_word ||
      stands_at_ == agents::Step::before_descriptor) {
    world_.hit(Probe::killed_between_commit_word_and_descriptor);
  }
  if (app_->filling()) world_.hit(Probe::killed_while_filling);
  if (app_->handling()) world_.hit(Probe::killed_in_the_handler);
  for (const std::int64_t client : clients_) host_->network.crash(client);
  files_.kill();
  if (role_.current == this) role_.current = nullptr;
}

void Process::end() {
  TP_ASSERT(fiber_.done());
  const Running running(*this);
  app_->close();
  if (!world_.over() && world_.chance(50)) (void)conductor_->do_work();
  (void)conductor_->close();
  conductor_.reset();
  app_.reset();
  ended_ = true;
  if (role_.current == this) role_.current = nullptr;
  if (files_.mapped_bytes() != 0 || files_.open_files() != 0) {
    world_.fail(fmt::format("{} ended and left {} mapped bytes and {} open files behind", name_,
                            files_.mapped_bytes(), files_.open_files()));
  }
}

}  // namespace tensorpool::simulation
