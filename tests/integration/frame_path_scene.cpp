#include "integration/frame_path_scene.hpp"

#include <cstring>
#include <stdexcept>

#include "transport/aeron/aeron_transport.hpp"
#include "unit/transport/connect_now.hpp"
#include "wire/descriptor.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t main_stream = 501;
constexpr std::uint32_t lonely_stream = 502;
constexpr std::uint32_t pressed_stream = 503;
constexpr std::int32_t lonely_descriptors = 1150;
constexpr std::int32_t pressed_descriptors = 1160;
constexpr int ring_slots = 8;
constexpr std::uint32_t stride = 256;
constexpr const char* main_term = "256k";

using Clock = std::chrono::steady_clock;

// Sleeping would be a system call.
template <class Condition>
bool spin_until(Condition&& condition) {
  const auto deadline = Clock::now() + patience;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
  }
  return true;
}

ClientOptions options_with(std::int32_t descriptors, const char* term) {
  ClientOptions options = client_options(*FrameScene::folder, term);
  options.descriptor.stream_id = descriptors;
  return options;
}

Producer make(Client& client, std::uint32_t stream) {
  return make_producer(client, producer_options(*FrameScene::folder, stream, ring_slots, {stride}));
}

Consumer make_main_consumer(Client& client) {
  ConsumerOptions options = consumer_options(main_stream);
  options.max_outstanding_seq_gap = 16;
  return make_consumer(client, options);
}

Consumer make_limited(Client& client) {
  ConsumerOptions options = consumer_options(main_stream);
  options.mode = DeliveryMode::rate_limited;
  options.max_rate_hz = 1;
  return make_consumer(client, options);
}

TensorSpec spec_of(std::int64_t bytes) {
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {bytes};
  return spec;
}

constexpr auto look = [](const Frame& frame) { (void)frame.bytes()[0]; };

// By how much a count rises while `act` runs.
template <class Act>
std::uint64_t rise(FrameScene& scene, std::uint64_t ConsumerStatistics::* count, Act&& act) {
  const std::uint64_t before = scene.consumer.statistics().*count;
  act();
  scene.drain();
  return scene.consumer.statistics().*count - before;
}

}  // namespace

FrameScene::FrameScene()
    : driver(MediaDriver::launch({.aeron_dir = folder->aeron()}).value()),
      client(connect(options_with(1100, main_term))),
      lonely_client(connect(options_with(lonely_descriptors, "64k"))),
      pressed_client(connect(options_with(pressed_descriptors, "64k"))),
      producer(make(client, main_stream)),
      consumer(make_main_consumer(client)),
      limited(make_limited(client)),
      lonely(make(lonely_client, lonely_stream)),
      pressed(make(pressed_client, pressed_stream)),
      still(make_consumer(pressed_client, consumer_options(pressed_stream))),
      transport(transport::aeron::make_transport()) {
  consumer.on_event([this](const Event&) { ++events; });
  transport::ConnectOptions connect_options;
  connect_options.directory = folder->aeron();
  connection = transport::connect_now(*transport, connect_options).value();
  const auto deadline = Clock::now() + patience;
  auto add = connection
                 ->add_publication(std::string("aeron:ipc?term-length=") + main_term, 1100,
                                   deadline.time_since_epoch().count())
                 .value();
  const bool ready = eventually([&] {
    if (injector == nullptr) injector = add->poll().value();
    return injector != nullptr && until_active(consumer) && until_active(limited) &&
           until_active(still);
  });
  if (!ready) throw std::runtime_error("the scene is not ready");
}

bool FrameScene::publish() {
  return spin_until([&] {
    auto slot = producer.claim(DType::u8, {64});
    if (!slot) return false;
    std::memset(slot->bytes().data(), 7, slot->bytes().size());
    const auto committed = slot->commit();
    if (committed && committed->told == Told::consumers) return true;
    drain();
    return false;
  });
}

bool FrameScene::publish(int count) {
  for (int i = 0; i < count; ++i) {
    if (!publish()) return false;
  }
  return true;
}

void FrameScene::drain() {
  while (consumer.poll(look).work() != 0 || limited.poll(look).work() != 0) {
  }
  // A descriptor that is dropped at once is no work: two polls more read what one batch holds.
  (void)consumer.poll(look);
  (void)limited.poll(look);
}

bool FrameScene::inject(std::uint32_t stream, std::uint64_t epoch, std::uint64_t seq) {
  transport::Claim claim;
  if (!spin_until([&] { return injector->try_claim(wire::descriptor_bytes, claim) > 0; }))
    return false;
  const wire::DescriptorTemplate descriptor(stream, epoch);
  descriptor.encode(claim.data, seq, wire::null_u64, wire::null_u32, 0);
  injector->commit(claim);
  return true;
}

bool FrameScene::inject_noise() {
  transport::Claim claim;
  if (!spin_until([&] { return injector->try_claim(wire::descriptor_bytes, claim) > 0; }))
    return false;
  std::memset(claim.data, 0x5A, claim.size);
  injector->commit(claim);
  return true;
}

namespace {

bool idle(FrameScene& s) {
  s.drain();
  return s.consumer.poll(look).work() == 0;
}

bool delivered(FrameScene& s) {
  return rise(s, &ConsumerStatistics::delivered, [&] { (void)s.publish(3); }) == 3;
}

bool typed_view(FrameScene& s) {
  bool good = false;
  (void)s.publish();
  (void)s.consumer.poll([&](const Frame& frame) {
    const auto view = frame.view<std::uint8_t, 1>();
    good = view && (*view)(63) == 7 && !frame.view<float, 1>() && frame.intact();
  });
  s.drain();
  return good;
}

bool copied(FrameScene& s) {
  bool good = false;
  (void)s.publish();
  (void)s.consumer.poll_copy(s.buffer, [&](const CopiedFrame& frame) {
    good = frame.bytes.size() == 64 && frame.bytes[63] == std::byte{7};
  });
  s.drain();
  return good;
}

bool copy_too_small(FrameScene& s) {
  (void)s.publish();
  const Polled polled =
      s.consumer.poll_copy(std::span(s.buffer).first(8), [](const CopiedFrame&) {});
  s.drain();
  return polled.skipped == 1;
}

bool pulled(FrameScene& s) {
  (void)s.publish();
  auto view = s.consumer.next();
  const bool good = view && view->intact() && view->finish() == Outcome::delivered;
  s.drain();
  return good && s.consumer.next().error().code() == Code::no_frame;
}

bool pulled_and_dropped(FrameScene& s) {
  return rise(s, &ConsumerStatistics::overwritten, [&] {
           (void)s.publish();
           auto view = s.consumer.next();
           // One at a time.
           if (view && s.consumer.next().error().code() != Code::claims_exhausted) std::abort();
         }) == 1;
}

bool latest(FrameScene& s) {
  bool good = false;
  const std::uint64_t skipped = rise(s, &ConsumerStatistics::skipped, [&] {
    (void)s.publish(3);
    auto view = s.consumer.latest();
    good = view && view->finish() == Outcome::delivered;
  });
  return good && skipped == 2;
}

bool offered(FrameScene& s) {
  const std::span<const std::byte> payload = std::span(s.buffer).first(100);
  const auto good = s.producer.offer(spec_of(100), payload);
  const auto wrong = s.producer.offer(spec_of(100), payload.first(99));
  s.drain();
  return good && !wrong && wrong.error().code() == Code::extent_mismatch;
}

bool too_large(FrameScene& s) {
  const auto slot = s.producer.claim(spec_of(stride + 1));
  return !slot && slot.error().code() == Code::too_large;
}

bool refused_spec(FrameScene& s) {
  const auto slot = s.producer.claim(DType::unknown, {4});
  return !slot && slot.error().code() == Code::invalid_spec;
}

bool exhausted(FrameScene& s) {
  std::array<std::optional<Slot>, ring_slots> open;
  bool full = false;
  for (std::optional<Slot>& place : open) {
    auto slot = s.producer.claim(DType::u8, {64});
    if (slot) {
      place.emplace(std::move(*slot));
    } else {
      full = slot.error().code() == Code::claims_exhausted;
    }
  }
  for (std::optional<Slot>& place : open) place.reset();
  (void)s.publish(2);  // consumers see the gap here, not in the next step
  s.drain();
  return full;
}

bool aborted(FrameScene& s) {
  return rise(s, &ConsumerStatistics::lost, [&] {
           auto slot = s.producer.claim(DType::u8, {64});
           if (!slot || !slot->abort()) return;
           (void)s.publish();
         }) >= 1;
}

bool held(FrameScene& s) {
  auto first = s.producer.claim(DType::u8, {64});
  auto second = s.producer.claim(DType::u8, {64});
  if (!first || !second) return false;
  const auto early = second->commit();
  const auto late = first->commit();
  s.drain();
  return early && early->told == Told::held && late && !second->commit();
}

bool overwritten_unread(FrameScene& s) {
  return rise(s, &ConsumerStatistics::overwritten, [&] { (void)s.publish(ring_slots + 2); }) >= 2;
}

bool overwritten_in_handler(FrameScene& s) {
  bool torn = false;
  const std::uint64_t overwritten = rise(s, &ConsumerStatistics::overwritten, [&] {
    (void)s.publish();
    (void)s.consumer.poll([&](const Frame& frame) {
      if (torn) return;
      for (int i = 0; i < ring_slots; ++i) {
        auto slot = s.producer.claim(DType::u8, {64});
        if (slot) (void)slot->commit();
      }
      torn = !frame.intact();
    });
  });
  return torn && overwritten >= 1;
}

// The writer is in the middle of the slot: nobody waits for it.
bool in_progress_when_read(FrameScene& s) {
  bool good = false;
  const std::uint64_t overwritten = rise(s, &ConsumerStatistics::overwritten, [&] {
    (void)s.publish(ring_slots);
    auto slot = s.producer.claim(DType::u8, {64});
    const Polled polled = s.consumer.poll(look);
    good = slot && polled.overwritten == 1;
  });
  return good && overwritten == 1;
}

bool gap_resynchronises(FrameScene& s) {
  return rise(s, &ConsumerStatistics::resyncs, [&] {
           for (int i = 0; i < 20; ++i) {
             auto slot = s.producer.claim(DType::u8, {64});
             if (slot) (void)slot->abort();
           }
           (void)s.publish(2);  // the one behind a resynchronisation is not checked for a gap
         }) >= 1;
}

bool wrong_epoch(FrameScene& s) {
  const std::uint64_t epoch = s.producer.statistics().epoch;
  return rise(s, &ConsumerStatistics::wrong_epoch,
              [&] { (void)s.inject(main_stream, epoch - 1, 3); }) == 1;
}

bool foreign(FrameScene& s) {
  return rise(s, &ConsumerStatistics::foreign, [&] { (void)s.inject(main_stream + 7, 1, 3); }) == 1;
}

bool malformed(FrameScene& s) {
  return rise(s, &ConsumerStatistics::malformed, [&] { (void)s.inject_noise(); }) == 1;
}

bool duplicate(FrameScene& s) {
  (void)s.publish();
  s.drain();
  const ConsumerStatistics books = s.consumer.statistics();
  return rise(s, &ConsumerStatistics::duplicates,
              [&] { (void)s.inject(main_stream, books.epoch, books.last_seq); }) == 1;
}

bool rate_limited(FrameScene& s) {
  const std::uint64_t before = s.limited.statistics().skipped;
  (void)s.publish(2);
  s.drain();
  return s.limited.statistics().skipped > before;
}

bool told_nobody(FrameScene& s) {
  auto slot = s.lonely.claim(DType::u8, {64});
  if (!slot) return false;
  const auto committed = slot->commit();
  return committed && committed->told == Told::nobody;
}

// The media driver lets go of a consumer that stands still, and takes it back later: then there is
// back-pressure again.
bool back_pressured(FrameScene& s) {
  while (s.still.poll(look).work() != 0) {
  }
  return spin_until([&] {
    auto slot = s.pressed.claim(DType::u8, {64});
    if (!slot) return false;
    const auto committed = slot->commit();
    return committed && committed->told == Told::back_pressured;
  });
}

bool reattaching(FrameScene& s) {
  (void)s.inject(main_stream, s.producer.statistics().epoch + 1, 0);
  return spin_until([&] {
    (void)s.limited.poll(look);
    return s.consumer.poll(look).state == PortState::reattaching &&
           s.consumer.next().error().code() == Code::reattaching;
  });
}

constexpr FrameScene::Step all_steps[] = {
    {"idle poll", idle},
    {"delivered", delivered},
    {"typed view", typed_view},
    {"copied", copied},
    {"copy into a small buffer", copy_too_small},
    {"next", pulled},
    {"view dropped unproved", pulled_and_dropped},
    {"latest", latest},
    {"offer", offered},
    {"too large", too_large},
    {"refused spec", refused_spec},
    {"claims exhausted", exhausted},
    {"aborted", aborted},
    {"held", held},
    {"overwritten before it was read", overwritten_unread},
    {"overwritten in the handler", overwritten_in_handler},
    {"in progress when it was read", in_progress_when_read},
    {"gap above the limit", gap_resynchronises},
    {"lower epoch", wrong_epoch},
    {"foreign stream", foreign},
    {"malformed message", malformed},
    {"duplicate", duplicate},
    {"rate limit", rate_limited},
    {"nobody told", told_nobody},
    {"back-pressured", back_pressured, true},
    {"higher epoch, then reattaching", reattaching, true, true},
};

}  // namespace

std::span<const FrameScene::Step> FrameScene::steps() { return all_steps; }

}  // namespace tensorpool::integration
