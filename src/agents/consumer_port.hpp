// The consumer's side of the frame path: poll, read in place, prove. The order of checks is that of
// docs/internals/concurrency.md section 3 (letters a to g); R1 to R6 are the steps of
// shm/seqlock.hpp.
//
// After attach nothing here allocates, locks, calls the system or throws of itself, whatever
// becomes of a frame. Application handlers may throw.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "agents/port_base.hpp"
#include "base/assert.hpp"
#include "base/fork.hpp"
#include "protocol/frame/rate_gate.hpp"
#include "protocol/frame/sequence.hpp"
#include "shm/seqlock.hpp"
#include "shm/slot_image.hpp"
#include "shm/tensor_rules.hpp"
#include "tensorpool/consumer.hpp"
#include "wire/descriptor.hpp"

namespace tensorpool::agents {

struct ConsumerPortOptions {
  std::uint32_t stream_id = 0;
  std::uint32_t consumer_id = 0;
  std::uint32_t max_rate_hz = 0;
  std::uint32_t max_gap = 256;  // max_outstanding_seq_gap; 0: off
  int fragment_limit = base::limits::fragments_per_poll;
};

// A frame whose header was copied and validated, not proved yet.
struct OpenFrame {
  Wiring* wiring = nullptr;
  shm::ConstSlotRef slot;
  std::uint64_t committed = 0;  // what R1 saw
  const std::byte* payload = nullptr;
  FrameInfo info;

  // R4 to R6. In a forked child the slot is not there.
  bool intact() const noexcept {
    return !base::lost_by_fork(slot.words) && shm::still(slot, committed);
  }
};

template <class Env>
class ConsumerPort final : public PortBase<Env> {
  using Base = PortBase<Env>;
  using Base::active;
  using Base::cell_;
  using Base::check;
  using Base::lease_over;
  using Base::pin;
  using Base::session_;
  using Base::unpin;
  using Base::wiring_;

 public:
  ConsumerPort(const ConsumerPortOptions& options, std::shared_ptr<Cell> cell,
               std::shared_ptr<void> keep_alive)
      : Base(std::move(cell), std::move(keep_alive)),
        options_(options),
        gate_(options.max_rate_hz) {
    TP_ASSERT(options.fragment_limit > 0 &&
              static_cast<std::size_t>(options.fragment_limit) <= base::limits::inbox_entries);
  }

  const ConsumerPortOptions& options() const noexcept { return options_; }
  using Base::why_not;

  // Calls `visit(OpenFrame&)` for up to fragment_limit frames. It gives the outcome of the last
  // proof: Visit::intact or Visit::overwritten after a proof of its own, Visit::unproved to have it
  // made here, Visit::skip for a frame that it does not want.
  enum class Visit : std::uint8_t { unproved, intact, overwritten, skip };
  template <class Visitor>
  Polled poll(Visitor&& visit) {
    Polled polled;
    if (busy_) {
      polled.state = this->state();
      return polled;
    }
    const Busy busy(*this);
    if (!begin(polled)) return polled;
    if (inbox_empty()) receive();
    if (!still_leased(polled)) return polled;
    while (!inbox_empty()) {
      const wire::FrameDescriptor descriptor = take();
      if (!admit(descriptor, polled)) continue;
      if (gate_.enabled() && !gate_by_descriptor(descriptor, polled)) continue;
      handle(descriptor, polled, visit);
      if (this->closed()) break;
    }
    polled.state = this->state();
    return polled;
  }

  // One frame for the pull forms; its pin stays until finish(). Null: none right now.
  OpenFrame* next(Polled& polled) {
    if (busy_ || view_open_) return nullptr;
    const Busy busy(*this);
    if (!begin(polled)) return nullptr;
    if (inbox_empty()) receive();
    if (!still_leased(polled)) return nullptr;
    while (!inbox_empty()) {
      const wire::FrameDescriptor descriptor = take();
      if (!admit(descriptor, polled)) continue;
      if (gate_.enabled() && !gate_by_descriptor(descriptor, polled)) continue;
      if (open_view(descriptor, polled)) return &view_;
    }
    return nullptr;
  }

  // The newest frame of what has arrived; the others count as skipped.
  OpenFrame* latest(Polled& polled) {
    if (busy_ || view_open_) return nullptr;
    const Busy busy(*this);
    if (!begin(polled)) return nullptr;
    Undecided newest(*this, polled);
    std::uint64_t session = 0;
    wire::FrameDescriptor descriptor;
    for (int polls = 0; polls < base::limits::latest_polls; ++polls) {
      if (!active() || halted_ || (inbox_empty() && receive() == 0)) break;
      if (!still_leased(polled)) break;
      while (!inbox_empty()) {
        const wire::FrameDescriptor arrived = take();
        if (!admit(arrived, polled)) continue;
        const std::uint64_t now = session_;
        const std::uint64_t older = std::exchange(descriptor, arrived).seq;
        const bool same = std::exchange(session, now) == now;
        if (!newest.hold()) continue;
        if (same) {
          skip(older, older, polled);
        } else {
          end(polled);
        }
      }
    }
    // Seen, then its mapping ended before it was read: that is what `newest` counts.
    if (!newest.held() || session != session_ || !active() || halted_) return nullptr;
    newest.release();
    if (gate_.enabled() && !gate_by_descriptor(descriptor, polled)) return nullptr;
    return open_view(descriptor, polled) ? &view_ : nullptr;
  }

  // C4 of protocol/frame/wake.hpp, for those that wait (client/waiting.hpp): whether there is something to poll for, or news of the conductor.
  // What it receives waits in the inbox; what a poll would drop is dropped. Adopts nothing, so that what a
  // sleeper knows of the Wiring stays true.
  bool anything_waiting() {
    for (int polls = 0; polls < base::limits::latest_polls; ++polls) {
      if (this->closed() || cell_->mail.load(protocol::WakeOrders::c4_mail) != nullptr ||
          !inbox_empty()) {
        return true;
      }
      if (wiring_ == nullptr || wiring_->subscription == nullptr) return false;
      const int received = active() && !halted_ ? receive() : drop_received();
      if (received == 0) return false;
    }
    return true;  // an endless stream of what is others'
  }
  // Frames that were received and not polled yet.
  bool received() const noexcept { return !inbox_empty(); }
  // Whether the state is another than the last poll found.
  bool state_changed() noexcept { return this->state() != last_state_; }

  bool view_open() const noexcept { return view_open_; }
  // R4 to R6 on the pulled view. REQUIRES view_open().
  bool view_intact() const noexcept { return view_.intact(); }

  // Ends the view of next() or latest(): the proof, then the books. `asked` is the answer of the
  // last intact() that the application asked for, if any.
  Outcome finish(Visit asked) noexcept {
    TP_ASSERT(view_open_);
    const Busy busy(*this);
    view_open_ = false;
    Polled polled;
    return settle(view_, asked, view_gate_, polled);
  }

  // From inside a handler it takes effect after the call that runs there (CON-37).
  void on_event(std::function<void(const Event&)> handler) {
    (busy_ ? next_event_.emplace() : event_) = std::move(handler);
  }

  void close() noexcept { this->close_port(); }
  bool busy() const noexcept { return busy_; }

 private:
  struct Busy {
    explicit Busy(ConsumerPort& p) noexcept : port(p), inner(std::exchange(p.busy_, true)) {}
    ~Busy() {
      if (inner) return;
      port.busy_ = false;
      if (port.next_event_) {
        port.event_ = std::move(*port.next_event_);
        port.next_event_.reset();
      }
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ConsumerPort& port;
    bool inner;  // a view may end inside a handler
  };
  // A frame in the books whose end is not decided: unless somebody decides, it counts as ended. Event
  // handlers of the application run meanwhile and may close the port, let it adopt another mapping,
  // or throw.
  class Undecided {
   public:
    Undecided(ConsumerPort& port, Polled& polled) noexcept : port_(port), polled_(polled) {}
    Undecided(const Undecided&) = delete;
    Undecided& operator=(const Undecided&) = delete;
    ~Undecided() {
      if (held_) port_.end(polled_);
    }
    // Takes charge; says whether it was already.
    bool hold() noexcept { return std::exchange(held_, true); }
    void release() noexcept { held_ = false; }
    bool held() const noexcept { return held_; }

   private:
    ConsumerPort& port_;
    Polled& polled_;
    bool held_ = false;
  };
  struct Gate {
    protocol::GateSource source = protocol::GateSource::none;
    std::uint64_t time_ns = 0;
  };

  ConsumerCounts& counts() noexcept { return cell_->consumer; }

  void on_new_session() noexcept override {
    tracker_.reset();
    gate_.reset();
    halted_ = false;
    inbox_head_ = inbox_tail_ = 0;
    counts().sessions.add();
    counts().epoch.set(wiring_->epoch);
  }

  // Steps 1 and 2. False: nothing to read; what arrives meanwhile is drained and dropped, so that
  // the subscription never stands still (SHM-157, STR-117).
  bool begin(Polled& polled) {
    const PortState before = last_state_;
    const std::uint64_t session = session_;
    polled.state = this->state();
    last_state_ = polled.state;
    if (event_)
      tell_changes(before, session != session_ || session_ != told_session_, polled.state);
    if (active() && !halted_) return true;
    inbox_head_ = inbox_tail_ = 0;
    if (wiring_ != nullptr && wiring_->subscription != nullptr) (void)drop_received();
    return false;
  }

  int drop_received() noexcept {
    return Env::subscription(*wiring_->subscription)
        .poll([](const transport::Fragment&) noexcept {}, options_.fragment_limit);
  }

  // Before the first entry: whoever was stopped past the end of its lease reads nothing any more. The
  // descriptors go the way of those that arrive without a mapping.
  bool still_leased(Polled& polled) noexcept {
    if (inbox_empty() || !lease_over()) [[likely]]
      return true;
    inbox_head_ = inbox_tail_ = 0;
    polled.state = PortState::reattaching;
    return false;
  }

  void tell_changes(PortState before, bool new_session, PortState now) {
    if (new_session && session_ != 0 && active()) {
      told_session_ = session_;
      say(Event{EventKind::mapped, now, wiring_->epoch, 0, 0});
    }
    if (before != now)
      say(Event{EventKind::state, now, wiring_ == nullptr ? 0 : wiring_->epoch, 0, 0});
  }
  // REQUIRES a handler of events. Where it forked, the child must not go on with what was lent.
  void say(const Event& event) {
    event_(event);
    if (base::in_forked_child()) (void)check();
  }

  // Step 3: no application code runs inside the transport; the callback decodes, filters, appends.
  int receive() noexcept {
    return Env::subscription(*wiring_->subscription)
        .poll(
            [this](const transport::Fragment& fragment) noexcept {
              wire::FrameDescriptor descriptor;
              if (!fragment.whole() || !wire::decode_descriptor(fragment.data.data(),
                                                                fragment.data.size(), descriptor)) {
                counts().malformed.add();
                return;
              }
              if (descriptor.stream_id != options_.stream_id) {
                counts().foreign.add();
                return;
              }
              inbox_[inbox_tail_ % inbox_.size()] = descriptor;
              ++inbox_tail_;
            },
            options_.fragment_limit);
  }

  bool inbox_empty() const noexcept { return inbox_head_ == inbox_tail_; }
  wire::FrameDescriptor take() noexcept { return inbox_[inbox_head_++ % inbox_.size()]; }

  // Steps a to c: session, epoch, sequence. True when the descriptor goes on to its slot.
  bool admit(const wire::FrameDescriptor& descriptor, Polled& polled) {
    if (check() || !active() || halted_) {
      // The mapping changed under the batch: what is left of it belongs to the past.
      return false;
    }
    if (descriptor.epoch != wiring_->epoch) {
      counts().wrong_epoch.add();
      if (descriptor.epoch > wiring_->epoch) halt(NoteKind::higher_epoch, descriptor.epoch);
      return false;
    }
    const std::uint64_t session = session_;
    const std::uint64_t before = tracker_.last();
    const std::uint64_t seen = tracker_.seen();
    const protocol::SeqStep step = tracker_.see(descriptor.seq, options_.max_gap);
    if (step.verdict == protocol::SeqVerdict::duplicate) {
      counts().duplicates.add();
      return false;
    }
    if (step.verdict == protocol::SeqVerdict::regression) {
      halt(NoteKind::regression, descriptor.seq);
      return false;
    }
    counts().seen.add(tracker_.seen() - seen);
    counts().last_seq.set(tracker_.last());
    Undecided frame(*this, polled);
    (void)frame.hold();
    if (step.lost != 0) lose(before + 1, before + step.lost, polled);
    if (step.verdict == protocol::SeqVerdict::resync) {
      counts().resyncs.add();
      frame.release();
      skip(descriptor.seq, descriptor.seq, polled);
      return false;
    }
    if (step.skipped != 0) skip(before + 1, before + step.skipped, polled);
    // The handler of these events may have ended the session that the descriptor belongs to.
    if (session != session_ || !active()) return false;
    frame.release();
    return true;
  }

  // Nothing of this session is accepted any more (STR-112, STR-115, STR-206).
  void halt(NoteKind kind, std::uint64_t argument) noexcept {
    halted_ = true;
    inbox_head_ = inbox_tail_ = 0;
    cell_->note(kind).write(session_, argument);
    cell_->call_conductor();
  }

  bool gate_by_descriptor(const wire::FrameDescriptor& descriptor, Polled& polled) {
    if (descriptor.timestamp_ns == wire::null_u64)
      return true;  // decided after the proof, by the slot's time
    if (gate_.wants(protocol::GateSource::descriptor, descriptor.timestamp_ns)) return true;
    skip(descriptor.seq, descriptor.seq, polled);
    return false;
  }

  // Step d: R1, R2, validation of the copy. False: the frame was overwritten, or is not wanted.
  // SHM-189 needs no memory of its own: R1 accepts only the commit word of this seq, and seq rises
  // within a session, so a stale word of the slot never equals it.
  bool open(const wire::FrameDescriptor& descriptor, OpenFrame& frame, Gate& gate, Polled& polled) {
    frame.wiring = wiring_;
    frame.slot = wiring_->slot(descriptor.seq);
    frame.committed = shm::load_commit_acquire(frame.slot);  // R1
    Env::template step<Step::commit_word_loaded>();
    if (frame.committed != shm::committed_word(descriptor.seq))
      return overwrite(descriptor.seq, polled);
    shm::HeaderImage image;
    shm::copy_header(frame.slot, image);  // R2
    Env::template step<Step::header_copied>();
    const shm::SlotFields fields = shm::parse(image);
    shm::ValidSlot valid;
    if (shm::validate(fields, wiring_->geometry, wiring_->geometry.header_index(descriptor.seq),
                      valid) != shm::SlotFault::none) {
      return overwrite(descriptor.seq, polled);
    }
    frame.payload = wiring_->payload(*valid.pool, descriptor.seq);
    describe(frame.info, descriptor, fields, valid);
    if (gate_.enabled()) return gate_by_slot(descriptor, frame, gate, polled);
    return true;
  }

  static void describe(FrameInfo& info, const wire::FrameDescriptor& descriptor,
                       const shm::SlotFields& fields, const shm::ValidSlot& valid) noexcept {
    info.seq = descriptor.seq;
    info.epoch = descriptor.epoch;
    info.publish_time_ns = descriptor.timestamp_ns;
    info.capture_time_ns = fields.timestamp_ns;
    info.trace_id = descriptor.trace_id;
    info.size_bytes = fields.values_len_bytes;
    info.meta_version = fields.meta_version;
    info.slot = fields.payload_slot;
    info.pool_id = fields.pool_id;
    info.dtype = fields.dtype;
    info.order = fields.order;
    info.ndims = fields.ndims;
    info.progress_unit = fields.progress_unit;
    for (std::size_t i = 0; i < max_dims; ++i) {
      const bool used = i < fields.ndims;
      info.dims[i] = used ? fields.dims[i] : 0;
      info.strides[i] = used ? static_cast<std::int64_t>(valid.strides.bytes[i]) : 0;
    }
  }

  // The rate gate: by the descriptor's time, else by the slot's own under the commit check, else by
  // the local clock (STR-194). The reference moves only when the frame is accepted.
  bool gate_by_slot(const wire::FrameDescriptor& descriptor, const OpenFrame& frame, Gate& gate,
                    Polled& polled) {
    if (descriptor.timestamp_ns != wire::null_u64) {
      gate = {protocol::GateSource::descriptor, descriptor.timestamp_ns};
      return true;
    }
    if (!frame.intact()) return overwrite(descriptor.seq, polled);
    const std::uint64_t slot_time = frame.info.capture_time_ns;
    gate = shm::timestamp_absent(slot_time)
               ? Gate{protocol::GateSource::local_clock, static_cast<std::uint64_t>(Env::now())}
               : Gate{protocol::GateSource::slot, slot_time};
    if (gate_.wants(gate.source, gate.time_ns)) return true;
    skip(descriptor.seq, descriptor.seq, polled);
    return false;
  }

  // Steps d to g around the handler.
  template <class Visitor>
  void handle(const wire::FrameDescriptor& descriptor, Polled& polled, Visitor& visit) {
    OpenFrame frame;
    Gate gate;
    if (!open(descriptor, frame, gate, polled)) return;
    pin(*frame.wiring);  // e
    // A handler that throws ends here with its frame counted as ended.
    struct Unwind {
      ~Unwind() {
        if (port == nullptr) return;
        port->unpin(*wiring);
        port->counts().ended.add();
      }
      ConsumerPort* port;
      Wiring* wiring;
    } unwind{this, frame.wiring};
    Env::template step<Step::in_handler>();
    const Visit visited = visit(frame);
    unwind.port = nullptr;
    if (visited == Visit::skip) {
      unpin(*frame.wiring);
      skip(descriptor.seq, descriptor.seq, polled);
      return;
    }
    (void)settle(frame, visited, gate, polled);
  }

  bool open_view(const wire::FrameDescriptor& descriptor, Polled& polled) {
    if (!open(descriptor, view_, view_gate_, polled)) return false;
    pin(*view_.wiring);
    view_open_ = true;
    return true;
  }

  // Steps f and g: the proof, then whether the session is still the one that was read, then the
  // books.
  Outcome settle(OpenFrame& frame, Visit visited, const Gate& gate, Polled& polled) {
    Env::template step<Step::before_proof>();
    const bool whole = visited == Visit::unproved ? frame.intact() : visited == Visit::intact;
    const std::uint64_t session = frame.wiring->session;
    if (!this->closed()) check();
    const bool ended = this->closed() || session != session_ || !active() || halted_;
    unpin(*frame.wiring);
    if (ended) {
      end(polled);
      return Outcome::ended;
    }
    if (!whole) {
      (void)overwrite(frame.info.seq, polled);
      return Outcome::overwritten;
    }
    if (gate_.enabled()) gate_.accept(gate.source, gate.time_ns);
    counts().delivered.add();
    counts().bytes.add(frame.info.size_bytes);
    ++polled.delivered;
    return Outcome::delivered;
  }

  bool overwrite(std::uint64_t seq, Polled& polled) {
    counts().overwritten.add();
    ++polled.overwritten;
    tell(EventKind::overwritten, seq, seq);
    return false;
  }
  void skip(std::uint64_t first, std::uint64_t last, Polled& polled) {
    counts().skipped.add(last - first + 1);
    polled.skipped += last - first + 1;
    tell(EventKind::skipped, first, last);
  }
  void end(Polled& polled) noexcept {
    counts().ended.add();
    ++polled.ended;
  }
  void lose(std::uint64_t first, std::uint64_t last, Polled& polled) {
    counts().lost.add(last - first + 1);
    polled.lost += last - first + 1;
    tell(EventKind::gap, first, last);
  }
  void tell(EventKind kind, std::uint64_t first, std::uint64_t last) {
    if (event_)
      say(Event{kind, PortState::active, wiring_ == nullptr ? 0 : wiring_->epoch, first, last});
  }

  ConsumerPortOptions options_;
  protocol::SequenceTracker tracker_;
  protocol::RateGate gate_;
  bool halted_ = false;
  bool busy_ = false;
  bool view_open_ = false;
  PortState last_state_ = PortState::connecting;
  std::uint64_t told_session_ = 0;
  std::uint64_t inbox_head_ = 0;
  std::uint64_t inbox_tail_ = 0;
  std::array<wire::FrameDescriptor, base::limits::inbox_entries> inbox_{};
  OpenFrame view_;
  Gate view_gate_;
  std::function<void(const Event&)> event_;
  std::optional<std::function<void(const Event&)>> next_event_;
};

}  // namespace tensorpool::agents
