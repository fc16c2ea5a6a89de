// The producer's side of the frame path: claim, commit, abort. The order of checks is that of
// docs/internals/concurrency.md section 3; W1 to W6 are the steps of shm/seqlock.hpp.
//
// After attach nothing here allocates, locks, calls the system or throws; the clock is read through
// the vDSO.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "agents/port_base.hpp"
#include "agents/ringer.hpp"
#include "protocol/frame/claim_window.hpp"
#include "shm/header_template.hpp"
#include "shm/seqlock.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/producer.hpp"
#include "wire/descriptor.hpp"

namespace tensorpool::agents {

// What a claim hands out; the public Slot carries it.
struct ClaimedSlot {
  Wiring* wiring = nullptr;
  std::uint64_t session = 0;
  std::uint64_t seq = 0;
  std::byte* data = nullptr;
  std::uint64_t size = 0;
  std::uint16_t pool_id = 0;
};

// Why a call was refused: what an Error is made of.
struct Refusal {
  Code code = Code::ok;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  [[gnu::noinline, gnu::cold]] tl::unexpected<Error> in(const char* call) const noexcept {
    return fail(Error::hot(code, call, a, b));
  }
};

struct ProducerPortOptions {
  std::uint32_t stream_id = 0;
  std::uint32_t producer_id = 0;
  std::uint32_t max_claims = 8;
  bool descriptor_timestamps = false;
};

template <class Env>
class ProducerPort final : public PortBase<Env> {
  using Base = PortBase<Env>;
  using Base::active;
  using Base::cell_;
  using Base::check;
  using Base::lease_over;
  using Base::pin;
  using Base::session_;
  using Base::unpin;
  using Base::why_not;
  using Base::wiring_;

 public:
  ProducerPort(const ProducerPortOptions& options, std::shared_ptr<Cell> cell,
               std::shared_ptr<void> keep_alive)
      : Base(std::move(cell), std::move(keep_alive)), options_(options) {}

  const ProducerPortOptions& options() const noexcept { return options_; }

  // True: `out` is a claim. False: refusal() says why not. Inlined into the one call of the handle, so that
  // neither an Error nor a Result is carried through the way that succeeds.
  [[gnu::always_inline]] bool claim(const TensorSpec& spec, ClaimedSlot& out) noexcept {
    check();
    // The same shape again needs no second check and no look for a pool; there is none while the port is not
    // active.
    if (shape_ == nullptr || !shape_->serves(spec)) [[unlikely]] {
      if (!change_shape(spec)) return false;
    }
    const base::Nanos now = Env::now();
    if (window_.full()) [[unlikely]]
      return refuse_exhausted();
    if (lease_over(now)) [[unlikely]]
      return refuse(Code::reattaching);
    const std::uint64_t seq = window_.take();
    Wiring& wiring = *wiring_;
    const HeaderTemplate& shape = *shape_;
    const std::uint32_t index = wiring.geometry.header_index(seq);
    shm::mark_in_progress(wiring.slot_at(index), seq);  // W1, W2
    pin(wiring);
    ProducerCounts& count = counts();
    count.open.add();
    count.claimed.add();
    count.next_seq.set(seq + 1);
    Env::template step<Step::claimed>();
    Parked& parked = parked_[protocol::ClaimWindow::entry(seq)];
    parked.shape = &shape;
    parked.timestamp_ns = static_cast<std::uint64_t>(now);
    out.wiring = &wiring;
    out.session = session_;
    out.seq = seq;
    out.data = wiring.payload_at(shape.pool, index);
    out.size = shape.size_bytes;
    out.pool_id = shape.pool.pool_id;
    return true;
  }
  Result<ClaimedSlot> claim(const TensorSpec& spec) noexcept {
    ClaimedSlot claimed;
    if (!claim(spec, claimed)) return refusal_.in("claim");
    return claimed;
  }
  // Of the last claim or commit that said false.
  const Refusal& refusal() const noexcept { return refusal_; }

  // REQUIRES a claim of this port that was neither committed nor aborted: its Wiring and seq.
  [[gnu::always_inline]] bool commit(Wiring& wiring, std::uint64_t seq,
                                     const CommitOptions& options, Committed& out) noexcept {
    check();
    // The Wiring of the claim was active when it was made, and stays what it is: while it is the port's, nothing
    // has ended.
    if (&wiring != wiring_ || lease_over()) [[unlikely]] {
      if (!may_commit(wiring, seq)) return false;
    }
    const std::uint32_t index = wiring.geometry.header_index(seq);
    const shm::SlotRef slot = wiring.slot_at(index);
    Parked& parked = parked_[protocol::ClaimWindow::entry(seq)];
    const HeaderTemplate& shape = *parked.shape;
    std::uint64_t timestamp = options.timestamp_ns;
    if (timestamp == 0) [[likely]]
      timestamp = parked.timestamp_ns;
    shm::store_header(slot, shape, index, timestamp, options.meta_version);  // W4
    Env::template step<Step::before_commit_word>();
    shm::commit(slot, seq);  // W5, W6
    Env::template step<Step::after_commit_word>();
    Told told = Told::held;
    if (window_.pass(seq)) [[likely]] {
      // In order, as nearly always: this one is told now and nobody waits for it.
      told = publish(seq, shape.size_bytes, options);
      if (told == Told::consumers) [[likely]]
        ring();
    } else {
      told = hold(seq, options);
    }
    shm::expect_to_write(wiring.slot(window_.next()));
    let_go(wiring);
    out.seq = seq;
    out.told = told;
    return true;
  }
  Result<Committed> commit(const ClaimedSlot& claim, const CommitOptions& options) noexcept {
    Committed committed;
    if (!commit(*claim.wiring, claim.seq, options, committed)) return refusal_.in("commit");
    return committed;
  }

  // REQUIRES as commit(). The slot stays in progress; consumers see a gap.
  Result<void> abort(const ClaimedSlot& claim) noexcept {
    check();
    Wiring& wiring = *claim.wiring;
    if (claim.session != session_ || this->closed()) {
      (void)refuse_old(wiring);
      return refusal_.in("abort");
    }
    finish(claim.seq, false, !lease_over());
    let_go(wiring);
    if (this->forked()) return fail(Error::hot(Code::forked, "abort"));
    return {};
  }

  // claim, copy, commit in one.
  Result<Committed> offer(const TensorSpec& spec, std::span<const std::byte> payload,
                          const CommitOptions& options) noexcept {
    ClaimedSlot claimed;
    if (!claim(spec, claimed)) return refusal_.in("claim");
    if (claimed.size != payload.size()) {
      (void)abort(claimed);
      return fail(Error::hot(Code::extent_mismatch, "offer", claimed.size, payload.size()));
    }
    shm::store_payload(claimed.data, payload.data(), payload.size(),
                       shm::copy_kind(payload.size()));  // W3
    return commit(claimed, options);
  }

  // What an open claim was made with; an empty one for a claim of an ended session.
  TensorSpec spec_of(const ClaimedSlot& claim) const noexcept {
    if (claim.session != session_) return {};
    return parked_[protocol::ClaimWindow::entry(claim.seq)].shape->spec;
  }

  void close() noexcept {
    if (this->closed()) return;
    check();
    drop_parked();
    this->close_port();
    forget_shapes();
  }

 private:
  using HeaderTemplate = shm::HeaderTemplate;
  // What is known of a claim: the header to be, and what the descriptor needs once it is its turn.
  struct Parked {
    const HeaderTemplate* shape = nullptr;
    std::uint64_t timestamp_ns = 0;  // of the claim
    CommitOptions tags;              // once it is committed and held
  };

  ProducerCounts& counts() noexcept { return cell_->producer; }

  void on_new_session() noexcept override {
    drop_parked();
    window_.reset(protocol::ClaimWindow::size_for(options_.max_claims, wiring_->geometry.nslots));
    template_ = wire::DescriptorTemplate(options_.stream_id, wiring_->epoch);
    forget_shapes();
    counts().sessions.add();
    counts().epoch.set(wiring_->epoch);
    counts().next_seq.set(0);
    counts().open.set(open());
  }
  void on_adopted() noexcept override {
    if (!active()) forget_shapes();
    one_plain_link_ = wiring_->link_count == 1 && !options_.descriptor_timestamps;
    has_bell_ = wiring_->wake.own.live();  // one that is not will never be
  }

  // Frames of a session that ended while they waited for an earlier claim: nobody is told.
  void drop_parked() noexcept {
    counts().not_announced.add(window_.held());
    window_.reset(window_.size());
    counts().open.set(open());
  }

  // Counted by what is really held, not as the rest of the other counts, so that a claim that is lost
  // or counted twice shows in the books: goes up and down with the pins, and is set anew by whatever changes
  // what waits.
  std::uint64_t open() const noexcept { return this->open_pins() + window_.held(); }

  void let_go(Wiring& wiring) noexcept {
    counts().open.add(~std::uint64_t{0});  // one less
    unpin(wiring);
  }

  // Makes `spec` the shape of this claim and those to come. One of the latest few is at hand.
  [[gnu::noinline]] bool change_shape(const TensorSpec& spec) noexcept {
    for (const HeaderTemplate* known : at_hand_) {
      if (known == nullptr || !known->serves(spec)) continue;
      shape_ = known;
      return true;
    }
    return make_shape(spec);
  }
  // One that is not known: the rules that readers apply are checked before anything is claimed (SHM-208).
  [[gnu::noinline, gnu::cold]] bool make_shape(const TensorSpec& spec) noexcept {
    if (!active()) return refuse(why_not());
    HeaderTemplate& shape = free_shape();
    if (const shm::SlotFault fault = shm::make_template(spec, shape); fault != shm::SlotFault::none)
      return refuse(Code::invalid_spec, static_cast<std::uint64_t>(fault));
    const shm::PoolGeometry* pool = wiring_->geometry.smallest_fitting(shape.size_bytes);
    if (pool == nullptr) {
      counts().too_large.add();
      return refuse(Code::too_large, shape.size_bytes, wiring_->geometry.largest_stride_bytes());
    }
    shm::use_pool(shape, *pool);
    shape_ = at_hand_[turn_] = &shape;
    turn_ = (turn_ + 1) % at_hand_.size();
    return true;
  }
  // None is at hand while the port is not active, so that one look answers for that, too.
  void forget_shapes() noexcept {
    shape_ = nullptr;
    at_hand_.fill(nullptr);
  }
  // One that is not at hand, and that no open claim uses: each of 64 may have another.
  HeaderTemplate& free_shape() noexcept {
    for (HeaderTemplate& shape : shapes_) {
      bool used = std::find(at_hand_.begin(), at_hand_.end(), &shape) != at_hand_.end();
      for (std::uint64_t seq = window_.head(); seq != window_.next(); ++seq)
        used |= parked_[protocol::ClaimWindow::entry(seq)].shape == &shape;
      if (!used) return shape;
    }
    TP_ASSERT(false);
    return shapes_[0];
  }

  // Why an old claim is refused.
  Code ended() const noexcept {
    if (this->closed()) return Code::closed;
    return this->forked() ? Code::forked : Code::lease_ended;
  }

  [[gnu::noinline, gnu::cold]] bool refuse(Code code, std::uint64_t a = 0,
                                           std::uint64_t b = 0) noexcept {
    refusal_ = {code, a, b};
    return false;
  }
  [[gnu::noinline, gnu::cold]] bool refuse_exhausted() noexcept {
    counts().exhausted.add();
    return refuse(Code::claims_exhausted, window_.next() - window_.head(), window_.size());
  }
  // An old claim never moves the window of the new session. Its memory stayed mapped until here.
  [[gnu::noinline, gnu::cold]] bool refuse_old(Wiring& wiring) noexcept {
    counts().refused.add();
    let_go(wiring);
    return refuse(ended());
  }
  // A commit whose Wiring is not the port's any more, or whose lease may be over.
  [[gnu::noinline, gnu::cold]] bool may_commit(Wiring& wiring, std::uint64_t seq) noexcept {
    if (wiring.session != session_ || this->closed()) return refuse_old(wiring);
    if (active() && !lease_over()) return true;
    // The claim's session is still the port's, but nothing may be published in it: counts as aborted.
    const Code why = active() ? Code::lease_ended : why_not();
    finish(seq, false, false);
    let_go(wiring);
    return refuse(why);
  }

  // Marks the claim and tells consumers of everything whose turn has come, if the lease still holds.
  [[gnu::noinline, gnu::cold]] Told finish(std::uint64_t seq, bool announce,
                                           bool leased = true) noexcept {
    if (!announce) counts().aborted.add();
    window_.finish(seq, announce);
    Told told = Told::held;
    bool sent = false;
    window_.drain([&](std::uint64_t ready) {
      const Parked& parked = parked_[protocol::ClaimWindow::entry(ready)];
      const Told outcome =
          leased && active() ? publish(ready, parked.shape->size_bytes, parked.tags) : withhold();
      sent |= outcome == Told::consumers;
      if (ready == seq) told = outcome;
    });
    counts().open.set(open());
    if (sent) ring();
    return told;
  }
  // Wakes who sleeps, behind the last descriptor of a commit that sent one.
  void ring() noexcept {
    if (has_bell_) [[unlikely]]
      ringer_.ring(wiring_->wake, *cell_);
  }
  // Committed out of order, or with others waiting for it.
  [[gnu::noinline]] Told hold(std::uint64_t seq, const CommitOptions& tags) noexcept {
    parked_[protocol::ClaimWindow::entry(seq)].tags = tags;
    return finish(seq, true);
  }
  Told withhold() noexcept {
    Env::template step<Step::before_descriptor>();
    counts().not_announced.add();
    return Told::link_down;
  }

  // REQUIRES active().
  // Of `tags`, which stay where they are, only the trace id and the version of the metadata are used.
  [[gnu::always_inline]] Told publish(std::uint64_t seq, std::uint64_t size,
                                      const CommitOptions& tags) noexcept {
    Env::template step<Step::before_descriptor>();
    // One link, no time in the descriptor, and the link takes it: nearly always.
    if (!one_plain_link_) [[unlikely]]
      return publish_to_all(seq, size, tags);
    const transport::Position position = try_send(0, seq, wire::null_u64, tags);
    if (position <= 0) [[unlikely]]
      return publish_again(position, seq, size, tags);
    return published(size);
  }
  Told published(std::uint64_t size) noexcept {
    Env::template step<Step::after_descriptor>();
    ProducerCounts& count = counts();
    count.published.add();
    count.bytes.add(size);
    return Told::consumers;
  }
  Told unpublished(Told told) noexcept {
    Env::template step<Step::after_descriptor>();
    counts().not_announced.add();
    return told;
  }
  [[gnu::noinline]] Told publish_to_all(std::uint64_t seq, std::uint64_t size,
                                        const CommitOptions& tags) noexcept {
    const std::uint64_t time =
        options_.descriptor_timestamps ? static_cast<std::uint64_t>(Env::now()) : wire::null_u64;
    Told told = Told::nobody;
    bool taken = false;
    for (std::uint32_t i = 0; i < wiring_->link_count; ++i) {
      const Told outcome = settle(try_send(i, seq, time, tags), i, seq, time, tags);
      taken |= outcome == Told::consumers;
      told = std::max(told, outcome);
    }
    return taken ? published(size) : unpublished(told);
  }
  // The first try of the only link gave `position`.
  [[gnu::noinline, gnu::cold]] Told publish_again(transport::Position position, std::uint64_t seq,
                                                  std::uint64_t size,
                                                  const CommitOptions& tags) noexcept {
    const Told told = settle(position, 0, seq, wire::null_u64, tags);
    return told == Told::consumers ? published(size) : unpublished(told);
  }

  // One descriptor to one link. Never waits: back-pressure loses the descriptor (STR-95).
  [[gnu::always_inline]] transport::Position try_send(std::uint32_t link, std::uint64_t seq,
                                                      std::uint64_t time,
                                                      const CommitOptions& tags) noexcept {
    auto& publication = Env::publication(*wiring_->links[link]);
    const auto encode = [&](std::byte* to) noexcept {
      const std::uint32_t meta = tags.meta_version == 0 ? wire::null_u32 : tags.meta_version;
      template_.encode(to, seq, time, meta, tags.trace_id);
    };
    if constexpr (requires { publication.send(wire::descriptor_bytes, encode); }) {
      return publication.send(wire::descriptor_bytes, encode);
    } else {
      transport::Claim claim;
      const transport::Position position = publication.try_claim(wire::descriptor_bytes, claim);
      if (position > 0) {
        encode(claim.data);
        publication.commit(claim);
      }
      return position;
    }
  }
  // What became of a descriptor whose first try gave `position`.
  [[gnu::noinline]] Told settle(transport::Position position, std::uint32_t link, std::uint64_t seq,
                                std::uint64_t time, const CommitOptions& tags) noexcept {
    for (int tries = 0;
         position == transport::admin_action && tries < base::limits::admin_action_retries; ++tries)
      position = try_send(link, seq, time, tags);
    if (position > 0) return Told::consumers;
    if (position == transport::not_connected) return Told::nobody;
    counts().back_pressured.add();
    if (position == transport::back_pressured || position == transport::admin_action)
      return Told::back_pressured;
    cell_->note(NoteKind::link_failed).write(session_, link);
    return Told::link_down;
  }

  ProducerPortOptions options_;
  protocol::ClaimWindow window_;
  // Of the Wiring: one link and no time in descriptors; a bell of the wake-up extension.
  bool one_plain_link_ = false;
  bool has_bell_ = false;
  wire::DescriptorTemplate template_{0, 0};
  const HeaderTemplate* shape_ =
      nullptr;  // of the latest claim; null: none in this session, or not active
  Refusal refusal_;
  std::array<Parked, base::limits::claims_per_producer> parked_{};
  Ringer ringer_;
  std::array<const HeaderTemplate*, base::limits::shapes_at_hand> at_hand_{};  // shape_ among them
  std::size_t turn_ = 0;  // which one is forgotten next
  std::array<HeaderTemplate, base::limits::claims_per_producer + base::limits::shapes_at_hand + 1>
      shapes_{};
};

}  // namespace tensorpool::agents
