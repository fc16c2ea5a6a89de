#include "agents/driver/region_worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "agents/runner.hpp"
#include "base/assert.hpp"
#include "base/limits.hpp"
#include "protocol/overloaded.hpp"

namespace tensorpool::agents::driver {

using protocol::driver::CollectEpochs;
using protocol::driver::CreateRegions;
using protocol::driver::RemoveRegions;

namespace {

std::uint32_t stream_of(const RegionJob& job) {
  return std::visit(protocol::Overloaded{
                        [](const std::monostate&) { return std::uint32_t{0}; },
                        [](const CreateRegions& create) { return create.layout.stream_id; },
                        [](const CollectEpochs& collect) { return collect.stream_id; },
                        [](const RemoveRegions& remove) { return remove.stream_id; },
                        [](const Retire& retire) { return retire.stream_id; },
                    },
                    job);
}

}  // namespace

RegionWorker::RegionWorker(RegionPlace place, base::FileSystem& file_system,
                           const base::Clock& clock, std::size_t capacity, Doorbell* owner)
    : place_(std::move(place)),
      file_system_(file_system),
      clock_(clock),
      capacity_(capacity),
      owner_(owner),
      jobs_(capacity),
      answers_(capacity) {}

// --- The owner's side.

Result<void> RegionWorker::start() {
  TP_ASSERT(!threaded());
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return fail(Error::system("driver", error.code().value(),
                              "no thread for region files; run the driver invoked"));
  }
  return {};
}

void RegionWorker::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  wake();
  if (thread_.joinable()) thread_.join();
  // Creators that are dropped remove what they made.
  tasks_.clear();
  turn_.clear();
  waiting_.clear();
  creations_ = 0;
}

void RegionWorker::wake() noexcept {
  calls_.fetch_add(1, std::memory_order_release);  // pairs with the acquire in run()
  calls_.notify_one();
}

bool RegionWorker::submit(RegionJob&& job) {
  if (outstanding_ == capacity_) return false;
  const bool pushed = jobs_.push(std::make_unique<RegionJob>(std::move(job)));
  TP_ASSERT(pushed);  // no more of them than outstanding
  ++outstanding_;
  wake();
  return true;
}

RegionAnswer RegionWorker::take() {
  std::unique_ptr<RegionAnswer> answer;
  if (!answers_.pop(answer)) return {};
  --outstanding_;
  return std::move(*answer);
}

void RegionWorker::cancel_creations() noexcept {
  no_creations_.store(true, std::memory_order_release);
  wake();
}

// --- The worker's side.

void RegionWorker::run() noexcept {
  name_thread("tp-regions");
  while (!stopping_.load(std::memory_order_acquire)) {
    const std::uint32_t seen = calls_.load(std::memory_order_acquire);
    if (step() == 0 && !stopping_.load(std::memory_order_acquire)) calls_.wait(seen);
  }
}

int RegionWorker::accept() {
  int work = 0;
  std::unique_ptr<RegionJob> job;
  while (jobs_.pop(job)) {
    const std::uint32_t stream_id = stream_of(*job);
    Tasks& tasks = tasks_[stream_id];
    if (tasks.empty()) turn_.push_back(stream_id);
    Task task;
    task.job = std::move(*job);
    tasks.push_back(std::move(task));
    if (++work == base::limits::driver_answers_per_cycle) break;
  }
  return work;
}

// Every creation holds a handful of files open, so only a few run at a time.
bool RegionWorker::must_wait(const Task& task) const noexcept {
  return !no_creations_.load(std::memory_order_acquire) &&
         std::holds_alternative<CreateRegions>(task.job) && !task.creator && !task.created &&
         creations_ == base::limits::driver_creations;
}

int RegionWorker::step() {
  const int accepted = accept();
  if (no_creations_.load(std::memory_order_acquire)) {
    turn_.insert(turn_.end(), waiting_.begin(), waiting_.end());
    waiting_.clear();
  }
  if (turn_.empty()) return accepted;
  const std::uint32_t stream_id = turn_.front();
  turn_.pop_front();
  const auto found = tasks_.find(stream_id);
  TP_ASSERT(found != tasks_.end() && !found->second.empty());
  Tasks& tasks = found->second;
  if (must_wait(tasks.front())) {
    waiting_.push_back(stream_id);
    return accepted + 1;
  }
  if (advance(tasks.front())) tasks.pop_front();
  if (tasks.empty()) {
    tasks_.erase(found);
  } else {
    turn_.push_back(stream_id);
  }
  return accepted + 1;
}

// One step of the task; true when it is done and answered.
bool RegionWorker::advance(Task& task) {
  return std::visit(protocol::Overloaded{
                        [](const std::monostate&) { return true; },
                        [&](const CreateRegions& job) { return advance(task, job); },
                        [&](const CollectEpochs& job) { return advance(task, job); },
                        [&](const RemoveRegions& job) {
                          shm::CollectOptions all;
                          all.stream_id = job.stream_id;
                          all.keep = 1;
                          all.waive_age = true;
                          return collect(task, 0, all);
                        },
                        [&](Retire& job) { return advance(task, job); },
                    },
                    task.job);
}

bool RegionWorker::begin(Task& task, const CreateRegions& job) {
  shm::CreateOptions options;
  options.base_dir = place_.base_dir;
  options.namespace_ = place_.namespace_name;
  options.file_mode = place_.file_mode;
  options.prefault = place_.prefault;
  options.mlock = place_.mlock;
  options.require_hugepages = job.require_hugepages;
  // The least epoch that will do: what lies on disk may ask for a higher one (A6).
  shm::StreamLayout layout = job.layout;
  options.last_epoch = layout.epoch - 1;
  layout.epoch = shm::epoch_none;
  task.creator.emplace(file_system_, std::move(options), std::move(layout),
                       static_cast<std::uint64_t>(clock_.monotonic_ns()));
  ++creations_;
  return false;
}

bool RegionWorker::advance(Task& task, const CreateRegions& job) {
  if (no_creations_.load(std::memory_order_acquire) && !task.created) {
    if (task.creator) end_creation(task);
    answer(CreationFailed{job.request_id, Error(Code::closed, "create_stream", "the driver ends")});
    return true;
  }
  if (!task.creator && !task.created) return begin(task, job);
  if (!task.created) {
    auto done = task.creator->step();
    if (!done) {
      end_creation(task);
      answer(CreationFailed{job.request_id, std::move(done.error())});
      return true;
    }
    if (!*done) return false;
    task.created.emplace(task.creator->take());
    end_creation(task);
  }
  // For the activity timestamps the superblocks will do; memory that is locked stays so while mapped.
  if (!place_.mlock && !task.created->mapped.trim_step(base::limits::unmap_step_bytes))
    return false;
  answer(RegionsCreated{job.request_id, std::move(task.created->regions),
                        std::move(task.created->mapped)});
  return true;
}

// Dropped before it was done, a creator removes what it made.
void RegionWorker::end_creation(Task& task) {
  task.creator.reset();
  --creations_;
  if (waiting_.empty()) return;
  turn_.push_back(waiting_.front());
  waiting_.pop_front();
}

bool RegionWorker::advance(Task& task, const CollectEpochs& job) {
  shm::CollectOptions options;
  options.stream_id = job.stream_id;
  options.current_epoch = job.current_epoch;
  options.keep = job.keep;
  options.min_age_ns = job.min_age_ns;
  options.waive_age = job.waive_age;
  return collect(task, job.request_id, options);
}

// One file at a time: the kernel frees a file's pages in the call that removes it.
bool RegionWorker::collect(Task& task, std::uint64_t request_id, const shm::CollectOptions& what) {
  shm::CollectOptions options = what;
  options.base_dir = place_.base_dir;
  options.namespace_ = place_.namespace_name;
  options.now_monotonic_ns = static_cast<std::uint64_t>(clock_.monotonic_ns());
  options.now_realtime_ns = clock_.realtime_ns();
  options.max_files = 1;
  options.unfinished_epoch = task.unfinished_epoch;
  auto collected = shm::collect_epochs(file_system_, options);
  if (!collected) {
    answer(EpochsCollected{request_id, options.stream_id, task.removed, 1,
                           std::move(collected.error()), 0});
    return true;
  }
  task.removed += collected->removed.size();
  task.unfinished_epoch = collected->unfinished_epoch;
  if (collected->more) return false;
  answer(EpochsCollected{
      request_id, options.stream_id, task.removed, collected->failed.size(), {}, collected->young});
  return true;
}

bool RegionWorker::advance(Task& task, Retire& job) {
  if (!task.unmap) task.unmap.emplace(std::move(job.mapped));
  if (!task.unmap->step(base::limits::unmap_step_bytes)) return false;
  answer(Retired{});
  return true;
}

void RegionWorker::answer(RegionAnswer answer) {
  const bool pushed = answers_.push(std::make_unique<RegionAnswer>(std::move(answer)));
  TP_ASSERT(pushed);  // one for each job, and no more jobs than fit
  if (owner_ != nullptr) owner_->ring();
}

}  // namespace tensorpool::agents::driver
