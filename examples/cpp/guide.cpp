// The code that docs/guide shows, compiled and run: every marked part is copied there word for word. One process
// plays all roles, so that it can check itself.
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "support.hpp"

namespace tp = tensorpool;
using namespace std::chrono_literals;
using example::Arguments;

namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

tp::Producer open_producer(tp::Client& client, const Arguments& args) {
  // [guide:producer-options]
  const tp::ProducerOptions options{
      .stream = args.stream,
      .base_dir = args.base_dir,
      .slots = 64,                                           // how far a consumer may fall behind
      .pools = {{.pool_id = 1, .stride_bytes = 4 << 10},     // region-of-interest frames
                {.pool_id = 2, .stride_bytes = 640 << 10}},  // full frames
      .max_claims = 8,                                       // open slots at once
      .descriptor_timestamps = true,  // lets consumers measure one-way latency
  };
  tp::Producer producer = client.producer(options).wait(5s).value();
  // [/guide:producer-options]
  return producer;
}

// One frame in the long form, each outcome handled.
bool send_frame(tp::Producer& producer, std::uint16_t value) {
  // [guide:claim]
  auto slot = producer.claim(tp::DType::u16, {512, 640});
  if (!slot) {
    switch (slot.error().code()) {
      case tp::Code::reattaching:       // the media driver went away: it is being rebuilt
      case tp::Code::connecting:        // not there yet
      case tp::Code::claims_exhausted:  // too many open slots: commit or abort one first
        return false;                   // drop this frame, go on
      default:
        throw std::runtime_error(slot.error().message());
    }
  }
  auto pixels = slot->as<std::uint16_t>().value();
  for (std::uint16_t& pixel : pixels) pixel = value;
  const auto sent = slot->commit({.trace_id = 42});
  // [/guide:claim]
  // [guide:told]
  if (sent && sent->told == tp::Told::back_pressured) {
    // A subscriber stands still. The frame is in shared memory, but its descriptor went nowhere;
    // the next one is not affected. Nothing here ever waits for a consumer.
  }
  // [/guide:told]
  return sent && sent->told == tp::Told::consumers;
}

// Two exposures that are read out at the same time, and finish in the other order.
void send_two(tp::Producer& producer) {
  // [guide:out-of-order]
  auto first = producer.claim(tp::DType::u8, {1024}).value();
  auto second = producer.claim(tp::DType::u8, {1024}).value();
  std::memset(second.bytes().data(), 2, second.bytes().size());
  require(second.commit()->told == tp::Told::held, "waits for the first");
  std::memset(first.bytes().data(), 1, first.bytes().size());
  require(first.commit().has_value(), "consumers are told of both, in order");
  // [/guide:out-of-order]
}

void send_padded(tp::Producer& producer) {
  // [guide:strides]
  tp::TensorSpec spec;
  spec.dtype = tp::DType::u16;
  spec.shape = {512, 636};      // elements
  spec.strides = {640 * 2, 2};  // bytes: rows of 640 pixels, of which 636 are the image
  auto slot = producer.claim(spec).value();
  // [/guide:strides]
  std::memset(slot.bytes().data(), 0, slot.bytes().size());
  require(slot.commit().has_value(), "a padded frame");
}

void send_copy(tp::Producer& producer, const std::vector<float>& data) {
  // [guide:offer]
  tp::TensorSpec spec;
  spec.dtype = tp::DType::f32;
  spec.shape = {static_cast<std::int64_t>(data.size())};
  const auto sent = producer.offer(spec, std::as_bytes(std::span(data)));  // claim, copy, commit
  // [/guide:offer]
  require(sent.has_value(), "an offer");
}

// Takes one frame with each of the four forms; false when none came.
bool take_in_place(tp::Consumer& consumer) {
  double mean = 0;
  // [guide:poll]
  const tp::Polled polled = consumer.poll([&](const tp::Frame& frame) {
    const auto image = frame.view<std::uint16_t, 2>();
    if (!image) return;  // another element type or rank
    double sum = 0;
    for (std::int64_t row = 0; row < image->extent(0); ++row) sum += (*image)(row, 0);
    if (!frame.intact()) return;  // overwritten while we read: sum is worth nothing
    mean = sum / static_cast<double>(image->extent(0));
  });
  // [/guide:poll]
  (void)mean;
  return polled.work() != 0;
}

bool take_copy(tp::Consumer& consumer, std::vector<std::byte>& storage) {
  // [guide:poll-copy]
  const tp::Polled polled = consumer.poll_copy(
      [&](const tp::FrameInfo& info) {
        storage.resize(info.size_bytes);
        return std::span(storage);
      },
      [&](const tp::CopiedFrame& frame) {
        // Proved before it is shown: these bytes are the frame, and nobody changes them.
        std::printf("seq %llu: %zu bytes\n", static_cast<unsigned long long>(frame.info.seq),
                    frame.bytes.size());
      });
  // [/guide:poll-copy]
  return polled.work() != 0;
}

bool take_next(tp::Consumer& consumer) {
  // [guide:next]
  auto view = consumer.next(100ms);
  if (!view) return false;  // no_frame, not_attached, reattaching …
  std::uint64_t checksum = 0;
  for (const std::byte b : view->bytes()) checksum += std::to_integer<std::uint64_t>(b);
  const bool good = view->finish() == tp::Outcome::delivered;  // only now may checksum be believed
  // [/guide:next]
  return good && checksum != UINT64_MAX;
}

void watch_events(tp::Consumer& consumer, std::uint64_t& gaps) {
  // [guide:events]
  consumer.on_event([&gaps](const tp::Event& event) {
    if (event.kind == tp::EventKind::gap) gaps += event.last - event.first + 1;
    if (event.kind == tp::EventKind::mapped)
      std::printf("epoch %llu: sequence numbers start anew\n",
                  static_cast<unsigned long long>(event.epoch));
  });
  // [/guide:events]
}

template <class Take>
void until_taken(tp::Producer& producer, std::uint16_t& value, Take take) {
  for (int i = 0; i < 10'000; ++i) {
    (void)send_frame(producer, ++value);
    if (take()) return;
    std::this_thread::sleep_for(1ms);
  }
  throw std::runtime_error("no frame came");
}

bool guide(const Arguments& args) {
  auto driver = tp::MediaDriver::launch().value();
  // [guide:client]
  tp::ClientOptions options{.mode = tp::Mode::direct, .client_name = "guide"};
  options.allowed_base_dirs = {args.base_dir};
  options.on_notice = [](const tp::Notice& notice) {  // on the conductor: short, and no throwing
    std::fprintf(stderr, "stream %u: %.*s\n", notice.stream_id,
                 static_cast<int>(notice.text.size()), notice.text.data());
  };
  tp::Client client = tp::Client::connect(options).value();
  // [/guide:client]
  auto producer = open_producer(client, args);
  auto consumer = client.consumer({.stream = args.stream}).wait(5s).value();
  std::uint64_t gaps = 0;
  watch_events(consumer, gaps);
  std::uint16_t value = 0;
  std::vector<std::byte> storage;
  until_taken(producer, value, [&] { return take_in_place(consumer); });
  until_taken(producer, value, [&] { return take_copy(consumer, storage); });
  until_taken(producer, value, [&] { return take_next(consumer); });
  send_two(producer);
  send_padded(producer);
  std::vector<float> data(100);
  std::iota(data.begin(), data.end(), 0.0F);
  send_copy(producer, data);
  until_taken(producer, value, [&] { return take_in_place(consumer); });
  // [guide:statistics]
  const tp::ConsumerStatistics books = consumer.statistics();
  require(books.balanced(), "delivered + overwritten + lost + skipped + ended == seen");
  // [/guide:statistics]
  require(gaps == books.lost, "every loss was told");
  return producer.statistics().balanced();
}

}  // namespace

int main(int argc, char** argv) { return example::run(argc, argv, guide); }
