// The application of a producer: claims, fills word by word, commits in and out of order, aborts,
// closes its port and opens another. Writes into the ledger what it really did.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "agents/producer_port.hpp"
#include "shm/seqlock.hpp"
#include "simulation/env.hpp"
#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

using agents::Step;

class ProducerApp final : public PortApp<agents::ProducerPort<SimEnv>> {
 public:
  using PortApp::PortApp;

  void on_step(Step step) override {
    if (step == Step::adopted && !claims_.empty()) world_.hit(Probe::wiring_swapped_under_a_claim);
  }
  void on_notice(const Notice& notice) override {
    if (notice.kind == NoticeKind::error && notice.text.find("no_space") != std::string_view::npos)
      world_.hit(Probe::disk_full);
  }
  std::vector<std::string> removed_folders() const override { return removed_; }
  bool filling() const override { return filling_; }

  // Descriptors leave in order of seq (STR-90), each behind its commit word, of frames that the
  // application committed.
  void on_descriptor(std::span<const std::byte> message) override {
    wire::FrameDescriptor descriptor;
    if (!wire::decode_descriptor(message.data(), message.size(), descriptor) ||
        descriptor.stream_id != thread_.part().stream || book_ == nullptr ||
        descriptor.epoch != book_->epoch) {
      return world_.fail(
          fmt::format("{}: a message that is no descriptor of its epoch", thread_.name()));
    }
    const std::uint64_t seq = descriptor.seq;
    if (seq < next_announced_ || book_->find(seq) == nullptr || !book_->find(seq)->committing) {
      world_.fail(
          fmt::format("{}: seq {} is announced out of order or uncommitted", thread_.name(), seq));
    }
    next_announced_ = seq + 1;
    const shm::SlotRef slot = shm::SlotRef::at(ring_, geometry_.header_index(seq));
    if (shm::load_commit_acquire(slot) != shm::committed_word(seq)) {
      world_.fail(fmt::format("{}: seq {} is announced before its commit word is stored",
                              thread_.name(), seq));
    }
  }

  // The books of concurrency.md, section 3; inside of a call they are on their way.
  void check() override {
    if (port_ == nullptr || thread_.in_call()) return;
    const agents::ProducerCounts& c = port_->cell().producer;
    const std::uint64_t ends = c.published.get() + c.not_announced.get() + c.aborted.get() +
                               c.refused.get() + c.open.get();
    if (ends != c.claimed.get() || c.claimed.get() != claimed_) {
      world_.fail(fmt::format(
          "{}: books do not balance: {} claims made, claimed {}, published {}, not announced {}, "
          "aborted {}, refused {}, open {}",
          thread_.name(), claimed_, c.claimed.get(), c.published.get(), c.not_announced.get(),
          c.aborted.get(), c.refused.get(), c.open.get()));
    }
  }

  void after_cycle() override {
    if (port_ == nullptr || port_->closed()) return;
    const std::string wrong =
        lease_.after_cycle(port_->cell(), process_.host().clock.monotonic_ns(), process_.cycles());
    if (!wrong.empty()) world_.fail(fmt::format("{}: {}", thread_.name(), wrong));
  }

  void close() override {
    abandon(request_);
    if (port_ != nullptr) close_port();
  }

 private:
  struct Claim {
    agents::ClaimedSlot slot;
    EpochBook* book = nullptr;
  };

  // The lock of a stream keeps two producers of one place apart, but not those of two places, nor
  // those of other implementations: so a stream may well have two.
  std::string place() const { return fmt::format("place-{}", process_.incarnation() % 3); }

  ProducerOptions options() {
    ProducerOptions options;
    options.stream = thread_.part().stream;
    options.producer_id = client_id();
    options.attach = attach_options();
    options.max_claims = 4;
    options.qos_interval_ns = 2 * announce_period_ns;
    if (world_.side() != nullptr) return options;  // the driver decides on the rest
    options.base_dir = base_dir;
    options.namespace_name = place();
    options.slots = most_slots >> world_.dice(3);
    options.pools = {{.pool_id = 1, .stride_bytes = small_stride_bytes},
                     {.pool_id = 2, .stride_bytes = large_stride_bytes}};
    options.remove_on_close = world_.chance(80);
    return options;
  }

  void open() override {
    if (request_ == nullptr) {
      request_ = std::make_shared<agents::Request>(options(), any_client_id());
      if (!submit(request_)) request_.reset();
      return;
    }
    if (request_->state() == agents::Request::State::failed) request_.reset();  // once more
    if (request_ != nullptr && !world_.calm() && world_.dice(1000) < 5) {
      world_.hit(Probe::request_abandoned);
      return abandon(request_);
    }
    if (request_ == nullptr || request_->state() != agents::Request::State::complete) return;
    agents::ProducerPortOptions options;
    options.stream_id = thread_.part().stream;
    options.producer_id = thread_.part().id;
    options.max_claims = request_->producer.max_claims;
    options.descriptor_timestamps = world_.chance(30);
    remove_on_close_ = world_.side() == nullptr && request_->producer.remove_on_close;
    cell_ = request_->take_cell();
    port_ = std::make_unique<Port>(options, cell_, nullptr);
    request_.reset();
    claimed_ = 0;
  }

  void act() override {
    const std::uint64_t dice = world_.calm() ? 0 : world_.dice(1000);
    if (world_.calm() && !claims_.empty()) return finish_one();
    if (dice < 700) return send();
    if (dice < 850) return (void)claim();
    if (dice < 990) return claims_.empty() ? send() : finish_one();
    if (dice < 996) return (void)ask_state();
    close_port();
  }

  void ask_state() {
    const Thread::Call call(thread_);
    (void)port_->state();
  }

  // One frame from claim to commit.
  void send() {
    if (!claim()) return;
    finish(claims_.size() - 1, true);
  }

  bool claim() {
    TensorSpec spec;
    spec.dtype = DType::u64;
    spec.shape = {1 + static_cast<std::int64_t>(world_.dice(world_.chance(30) ? 32 : 8))};
    const CallBegin begin = call_begins();
    Result<agents::ClaimedSlot> claimed = [&] {
      const Thread::Call call(thread_);
      return port_->claim(spec);
    }();
    if (!claimed) {
      if (claimed.error().code() == Code::claims_exhausted) world_.hit(Probe::claims_exhausted);
      return false;
    }
    ++claimed_;
    if (!begin.usable && same_session(begin))
      world_.fail(fmt::format("{}: claims a slot without a lease", thread_.name()));
    EpochBook* book = enter(*claimed->wiring);
    if (book == nullptr) return false;
    book->returned = std::max(book->returned, claimed->seq + 1);
    if (book != book_) next_announced_ = 0;
    book_ = book;
    ring_ = claimed->wiring->ring;
    geometry_ = claimed->wiring->geometry;
    claims_.push_back({*claimed, book});
    world_.trace("{} claims epoch {} seq {} of {} bytes", thread_.name(), book->epoch, claimed->seq,
                 claimed->size);
    fill(claims_.back());
    return true;
  }

  // The book of the epoch that the port works on; an epoch belongs to one mapping of one producer.
  EpochBook* enter(const agents::Wiring& wiring) {
    const std::uint64_t epoch = wiring.epoch;
    EpochBook* book = world_.ledger().find(process_.host().boot, thread_.part().stream, epoch);
    if (book == nullptr) {
      EpochBook fresh;
      fresh.stream = thread_.part().stream;
      fresh.epoch = epoch;
      fresh.incarnation = process_.incarnation();
      fresh.slots = wiring.geometry.nslots;
      fresh.session = wiring.session;
      fresh.cell = cell_;
      return world_.ledger().make(process_.host().boot, std::move(fresh));
    }
    if (book->cell == cell_ && book->session == wiring.session) return book;
    world_.fail(fmt::format("{}: epoch {} of stream {} was made twice", thread_.name(), epoch,
                            thread_.part().stream));
    return nullptr;
  }

  void fill(const Claim& claim) {
    filling_ = true;
    for (std::uint64_t i = 0; i < claim.slot.size / 8; ++i) {
      const std::uint64_t word = claim.book->word(claim.slot.seq, i);
      std::memcpy(claim.slot.data + i * 8, &word, 8);
      if (world_.chance(10)) thread_.yield();
    }
    filling_ = false;
  }

  // Commits, or now and then aborts, any of the open claims.
  void finish_one() {
    // One after the other: the order in which arguments are evaluated is the compiler's.
    const std::size_t index = static_cast<std::size_t>(world_.dice(claims_.size()));
    finish(index, world_.calm() || world_.chance(85));
  }

  void finish(std::size_t index, bool commit) {
    const Claim claim = claims_[index];
    claims_.erase(claims_.begin() + static_cast<std::ptrdiff_t>(index));
    if (!commit) {
      const Thread::Call call(thread_);
      (void)port_->abort(claim.slot);
      return;
    }
    CommittedFrame frame{static_cast<std::uint32_t>(claim.slot.size), true, world_.calm()};
    claim.book->frame(claim.slot.seq) = frame;
    CommitOptions options;
    options.trace_id = claim.slot.seq + 1;
    const CallBegin begin = call_begins();
    const Result<Committed> committed = [&] {
      const Thread::Call call(thread_);
      return port_->commit(claim.slot, options);
    }();
    if (committed && !begin.usable)
      world_.fail(
          fmt::format("{}: commits seq {} without a lease", thread_.name(), claim.slot.seq));
    if (!committed) {
      claim.book->frame(claim.slot.seq).committing = false;
      world_.hit(Probe::commit_refused);
      world_.trace("{} cannot commit seq {}: {}", thread_.name(), claim.slot.seq,
                   committed.error().message());
      return;
    }
    tell(claim, committed->told);
  }

  void tell(const Claim& claim, Told told) {
    world_.trace("{} commits epoch {} seq {}, told {}", thread_.name(), claim.book->epoch,
                 claim.slot.seq, static_cast<int>(told));
    switch (told) {
      case Told::consumers:
        if (process_.superseded()) world_.hit(Probe::old_producer_woke_up);
        break;
      case Told::held:
        world_.hit(Probe::claims_out_of_order);
        break;
      case Told::nobody:
        world_.hit(Probe::nobody_listened);
        break;
      case Told::back_pressured:
        world_.hit(Probe::back_pressured_at_commit);
        break;
      case Told::link_down:
        world_.hit(Probe::link_down_at_commit);
        break;
    }
  }

  // Claims may outlive the port; their memory stays until they are given up.
  void close_port() {
    const Thread::Call call(thread_);
    const bool first = world_.chance(50);
    if (first) drop_claims();
    port_->close();
    if (remove_on_close_ && cell_->producer.epoch.get() != 0) {
      removed_.push_back(fmt::format("{}/tensorpool-sim/{}/{}/{}/", base_dir, place(),
                                     thread_.part().stream, cell_->producer.epoch.get()));
    }
    world_.trace("{} closes its port", thread_.name());
    drop_claims();
    port_.reset();
    cell_.reset();
  }
  void drop_claims() {
    for (const Claim& claim : claims_) (void)port_->abort(claim.slot);
    claims_.clear();
  }

  std::shared_ptr<agents::Request> request_;
  std::shared_ptr<agents::Cell> cell_;
  std::vector<Claim> claims_;
  std::uint64_t claimed_ = 0;
  bool remove_on_close_ = true;
  std::vector<std::string> removed_;
  // Of the mapping that the port works on.
  const EpochBook* book_ = nullptr;
  std::byte* ring_ = nullptr;
  shm::RingGeometry geometry_;
  std::uint64_t next_announced_ = 0;
  bool filling_ = false;
};

}  // namespace

std::unique_ptr<App> make_producer(Thread& thread) { return std::make_unique<ProducerApp>(thread); }

}  // namespace tensorpool::simulation
