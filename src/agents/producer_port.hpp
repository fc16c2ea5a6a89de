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

#include "agents/port_base.hpp"
#include "agents/ringer.hpp"
#include "protocol/frame/claim_window.hpp"
#include "shm/seqlock.hpp"
#include "shm/slot_image.hpp"
#include "shm/tensor_rules.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/producer.hpp"
#include "wire/descriptor.hpp"

namespace tensorpool::agents {

// What a claim hands out; the public Slot carries it.
struct ClaimedSlot {
  Wiring* wiring = nullptr;
  std::uint64_t session = 0;
  std::uint64_t seq = 0;
  base::Nanos claimed_ns = 0;
  std::byte* data = nullptr;
  std::uint64_t size = 0;
  std::uint16_t pool_id = 0;
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

  Result<ClaimedSlot> claim(const TensorSpec& spec) noexcept {
    check();
    if (!active()) return fail(Error::hot(why_not(), "claim"));
    shm::ResolvedStrides strides;
    if (const shm::SlotFault fault = check_spec(spec, strides); fault != shm::SlotFault::none) {
      return fail(Error::hot(Code::invalid_spec, "claim", static_cast<std::uint64_t>(fault)));
    }
    const std::uint64_t size = strides.extent_bytes;
    const shm::PoolGeometry* pool = wiring_->geometry.smallest_fitting(size);
    if (pool == nullptr) {
      counts().too_large.add();
      return fail(
          Error::hot(Code::too_large, "claim", size, wiring_->geometry.largest_stride_bytes()));
    }
    if (window_.full()) {
      counts().exhausted.add();
      return fail(Error::hot(Code::claims_exhausted, "claim", window_.next() - window_.head(),
                             window_.size()));
    }
    const base::Nanos now = Env::now();
    if (lease_over(now)) [[unlikely]]
      return fail(Error::hot(Code::reattaching, "claim"));
    const std::uint64_t seq = window_.take();
    shm::mark_in_progress(wiring_->slot(seq), seq);  // W1, W2
    pin(*wiring_);
    counts().claimed.add();
    count_open();
    counts().next_seq.set(window_.next());
    Env::template step<Step::claimed>();
    Parked& parked = parked_[protocol::ClaimWindow::entry(seq)];
    parked.size = size;
    describe(parked.fields, spec, strides);
    parked.fields.values_len_bytes = static_cast<std::uint32_t>(size);
    parked.fields.payload_slot = wiring_->geometry.header_index(seq);
    parked.fields.pool_id = pool->pool_id;
    return ClaimedSlot{wiring_, session_,     seq, now, wiring_->payload(*pool, seq),
                       size,    pool->pool_id};
  }

  // REQUIRES a claim of this port that was neither committed nor aborted.
  Result<Committed> commit(const ClaimedSlot& claim, const CommitOptions& options) noexcept {
    check();
    Wiring& wiring = *claim.wiring;
    if (claim.session != session_ || this->closed()) {
      // An old claim never moves the window of the new session. Its memory stayed mapped until
      // here.
      refuse(wiring);
      return fail(Error::hot(ended(), "commit"));
    }
    if (!active() || lease_over()) [[unlikely]]
      return refuse_commit(claim);
    const shm::SlotRef slot = wiring.slot(claim.seq);
    Parked& parked = parked_[protocol::ClaimWindow::entry(claim.seq)];
    parked.trace_id = options.trace_id;
    parked.fields.meta_version = options.meta_version;
    parked.fields.timestamp_ns = options.timestamp_ns != 0
                                     ? options.timestamp_ns
                                     : static_cast<std::uint64_t>(claim.claimed_ns);
    shm::HeaderImage image;
    shm::build(image, parked.fields);
    shm::store_header(slot, image);  // W4
    Env::template step<Step::before_commit_word>();
    shm::commit(slot, claim.seq);  // W5, W6
    Env::template step<Step::after_commit_word>();
    const Told told = finish(claim.seq, true);
    let_go(wiring);
    return Committed{claim.seq, told};
  }

  // REQUIRES as commit(). The slot stays in progress; consumers see a gap.
  Result<void> abort(const ClaimedSlot& claim) noexcept {
    check();
    Wiring& wiring = *claim.wiring;
    if (claim.session != session_ || this->closed()) {
      refuse(wiring);
      return fail(Error::hot(ended(), "abort"));
    }
    finish(claim.seq, false, !lease_over());
    let_go(wiring);
    if (this->forked()) return fail(Error::hot(Code::forked, "abort"));
    return {};
  }

  // claim, copy, commit in one.
  Result<Committed> offer(const TensorSpec& spec, std::span<const std::byte> payload,
                          const CommitOptions& options) noexcept {
    auto claimed = claim(spec);
    if (!claimed) return fail(claimed.error());
    if (claimed->size != payload.size()) {
      const std::uint64_t size = claimed->size;
      (void)abort(*claimed);
      return fail(Error::hot(Code::extent_mismatch, "offer", size, payload.size()));
    }
    shm::store_payload(claimed->data, payload.data(), payload.size(),
                       shm::copy_kind(payload.size()));  // W3
    return commit(*claimed, options);
  }

  void close() noexcept {
    if (this->closed()) return;
    check();
    drop_parked();
    this->close_port();
  }

 private:
  // What is known of a claim: the header to be, and what the descriptor needs once it is its turn.
  struct Parked {
    shm::SlotFields fields;
    std::uint64_t size = 0;
    std::uint64_t trace_id = 0;
  };

  ProducerCounts& counts() noexcept { return cell_->producer; }

  void on_new_session() noexcept override {
    drop_parked();
    window_.reset(protocol::ClaimWindow::size_for(options_.max_claims, wiring_->geometry.nslots));
    template_ = wire::DescriptorTemplate(options_.stream_id, wiring_->epoch);
    counts().sessions.add();
    counts().epoch.set(wiring_->epoch);
    counts().next_seq.set(0);
    count_open();
  }

  // Frames of a session that ended while they waited for an earlier claim: nobody is told.
  void drop_parked() noexcept {
    counts().not_announced.add(window_.held());
    window_.reset(window_.size());
    count_open();
  }

  // Counted by what is really held, not as the rest of the other counts, so that a claim that is lost
  // or counted twice shows in the books.
  void count_open() noexcept { counts().open.set(this->open_pins() + window_.held()); }

  void let_go(Wiring& wiring) noexcept {
    unpin(wiring);
    count_open();
  }

  // The rules that readers apply, before anything is claimed (SHM-208). Fills in the strides.
  static shm::SlotFault check_spec(const TensorSpec& spec, shm::ResolvedStrides& strides) noexcept {
    if (const shm::SlotFault fault = shm::resolve(spec, strides); fault != shm::SlotFault::none)
      return fault;
    return shm::progress_stride(spec.progress_unit, spec.shape.size(), strides)
               ? shm::SlotFault::none
               : shm::SlotFault::progress_stride;
  }

  // REQUIRES check_spec(). Strides are written out where they fit the field, for readers that do
  // not infer them, else left 0 (contiguous).
  static void describe(shm::SlotFields& fields, const TensorSpec& spec,
                       const shm::ResolvedStrides& strides) noexcept {
    fields.dtype = spec.dtype;
    fields.order = spec.order;
    fields.ndims = static_cast<std::uint8_t>(spec.shape.size());
    fields.dims = spec.shape.values;
    fields.progress_unit = spec.progress_unit;
    fields.progress_stride_bytes =
        *shm::progress_stride(spec.progress_unit, spec.shape.size(), strides);
    for (std::size_t i = 0; i < max_dims; ++i) {
      const std::uint64_t stride = i < fields.ndims ? strides.bytes[i] : 0;
      fields.strides[i] = stride > INT32_MAX ? 0 : static_cast<std::int32_t>(stride);
    }
  }

  // Why an old claim is refused.
  Code ended() const noexcept {
    if (this->closed()) return Code::closed;
    return this->forked() ? Code::forked : Code::lease_ended;
  }

  void refuse(Wiring& wiring) noexcept {
    counts().refused.add();
    let_go(wiring);
  }

  // The claim's session is still the port's, but nothing may be published in it: counts as aborted.
  [[gnu::noinline, gnu::cold]] Result<Committed> refuse_commit(const ClaimedSlot& claim) noexcept {
    const Code why = active() ? Code::lease_ended : why_not();
    finish(claim.seq, false, false);
    let_go(*claim.wiring);
    return fail(Error::hot(why, "commit"));
  }

  // Marks the claim and tells consumers of everything whose turn has come, if the lease still holds.
  Told finish(std::uint64_t seq, bool announce, bool leased = true) noexcept {
    if (!announce) counts().aborted.add();
    window_.finish(seq, announce);
    Told told = Told::held;
    bool sent = false;
    window_.drain([&](std::uint64_t ready) {
      const Told outcome = publish(ready, leased);
      sent |= outcome == Told::consumers;
      if (ready == seq) told = outcome;
    });
    if (sent) ringer_.ring(wiring_->wake, *cell_);
    return told;
  }

  Told publish(std::uint64_t seq, bool leased) noexcept {
    const Parked& frame = parked_[protocol::ClaimWindow::entry(seq)];
    Env::template step<Step::before_descriptor>();
    if (!leased || !active()) {
      counts().not_announced.add();
      return Told::link_down;
    }
    const std::uint64_t time =
        options_.descriptor_timestamps ? static_cast<std::uint64_t>(Env::now()) : wire::null_u64;
    Told told = Told::nobody;
    bool taken = false;
    for (std::uint32_t i = 0; i < wiring_->link_count; ++i) {
      const Told outcome = send(i, seq, time, frame);
      taken |= outcome == Told::consumers;
      told = std::max(told, outcome);
    }
    Env::template step<Step::after_descriptor>();
    if (!taken) {
      counts().not_announced.add();
      return told;
    }
    counts().published.add();
    counts().bytes.add(frame.size);
    return Told::consumers;
  }

  // One descriptor to one link. Never waits: back-pressure loses the descriptor (STR-95).
  Told send(std::uint32_t link, std::uint64_t seq, std::uint64_t time,
            const Parked& frame) noexcept {
    auto& publication = Env::publication(*wiring_->links[link]);
    transport::Claim claim;
    transport::Position position = transport::admin_action;
    for (int tries = 0;
         position == transport::admin_action && tries <= base::limits::admin_action_retries;
         ++tries) {
      position = publication.try_claim(wire::descriptor_bytes, claim);
    }
    if (position > 0) [[likely]] {
      const std::uint32_t meta = frame.fields.meta_version;
      template_.encode(claim.data, seq, time, meta == 0 ? wire::null_u32 : meta, frame.trace_id);
      publication.commit(claim);
      return Told::consumers;
    }
    if (position == transport::not_connected) return Told::nobody;
    counts().back_pressured.add();
    if (position == transport::back_pressured || position == transport::admin_action)
      return Told::back_pressured;
    cell_->note(NoteKind::link_failed).write(session_, link);
    cell_->call_conductor();
    return Told::link_down;
  }

  ProducerPortOptions options_;
  protocol::ClaimWindow window_;
  wire::DescriptorTemplate template_{0, 0};
  std::array<Parked, base::limits::claims_per_producer> parked_{};
  Ringer ringer_;
};

}  // namespace tensorpool::agents
