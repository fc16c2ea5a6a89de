// The consumer's side of the frame path: poll, read in place, prove. The order of checks is that of
// docs/internals/concurrency.md section 3 (letters a to g); R1 to R6 are the steps of
// shm/seqlock.hpp.
//
// After attach nothing here allocates, locks, calls the system or throws of itself, whatever
// becomes of a frame. Application handlers may throw.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "agents/frame_reader.hpp"
#include "agents/open_frame.hpp"
#include "agents/port_base.hpp"
#include "base/assert.hpp"
#include "base/fork.hpp"
#include "protocol/frame/rate_gate.hpp"
#include "protocol/frame/sequence.hpp"
#include "shm/layout.hpp"
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

template <class Env>
class ConsumerPort final : public PortBase<Env> {
  using Base = PortBase<Env>;
  using Base::active;
  using Base::cell_;
  using Base::check;
  using Base::lease_over;
  using Base::news;
  using Base::pin;
  using Base::session_;
  using Base::unpin;
  using Base::wiring_;

 public:
  ConsumerPort(const ConsumerPortOptions& options, std::shared_ptr<Cell> cell,
               std::shared_ptr<void> keep_alive)
      : Base(std::move(cell), std::move(keep_alive)),
        options_(options),
        look_limit_(std::max(options.fragment_limit, base::limits::fragments_per_poll)),
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
    if (!begin(polled)) [[unlikely]]
      return polled;
    if (inbox_empty()) {
      receive();
      (void)check();
    }
    if (inbox_empty() || !still_leased(polled)) return polled;
    if (gate_.enabled()) [[unlikely]] {
      visit_gated(polled, visit);
    } else {
      visit_inbox<false>(polled, visit);
    }
    // It is active as it was at the beginning, unless nothing is read any more.
    if (reading_ == nullptr) [[unlikely]]
      polled.state = this->state();
    return polled;
  }

  // One frame for the pull forms; its pin stays until finish(). Null: none right now.
  OpenFrame* next(Polled& polled) {
    if (busy_ || view_open_) return nullptr;
    const Busy busy(*this);
    if (!begin(polled)) return nullptr;
    if (inbox_empty()) receive();
    if (inbox_empty() || !still_leased(polled)) return nullptr;
    while (!inbox_empty()) {
      const Arrived& arrived = take();
      if (!admit(arrived, polled)) continue;
      if (gate_.enabled() && !gate_by_descriptor(arrived, polled)) continue;
      if (open_view(arrived, polled)) return &pulled_.frame();
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
    Arrived newest_arrived;
    for (int polls = 0; polls < base::limits::latest_polls; ++polls) {
      if (reading_ == nullptr || (inbox_empty() && receive() == 0)) break;
      if (inbox_empty()) continue;
      if (!still_leased(polled)) break;
      while (!inbox_empty()) {
        const Arrived& arrived = take();
        if (!admit(arrived, polled)) continue;
        const std::uint64_t now = session_;
        const std::uint64_t older = std::exchange(newest_arrived, arrived).seq;
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
    if (!newest.held() || session != session_ || reading_ == nullptr) return nullptr;
    newest.release();
    if (gate_.enabled() && !gate_by_descriptor(newest_arrived, polled)) return nullptr;
    return open_view(newest_arrived, polled) ? &pulled_.frame() : nullptr;
  }

  // C4 of protocol/frame/wake.hpp: whether there is something to poll for, or news of the conductor. What it
  // receives waits in the inbox. Adopts nothing, so that what a sleeper knows of the Wiring stays true.
  bool anything_waiting() {
    int nothing = 0;  // in a row: the padding at the end of a term gives nothing, too
    for (int polls = 0; polls < base::limits::latest_polls; ++polls) {
      if (this->closed() || cell_->mail.load(protocol::WakeOrders::c4_mail) != nullptr ||
          !inbox_empty()) {
        return true;
      }
      if (wiring_ == nullptr || wiring_->subscription == nullptr) return false;
      const int received = reading_ != nullptr ? receive() : drop_received();
      nothing = received == 0 ? nothing + 1 : 0;
      if (nothing == 2) return false;
    }
    return true;  // an endless stream of what is others'
  }
  // Frames that were received and not polled yet.
  bool received() const noexcept { return !inbox_empty(); }
  // Whether the state is another than the last poll found.
  bool state_changed() noexcept { return this->state() != last_state_; }

  bool view_open() const noexcept { return view_open_; }
  // R4 to R6 on the pulled view. REQUIRES view_open().
  bool view_intact() const noexcept { return pulled_.frame().intact(); }

  // Ends the view of next() or latest(): the proof, then the books. `asked` is the answer of the
  // last intact() that the application asked for, if any.
  Outcome finish(Visit asked) noexcept {
    TP_ASSERT(view_open_);
    view_open_ = false;
    Polled polled;
    if (busy_) return settle<true>(pulled_.frame(), asked, view_gate_, polled);
    const Busy busy(*this);
    return settle<true>(pulled_.frame(), asked, view_gate_, polled);
  }

  // From inside a handler it takes effect after the call that runs there (CON-37).
  void on_event(std::function<void(const Event&)> handler) {
    (busy_ ? next_event_.emplace() : event_) = std::move(handler);
  }

  void close() noexcept {
    this->close_port();
    reading_ = nullptr;
  }
  bool busy() const noexcept { return busy_; }

 private:
  struct Busy {
    explicit Busy(ConsumerPort& p) noexcept : port(p) { p.busy_ = true; }
    ~Busy() {
      port.busy_ = false;
      if (port.next_event_) [[unlikely]]
        port.take_next_event();
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ConsumerPort& port;
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

  [[gnu::noinline, gnu::cold]] void take_next_event() noexcept {
    event_ = std::move(*next_event_);
    next_event_.reset();
  }

  void on_new_session() noexcept override {
    tracker_.reset();
    gate_.reset();
    halted_ = false;
    empty_inbox();
    polled_.clear();
    pulled_.clear();
    counts().sessions.add();
    counts().epoch.set(wiring_->epoch);
    on_adopted();
  }
  void on_adopted() noexcept override { reading_ = active() && !halted_ ? wiring_ : nullptr; }

  // Steps 1 and 2. False: nothing to read; what arrives meanwhile is drained and dropped, so that
  // the subscription never stands still (SHM-157, STR-117).
  bool begin(Polled& polled) {
    if (reading_ != nullptr && last_state_ == PortState::active && !news() &&
        (!event_ || session_ == told_session_)) [[likely]] {
      polled.state = PortState::active;
      return true;
    }
    return begin_anew(polled);
  }
  // As long as there may be something to adopt or to tell.
  [[gnu::noinline]] bool begin_anew(Polled& polled) {
    const PortState before = last_state_;
    const std::uint64_t session = session_;
    polled.state = this->state();
    last_state_ = polled.state;
    if (event_) [[unlikely]]
      tell_changes(before, session != session_ || session_ != told_session_, polled.state);
    if (reading_ != nullptr) [[likely]]
      return true;
    drain();
    return false;
  }
  [[gnu::noinline]] void drain() {
    empty_inbox();
    if (wiring_ != nullptr && wiring_->subscription != nullptr) (void)drop_received();
  }

  int drop_received() noexcept {
    return Env::subscription(*wiring_->subscription)
        .poll([](const transport::Fragment&) noexcept {}, options_.fragment_limit);
  }

  // Before the first entry: whoever was stopped past the end of its lease reads nothing any more. The
  // descriptors go the way of those that arrive without a mapping.
  bool still_leased(Polled& polled) noexcept {
    if (!lease_over()) [[likely]]
      return true;
    empty_inbox();
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

  // Step 3: no application code runs inside the transport; the callback decodes, filters, appends. Looks as far
  // as the inbox reaches whatever the limit of a call is: a look costs what it finds and as much again.
  // REQUIRES an empty inbox.
  int receive() noexcept {
    empty_inbox();
    return Env::subscription(*wiring_->subscription)
        .poll([this](const transport::Fragment& fragment) noexcept { append(fragment); },
              look_limit_);
  }
  void append(const transport::Fragment& fragment) noexcept {
    wire::FrameDescriptor descriptor;
    if (!fragment.whole() || !wire::decode_descriptor(fragment.data.data(), fragment.data.size(),
                                                      descriptor)) [[unlikely]] {
      counts().malformed.add();
      return;
    }
    if (descriptor.stream_id != options_.stream_id) {
      counts().foreign.add();
      return;
    }
    *inbox_end_++ = {descriptor.seq, descriptor.epoch, descriptor.timestamp_ns,
                     descriptor.trace_id};
  }

  bool inbox_empty() const noexcept { return inbox_next_ == inbox_end_; }
  void empty_inbox() noexcept { inbox_next_ = inbox_end_ = inbox_.data(); }
  // Stays where it is until the inbox is filled again, which no handler can do.
  const Arrived& take() noexcept { return *inbox_next_++; }

  // Steps a to c: session, epoch, sequence. True when the descriptor goes on to its slot.
  bool admit(const Arrived& arrived, Polled& polled) {
    // True: the mapping changed under the batch: what is left of it belongs to the past.
    return !check() && admit_checked(arrived, polled);
  }
  // REQUIRES check() since anything was received, and since the last frame was settled.
  [[gnu::always_inline]] bool admit_checked(const Arrived& arrived, Polled& polled) {
    if (reading_ == nullptr) [[unlikely]]
      return false;
    const std::uint64_t seq = arrived.seq;
    if (arrived.epoch == reading_->epoch && tracker_.follows(seq)) [[likely]] {
      ConsumerCounts& count = counts();
      count.last_seq.set(seq);
      count.seen.add();
      return true;
    }
    return admit_other(arrived, polled);
  }
  // Any but the one that follows the last.
  [[gnu::noinline]] bool admit_other(const Arrived& descriptor, Polled& polled) {
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
    reading_ = nullptr;
    empty_inbox();
    cell_->note(kind).write(session_, argument);
  }

  bool gate_by_descriptor(const Arrived& descriptor, Polled& polled) {
    if (descriptor.timestamp_ns == wire::null_u64)
      return true;  // decided after the proof, by the slot's time
    if (gate_.wants(protocol::GateSource::descriptor, descriptor.timestamp_ns)) return true;
    skip(descriptor.seq, descriptor.seq, polled);
    return false;
  }

  // The rate gate: by the descriptor's time, else by the slot's own under the commit check, else by
  // the local clock (STR-194). The reference moves only when the frame is accepted.
  bool gate_by_slot(const Arrived& descriptor, const OpenFrame& frame, Gate& gate, Polled& polled) {
    if (descriptor.timestamp_ns != wire::null_u64) {
      gate = {protocol::GateSource::descriptor, descriptor.timestamp_ns};
      return true;
    }
    if (!frame.intact()) {
      overwrite(descriptor.seq, polled);
      return false;
    }
    const std::uint64_t slot_time = frame.info.capture_time_ns;
    gate = shm::timestamp_absent(slot_time)
               ? Gate{protocol::GateSource::local_clock, static_cast<std::uint64_t>(Env::now())}
               : Gate{protocol::GateSource::slot, slot_time};
    if (gate_.wants(gate.source, gate.time_ns)) return true;
    skip(descriptor.seq, descriptor.seq, polled);
    return false;
  }

  // Up to fragment_limit entries of the inbox; what was received beyond that waits there for the next call.
  template <bool Gated, class Visitor>
  [[gnu::always_inline]] void visit_inbox(Polled& polled, Visitor& visit) {
    // Step a for the first entry was made behind the look at the subscription, or at the begin of a call that needs
    // none; for the others it is the last thing that is done for the one before. It empties the inbox when another
    // session begins.
    int left = options_.fragment_limit;
    do {
      const Arrived& arrived = take();
      bool wanted = admit_checked(arrived, polled);
      if constexpr (Gated) wanted = wanted && gate_by_descriptor(arrived, polled);
      if (!wanted || !handle<Gated>(arrived, polled, visit)) [[unlikely]]
        (void)check();
    } while (--left > 0 && !inbox_empty());
  }
  template <class Visitor>
  [[gnu::noinline]] void visit_gated(Polled& polled, Visitor& visit) {
    visit_inbox<true>(polled, visit);
  }

  // Steps d to g around the handler. False: it ended before f, which begins with a check(). REQUIRES admit().
  template <bool Gated, class Visitor>
  [[gnu::always_inline]] bool handle(const Arrived& arrived, Polled& polled, Visitor& visit) {
    OpenFrame* const opened = polled_.open(*reading_, arrived);
    if (opened == nullptr) [[unlikely]] {
      overwrite(arrived.seq, polled);
      return false;
    }
    OpenFrame& frame = *opened;
    Gate gate;
    if constexpr (Gated) {
      if (!gate_by_slot(arrived, frame, gate, polled)) return false;
    }
    pin(*frame.wiring);  // e
    Env::template step<Step::in_handler>();
    Visit visited;
    try {
      visited = visit(frame);
    } catch (...) {
      // A handler that throws ends here with its frame counted as ended.
      unpin(*frame.wiring);
      counts().ended.add();
      throw;
    }
    if (visited == Visit::skip) [[unlikely]] {
      unpin(*frame.wiring);
      skip(arrived.seq, arrived.seq, polled);
      return false;
    }
    (void)settle<Gated>(frame, visited, gate, polled);
    return true;
  }

  // REQUIRES admit().
  bool open_view(const Arrived& arrived, Polled& polled) {
    const OpenFrame* const opened = pulled_.open(*reading_, arrived);
    if (opened == nullptr) {
      overwrite(arrived.seq, polled);
      return false;
    }
    if (gate_.enabled() && !gate_by_slot(arrived, *opened, view_gate_, polled)) return false;
    pin(*opened->wiring);
    view_open_ = true;
    return true;
  }

  // Steps f and g: the proof, then whether the session is still the one that was read, then the
  // books.
  template <bool Gated>
  [[gnu::always_inline]] Outcome settle(OpenFrame& frame, Visit visited, const Gate& gate,
                                        Polled& polled) {
    Env::template step<Step::before_proof>();
    const bool whole = visited == Visit::unproved ? frame.intact() : visited == Visit::intact;
    Wiring& wiring = *frame.wiring;
    (void)check();  // does nothing once the port is closed
    const bool ended = &wiring != reading_ && is_over(wiring);
    unpin(wiring);
    if (ended) [[unlikely]] {
      end(polled);
      return Outcome::ended;
    }
    if (!whole) [[unlikely]] {
      overwrite(frame.info.seq, polled);
      return Outcome::overwritten;
    }
    if constexpr (Gated) {
      if (gate_.enabled()) gate_.accept(gate.source, gate.time_ns);
    }
    const std::uint64_t bytes = frame.info.size_bytes;
    ConsumerCounts& count = counts();
    ++polled.delivered;
    count.delivered.add();
    count.bytes.add(bytes);
    return Outcome::delivered;
  }
  // Of the Wiring of an open frame that is not the one that is read now.
  [[gnu::noinline]] bool is_over(const Wiring& wiring) const noexcept {
    return reading_ == nullptr || wiring.session != session_;
  }

  [[gnu::noinline, gnu::cold]] void overwrite(std::uint64_t seq, Polled& polled) {
    counts().overwritten.add();
    ++polled.overwritten;
    tell(EventKind::overwritten, seq, seq);
  }
  [[gnu::noinline]] void skip(std::uint64_t first, std::uint64_t last, Polled& polled) {
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
  int look_limit_;  // descriptors that one look at the subscription may find
  protocol::SequenceTracker tracker_;
  protocol::RateGate gate_;
  bool halted_ = false;
  bool busy_ = false;
  bool view_open_ = false;
  PortState last_state_ = PortState::connecting;
  std::uint64_t told_session_ = 0;
  std::array<Arrived, base::limits::inbox_entries> inbox_{};
  Arrived* inbox_next_ = inbox_.data();
  Arrived* inbox_end_ = inbox_.data();
  Wiring* reading_ = nullptr;  // the port's, while active and not halted; else null
  FrameReader<Env> polled_;
  FrameReader<Env> pulled_;  // a view outlives many polls
  Gate view_gate_;
  std::function<void(const Event&)> event_;
  std::optional<std::function<void(const Event&)>> next_event_;
};

}  // namespace tensorpool::agents
