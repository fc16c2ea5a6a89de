#include "transport/aeron/aeron_transport.hpp"

#include <aeronc.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "transport/aeron/attempt.hpp"
#include "transport/aeron/cnc.hpp"
#include "transport/aeron/connection.hpp"
#include "transport/aeron/counters_reader.hpp"
#include "transport/aeron/user_name.hpp"

namespace tensorpool::transport::aeron {
namespace {

// Aeron's paths have at most 384 bytes, the names of log buffers included.
constexpr std::size_t longest_directory = 300;

struct Listing {
  aeron_counters_reader_t* reader;
  std::vector<CounterView> counters;
};

void append_counter(std::int64_t value, std::int32_t id, std::int32_t type_id,
                    const std::uint8_t* key, std::size_t key_length, const char* label,
                    std::size_t label_length, void* clientd) noexcept {
  auto& listing = *static_cast<Listing*>(clientd);
  CounterView view;
  view.id = id;
  view.type_id = type_id;
  view.value = value;
  view.label = label_text(label, label_length);
  const auto* bytes = static_cast<const std::byte*>(static_cast<const void*>(key));
  view.key.assign(bytes, bytes + key_length);
  (void)aeron_counters_reader_counter_owner_id(listing.reader, id, &view.owner_id);
  (void)aeron_counters_reader_counter_registration_id(listing.reader, id, &view.registration_id);
  listing.counters.push_back(std::move(view));
}

class AeronTransport final : public transport::Transport {
 public:
  MediaDriverState probe(const ConnectOptions& options) override {
    const auto directory = usable_directory("probe", options.directory);
    if (directory) return look_at_media_driver(*directory, options.driver_timeout_ns);
    MediaDriverState state;
    state.unusable = true;
    state.why = directory.error().message();
    return state;
  }

  // Mapping the file anew each time would cost more than all the rest of an idle client, and unmapping it interrupts
  // whatever core runs another thread of this process.
  bool replaced(const ConnectOptions& options, std::int64_t start_ns) override {
    const CncFile now = cnc_file(resolve_directory(options.directory));
    if (now == CncFile{}) return false;
    if (now == seen_ && start_ns == seen_start_ns_) return false;
    const MediaDriverState state = probe(options);
    if (state.start_ns != start_ns) return state.start_ns != 0;  // 0: is being started; look again
    seen_ = now;
    seen_start_ns_ = start_ns;
    return false;
  }

  std::string directory(const ConnectOptions& options) const override {
    return resolve_directory(options.directory);
  }

  Result<std::unique_ptr<transport::Connection>> connect(const ConnectOptions& options) override {
    if (attempt_ == nullptr) {
      auto directory = usable_directory("connect", options.directory);
      if (!directory) return fail(std::move(directory.error()));
      const MediaDriverState state = look_at_media_driver(*directory, options.driver_timeout_ns);
      if (!state.alive) {
        return fail(Code::no_media_driver, "connect",
                    fmt::format("no media driver serves {} ({}); start one there, or name its "
                                "directory (option or AERON_DIR)",
                                *directory, state.why));
      }
      auto started = Attempt::start([options, directory = std::move(*directory)] {
        return Connection::open(options, directory);
      });
      if (!started) return fail(std::move(started.error()));
      attempt_ = std::move(*started);
    }
    auto outcome = attempt_->poll();
    if (!outcome) return fail(Error::hot(Code::connecting, "connect"));
    attempt_.reset();
    return std::move(*outcome);
  }

 private:
  std::unique_ptr<Attempt> attempt_;
  // The file that was the one of that life when it was last looked into.
  CncFile seen_;
  std::int64_t seen_start_ns_ = 0;
};

}  // namespace

std::string default_directory() {
  std::array<char, 1024> path{};
  if (with_user_name([&] { return aeron_default_path(path.data(), path.size()); }) < 0) return {};
  return path.data();
}

std::string resolve_directory(const std::string& option) {
  if (!option.empty()) return option;
  if (const char* environment = std::getenv("AERON_DIR");
      environment != nullptr && *environment != '\0') {
    return environment;
  }
  return default_directory();
}

Result<std::string> usable_directory(const char* call, const std::string& option) {
  std::string directory = resolve_directory(option);
  if (directory.empty() || directory.front() != '/' || directory.size() > longest_directory) {
    return fail(Code::invalid_argument, call,
                fmt::format("Aeron directory \"{}\" (aeron_dir, or else AERON_DIR): must be an "
                            "absolute path of at most {} bytes",
                            directory.substr(0, 80), longest_directory));
  }
  return directory;
}

std::unique_ptr<transport::Transport> make_transport() {
  return std::make_unique<AeronTransport>();
}

Result<std::vector<CounterView>> list_counters(const std::string& directory) {
  auto usable = usable_directory("list_counters", directory);
  if (!usable) return fail(std::move(usable.error()));
  const Cnc cnc = open_cnc(*usable);
  if (cnc == nullptr) {
    return fail(Code::no_media_driver, "list_counters",
                fmt::format("no media driver files in {}; name the directory of one", *usable));
  }
  Listing listing{aeron_cnc_counters_reader(cnc.get()), {}};
  aeron_counters_reader_foreach_counter(listing.reader, &append_counter, &listing);
  return std::move(listing.counters);
}

}  // namespace tensorpool::transport::aeron
