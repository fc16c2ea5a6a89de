// The application of a consumer: polls, pulls, reads in place word by word, and compares what was
// delivered with the ledger.
#include <array>
#include <cstring>
#include <utility>

#include "agents/consumer_port.hpp"
#include "simulation/env.hpp"
#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

using agents::NoteKind;
using agents::OpenFrame;
using agents::Step;

class ConsumerApp final : public PortApp<agents::ConsumerPort<SimEnv>> {
 public:
  using PortApp::PortApp;

  void run() override {
    PortApp::run();
    if (view_) finish_view();
  }

  void on_step(Step step) override {
    if (step != Step::adopted) return;
    settle(false);
    if (pending_ || handling_) world_.hit(Probe::wiring_swapped_under_a_handler);
  }
  bool handling() const override { return handling_; }
  std::uint64_t calm_frames() const override { return calm_frames_; }

  // Which epochs the conductor maps: never back, but for the rule of forgetting.
  void on_notice(const Notice& notice) override {
    const base::Nanos now = process_.host().clock.monotonic_ns();
    if (notice.kind == NoticeKind::announce_rejected) world_.hit(Probe::announce_rejected);
    if (notice.kind == NoticeKind::unmapped) {
      unmapped_at_ns_ = now;
      if (notice.text.find("another process") != std::string_view::npos)
        world_.hit(Probe::pid_changed);
      if (notice.text.find("do not match") != std::string_view::npos)
        world_.hit(Probe::superblock_changed);
      if (notice.text.find("no sign of life") != std::string_view::npos)
        world_.hit(Probe::stale_activity);
    }
    if (notice.kind != NoticeKind::mapped) return;
    if (mapped_epoch_ != 0) world_.hit(Probe::remapped);
    if (notice.epoch == mapped_epoch_) world_.hit(Probe::same_epoch_mapped_again);
    if (notice.epoch < mapped_epoch_ && world_.side() == nullptr) {
      world_.hit(Probe::lower_epoch_mapped);
      if (now - unmapped_at_ns_ <= liveness_factor * announce_period_ns) {
        world_.fail(fmt::format("{}: epoch {} is mapped {} ns after the higher {} was unmapped",
                                thread_.name(), notice.epoch, now - unmapped_at_ns_,
                                mapped_epoch_));
      }
    }
    mapped_epoch_ = notice.epoch;
  }

  // The books of concurrency.md, section 3. Only an open view may be missing; inside of a call also
  // the frame in hand, and the newest one that latest() holds.
  void check() override {
    if (port_ == nullptr) return;
    const agents::ConsumerCounts& c = port_->cell().consumer;
    const std::uint64_t ends = sum(c);
    const std::uint64_t open = (view_ ? 1U : 0U) + (thread_.in_call() ? 2U : 0U);
    const std::uint64_t least = thread_.in_call() ? 0 : open;
    if (ends + least > c.seen.get() || ends + open < c.seen.get()) {
      world_.fail(
          fmt::format("{}: books do not balance: seen {}, delivered {}, overwritten {}, "
                      "lost {}, skipped {}, ended {}, open {}",
                      thread_.name(), c.seen.get(), c.delivered.get(), c.overwritten.get(),
                      c.lost.get(), c.skipped.get(), c.ended.get(), open));
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
  using Visit = Port::Visit;

  // A frame that the application looked at.
  struct Look {
    FrameInfo info;
    std::uint64_t session = 0;
    std::uint64_t sessions = 0;   // mappings that the port had adopted when it was opened
    std::uint64_t delivered = 0;  // count when the handler ended
    bool right = true;            // every byte that was read is the frame's
    bool known = true;            // the ledger has it, with this size and trace id
    bool calm = false;
  };

  static std::uint64_t sum(const agents::ConsumerCounts& c) noexcept {
    return c.delivered.get() + c.overwritten.get() + c.lost.get() + c.skipped.get() + c.ended.get();
  }

  void open() override {
    if (request_ == nullptr) {
      ConsumerOptions options;
      options.stream = thread_.part().stream;
      options.consumer_id = client_id();
      options.attach = attach_options();
      options.hello_interval_ns = options.qos_interval_ns = 2 * announce_period_ns;
      request_ = std::make_shared<agents::Request>(std::move(options), any_client_id());
      if (!submit(request_)) request_.reset();
      mapped_epoch_ = 0;  // a new consumer knows of no epoch
      return;
    }
    if (request_->state() == agents::Request::State::failed) request_.reset();
    if (request_ != nullptr && !world_.calm() && world_.dice(1000) < 5) {
      world_.hit(Probe::request_abandoned);
      return abandon(request_);
    }
    if (request_ == nullptr || request_->state() != agents::Request::State::complete) return;
    agents::ConsumerPortOptions options;
    options.stream_id = thread_.part().stream;
    options.consumer_id = thread_.part().id;
    options.max_gap = world_.chance(50) ? 12 : 256;
    options.max_rate_hz = world_.chance(15) ? 100 : 0;
    port_ = std::make_unique<Port>(options, request_->take_cell(), nullptr);
    port_->on_event([this](const Event& event) { on_event(event); });
    request_.reset();
    mapped_epoch_ = 0;  // what the agent of an earlier port may have said meanwhile
  }

  void act() override {
    if (port_->closed()) return close_port();  // inside an event
    const std::uint64_t dice = world_.dice(1000);
    if (view_) {
      if (dice < 200 && !world_.calm()) {
        world_.hit(Probe::polled_beside_a_view);
        return poll();
      }
      return finish_view();
    }
    if (world_.calm() || dice < 700) return poll();
    if (dice < 850) return pull(false);
    if (dice < 930) return pull(true);
    if (dice < 992) {
      const Thread::Call call(thread_);
      return (void)port_->state();
    }
    close_port();
  }

  void poll() {
    call_ = call_begins();
    const Thread::Call call(thread_);
    const agents::ConsumerCounts& c = port_->cell().consumer;
    const std::uint64_t before = sum(c);
    const Polled polled = port_->poll([this](OpenFrame& frame) { return handle(frame); });
    settle(true);
    const std::uint64_t told =
        polled.delivered + polled.overwritten + polled.lost + polled.skipped + polled.ended;
    if (told != sum(c) - before) {
      world_.fail(fmt::format("{}: poll says {} frames, its counters {}", thread_.name(), told,
                              sum(c) - before));
    }
    note_counts();
  }

  Visit handle(OpenFrame& frame) {
    settle(true);
    Look look = begin(frame);
    handling_ = true;
    read(frame, look);
    handling_ = false;
    const std::uint64_t dice = world_.calm() ? 999 : world_.dice(1000);
    Visit visit = Visit::unproved;
    if (dice < 100) visit = frame.intact() ? Visit::intact : Visit::overwritten;
    if (dice >= 100 && dice < 130) visit = Visit::skip;
    if (dice >= 130 && dice < 160) misbehave(dice);
    look.delivered = port_->cell().consumer.delivered.get();
    pending_ = look;
    return visit;
  }

  // What a handler may do beside reading.
  void misbehave(std::uint64_t dice) {
    if (dice < 134) {
      world_.hit(Probe::closed_inside_the_handler);
      port_->close();
    } else if (dice < 150) {
      world_.hit(Probe::state_asked_inside_the_handler);
      (void)port_->state();
    } else {
      world_.hit(Probe::polled_inside_the_handler);
      const Polled polled = port_->poll([this](OpenFrame&) {
        world_.fail(
            fmt::format("{}: a poll inside the handler hands over a frame", thread_.name()));
        return Visit::skip;
      });
      if (polled.work() != 0)
        world_.fail(fmt::format("{}: a poll inside the handler works", thread_.name()));
    }
  }

  // Pulls one frame and keeps it open.
  void pull(bool latest) {
    Polled polled;
    call_ = call_begins();
    const Thread::Call call(thread_);
    const std::uint64_t skipped = port_->cell().consumer.skipped.get();
    OpenFrame* frame = latest ? port_->latest(polled) : port_->next(polled);
    if (latest && port_->cell().consumer.skipped.get() > skipped)
      world_.hit(Probe::skipped_by_latest);
    note_counts();
    if (frame == nullptr) return;
    view_ = begin(*frame);
    handling_ = true;
    read(*frame, *view_);
    handling_ = false;
  }

  void finish_view() {
    const Thread::Call call(thread_);
    const Visit asked = world_.chance(20)
                            ? (port_->view_intact() ? Visit::intact : Visit::overwritten)
                            : Visit::unproved;
    Look look = *std::exchange(view_, std::nullopt);
    const bool mapped = world_.side() == nullptr || port_->closed() || lease_.mapped();
    // Until the outcome is known the books miss the frame; in_call() covers that.
    const Outcome outcome = port_->finish(asked);
    if (world_.over()) return;
    if (outcome == Outcome::delivered && !mapped)
      world_.fail(fmt::format("{}: epoch {} seq {} is delivered after its mapping ended",
                              thread_.name(), look.info.epoch, look.info.seq));
    if (outcome == Outcome::delivered) delivered(look, port_->cell().consumer.sessions.get());
    if (outcome == Outcome::overwritten) refused(look);
    if (outcome == Outcome::ended) world_.hit(Probe::ended_under_the_handler);
  }

  // What holds for every frame that is opened: order within the session, and that the session still
  // takes frames.
  Look begin(const OpenFrame& frame) {
    Look look;
    look.info = frame.info;
    look.session = frame.wiring->session;
    look.sessions = port_->cell().consumer.sessions.get();
    if (world_.over()) return look;
    if (look.session == session_ && any_ && frame.info.seq <= last_seq_) {
      world_.fail(fmt::format("{}: seq {} comes behind {} in one session", thread_.name(),
                              frame.info.seq, last_seq_));
    }
    if (!call_.usable && same_session(call_)) {
      world_.fail(fmt::format("{}: epoch {} seq {} is handed over without a lease or a mapping",
                              thread_.name(), frame.info.epoch, frame.info.seq));
    }
    if (frame.info.epoch <= call_.gone_epoch) {
      world_.fail(fmt::format("{}: epoch {} seq {} is handed over, though its producer is gone",
                              thread_.name(), frame.info.epoch, frame.info.seq));
    }
    any_ = true;
    session_ = look.session;
    last_seq_ = frame.info.seq;
    for (const NoteKind kind : {NoteKind::higher_epoch, NoteKind::regression}) {
      const agents::Note::Value note = port_->cell().note(kind).read();
      if (note.count != 0 && note.session == look.session) {
        world_.fail(fmt::format("{}: seq {} of epoch {} is handed over, though {} was noticed",
                                thread_.name(), frame.info.seq, frame.info.epoch,
                                kind == NoteKind::regression ? "a regression" : "a higher epoch"));
      }
    }
    return look;
  }

  // R3, word by word.
  void read(const OpenFrame& frame, Look& look) {
    const EpochBook* book =
        world_.ledger().find(process_.host().boot, thread_.part().stream, frame.info.epoch);
    const CommittedFrame* committed = book == nullptr ? nullptr : book->find(frame.info.seq);
    look.known = committed != nullptr && committed->committing &&
                 committed->size_bytes == frame.info.size_bytes &&
                 frame.info.trace_id == frame.info.seq + 1;
    if (!look.known) return;
    look.calm = committed->calm && world_.living(book->incarnation);
    for (std::uint64_t i = 0; i < frame.info.size_bytes / 8 && !world_.over(); ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, frame.payload + i * 8, 8);
      if (word != book->word(frame.info.seq, i)) look.right = false;
      if (world_.chance(10)) thread_.yield();
    }
  }

  // What became of the frame that the last handler looked at. While the port works on it, it may
  // still be undecided.
  void settle(bool decided) {
    if (!pending_ || world_.over()) return;
    const agents::ConsumerCounts& c = port_->cell().consumer;
    const bool was_delivered = c.delivered.get() > pending_->delivered;
    if (!was_delivered && !decided) return;
    const Look look = *std::exchange(pending_, std::nullopt);
    if (was_delivered) {
      delivered(look, c.sessions.get());
    } else {
      refused(look);
    }
  }

  void delivered(const Look& look, std::uint64_t sessions) {
    world_.hit(Probe::delivered);
    world_.trace("{} got epoch {} seq {}", thread_.name(), look.info.epoch, look.info.seq);
    if (look.calm) ++calm_frames_;
    if (!look.known || !look.right) {
      world_.fail(fmt::format("{}: epoch {} seq {} was delivered, but {}", thread_.name(),
                              look.info.epoch, look.info.seq,
                              look.known ? "its bytes are not those that were committed"
                                         : "no such frame was committed"));
    }
    if (sessions != look.sessions) {
      world_.fail(fmt::format("{}: epoch {} seq {} was delivered after its mapping was replaced",
                              thread_.name(), look.info.epoch, look.info.seq));
    }
  }
  void refused(const Look& look) {
    if (!look.right) world_.hit(Probe::wrong_bytes_refused);
  }

  void on_event(const Event& event) {
    if (world_.over()) return;
    world_.trace("{} event {} epoch {} seq {} to {}", thread_.name(), static_cast<int>(event.kind),
                 event.epoch, event.first, event.last);
    if (event.kind == EventKind::gap) world_.hit(Probe::gap);
    if (event.kind == EventKind::overwritten) on_overwritten(event);
    if (world_.chance(20)) thread_.yield();
    const std::uint64_t dice = world_.calm() ? 999 : world_.dice(1000);
    if (dice < 30) {
      world_.hit(Probe::state_asked_inside_an_event);
      (void)port_->state();
    } else if (dice < 34) {
      world_.hit(Probe::closed_inside_an_event);
      port_->close();
    }
  }

  void on_overwritten(const Event& event) {
    world_.hit(pending_ && pending_->info.seq == event.first ? Probe::overwritten_while_reading
                                                             : Probe::overwritten_before_reading);
    const EpochBook* book =
        world_.ledger().find(process_.host().boot, thread_.part().stream, event.epoch);
    if (book == nullptr || !book->claimed_again(event.first)) {
      world_.fail(
          fmt::format("{}: epoch {} seq {} counts as overwritten, but its slot was not "
                      "claimed again",
                      thread_.name(), event.epoch, event.first));
    }
  }

  // Rare outcomes that only the counters tell.
  void note_counts() {
    const agents::ConsumerCounts& c = port_->cell().consumer;
    const std::array<std::pair<Probe, std::uint64_t>, 6> now{{
        {Probe::resync, c.resyncs.get()},
        {Probe::duplicate_dropped, c.duplicates.get()},
        {Probe::other_epoch_dropped, c.wrong_epoch.get()},
        {Probe::ended_under_the_handler, c.ended.get()},
        {Probe::higher_epoch_noticed, port_->cell().note(NoteKind::higher_epoch).read().count},
        {Probe::sequence_went_back, port_->cell().note(NoteKind::regression).read().count},
    }};
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (now[i].second > counted_[i]) world_.hit(now[i].first, now[i].second - counted_[i]);
      counted_[i] = now[i].second;
    }
  }

  void close_port() {
    if (view_) finish_view();
    const Thread::Call call(thread_);
    port_->close();
    world_.trace("{} closes its port", thread_.name());
    check_closed();
    pending_.reset();
    counted_ = {};
    any_ = false;
    port_.reset();
  }
  void check_closed() {
    const agents::ConsumerCounts& c = port_->cell().consumer;
    if (!world_.over() && sum(c) != c.seen.get())
      world_.fail(fmt::format("{}: books do not balance at the end", thread_.name()));
  }

  std::shared_ptr<agents::Request> request_;
  CallBegin call_;
  std::optional<Look> view_;
  std::optional<Look> pending_;
  bool handling_ = false;
  bool any_ = false;
  std::uint64_t session_ = 0;
  std::uint64_t last_seq_ = 0;
  std::uint64_t mapped_epoch_ = 0;
  base::Nanos unmapped_at_ns_ = 0;
  std::uint64_t calm_frames_ = 0;
  std::array<std::uint64_t, 6> counted_{};
};

}  // namespace

std::unique_ptr<App> make_consumer(Thread& thread) { return std::make_unique<ConsumerApp>(thread); }

}  // namespace tensorpool::simulation
