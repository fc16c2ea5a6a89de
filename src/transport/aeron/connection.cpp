#include "transport/aeron/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "transport/aeron/counters_reader.hpp"
#include "transport/aeron/hot.hpp"
#include "transport/aeron/positions.hpp"
#include "transport/aeron/user_name.hpp"
#include "transport/image_log.hpp"

namespace tensorpool::transport::aeron {
namespace {

constexpr std::size_t longest_error = 1024;
// How often a client reports and looks after its media driver: death is seen within this and the
// driver timeout.
constexpr std::uint64_t keepalive_ns = 100'000'000;
// How long a client with a thread of its own sleeps between two looks for answers and new images.
constexpr std::uint64_t idle_ns = 1'000'000;
// Aeron's default, given by name so that no variable of the environment gives another (CFG-115).
constexpr std::uint64_t linger_ns = 3'000'000'000;
static_assert(counter_key_bytes == AERON_COUNTER_MAX_KEY_LENGTH);
static_assert(counter_label_bytes == AERON_COUNTER_MAX_LABEL_LENGTH);

// Aeron's error is per thread and sticky: it is read at once, on the failing thread.
Error aeron_error(Code code, const char* call, std::string_view what) {
  const int number = aeron_errcode();
  const std::string text(std::string_view(aeron_errmsg()).substr(0, longest_error));
  return Error(code, call, fmt::format("{}: {} (Aeron error {})", what, text, number));
}

class Counter final : public transport::Counter {
 public:
  explicit Counter(aeron_counter_t* handle) noexcept
      : handle_(handle), value_(aeron_counter_addr(handle)) {
    aeron_counter_constants_t constants{};
    if (aeron_counter_constants(handle_, &constants) != 0) return;
    id_ = constants.counter_id;
    registration_id_ = constants.registration_id;
  }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;
  ~Counter() override { (void)aeron_counter_close(handle_, nullptr, nullptr); }

  void set(std::int64_t value) noexcept override {
    std::atomic_ref<std::int64_t>(*value_).store(value, std::memory_order_release);
  }
  std::int64_t get() const noexcept override {
    return std::atomic_ref<std::int64_t>(*value_).load(std::memory_order_acquire);
  }
  std::int32_t id() const noexcept override { return id_; }
  CounterPlace place() const noexcept override { return counter_place(value_, registration_id_); }

 private:
  aeron_counter_t* handle_;
  std::int64_t* value_;
  std::int32_t id_ = -1;
  std::int64_t registration_id_ = 0;
};

// Clients that nothing may be done with any more, not even to end them. Never destroyed, and never without somebody
// who knows them: what they have is lost, and no leak that somebody could mend.
void keep_for_good(aeron_t* client, aeron_context_t* context) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::pair<aeron_t*, aeron_context_t*>>();
  const std::lock_guard lock(mutex);
  kept->emplace_back(client, context);
}

// How the three kinds of adds differ.
struct PublicationKind {
  using Resource = transport::Publication;
  using Handle = aeron_exclusive_publication_t;
  using Async = aeron_async_add_exclusive_publication_t;
  static int poll(Handle** handle, Async* async) {
    return aeron_async_add_exclusive_publication_poll(handle, async);
  }
  static int cancel(aeron_t* client, Async* async) {
    return aeron_async_add_exclusive_publication_cancel(client, async);
  }
  static std::int64_t registration(Async* async) {
    return aeron_async_add_exclusive_publication_get_registration_id(async);
  }
  std::unique_ptr<Resource> make(Handle* handle) const {
    return std::make_unique<aeron::Publication>(handle);
  }
};
struct SubscriptionKind {
  using Resource = transport::Subscription;
  using Handle = aeron_subscription_t;
  using Async = aeron_async_add_subscription_t;
  static int poll(Handle** handle, Async* async) {
    return aeron_async_add_subscription_poll(handle, async);
  }
  static int cancel(aeron_t* client, Async* async) {
    return aeron_async_add_subscription_cancel(client, async);
  }
  static std::int64_t registration(Async* async) {
    return aeron_async_add_subscription_get_registration_id(async);
  }
  std::unique_ptr<Resource> make(Handle* handle) const {
    return std::make_unique<aeron::Subscription>(handle, stream_id);
  }
  std::int32_t stream_id = 0;
};
struct CounterKind {
  using Resource = transport::Counter;
  using Handle = aeron_counter_t;
  using Async = aeron_async_add_counter_t;
  static int poll(Handle** handle, Async* async) {
    return aeron_async_add_counter_poll(handle, async);
  }
  static int cancel(aeron_t* client, Async* async) {
    return aeron_async_add_counter_cancel(client, async);
  }
  static std::int64_t registration(Async* async) {
    return aeron_async_add_counter_get_registration_id(async);
  }
  std::unique_ptr<Resource> make(Handle* handle) const { return std::make_unique<Counter>(handle); }
};

// An add with a deadline of its own: a terminated client answers "not yet" for ever. Dropped early, it
// is cancelled, and Aeron closes what completes later.
template <class Kind>
class AeronAdd final : public Add<typename Kind::Resource> {
 public:
  // `connection` outlives it.
  AeronAdd(const Connection& connection, typename Kind::Async* async, Kind kind, std::string what,
           base::Nanos deadline_ns)
      : connection_(connection),
        async_(async),
        kind_(kind),
        what_(std::move(what)),
        deadline_ns_(deadline_ns),
        registration_id_(Kind::registration(async)) {}
  AeronAdd(const AeronAdd&) = delete;
  AeronAdd& operator=(const AeronAdd&) = delete;
  ~AeronAdd() override { cancel(); }

  Result<std::unique_ptr<typename Kind::Resource>> poll() override {
    if (async_ == nullptr) return fail(Error::hot(Code::consumed, "Add::poll"));
    typename Kind::Handle* handle = nullptr;
    const int outcome = Kind::poll(&handle, async_);
    if (outcome != 0) async_ = nullptr;  // gone after 1 and after -1
    if (outcome < 0) return fail(aeron_error(Code::transport_error, "add", what_));
    if (outcome > 0) return kind_.make(handle);
    if (connection_.is_closed()) {
      cancel();
      return fail(Code::client_lost, "add",
                  fmt::format("{}: the media driver died or dropped this client", what_));
    }
    if (base::SystemClock::monotonic() >= deadline_ns_) {
      cancel();
      return fail(Code::timeout, "add",
                  fmt::format("{}: no answer of the media driver before the deadline", what_));
    }
    return std::unique_ptr<typename Kind::Resource>();
  }
  std::int64_t registration_id() const noexcept override { return registration_id_; }

 private:
  void cancel() noexcept {
    typename Kind::Async* const async = std::exchange(async_, nullptr);
    if (async != nullptr && !connection_.spoilt()) (void)Kind::cancel(connection_.client(), async);
  }

  const Connection& connection_;
  typename Kind::Async* async_;
  Kind kind_;
  std::string what_;
  base::Nanos deadline_ns_;
  std::int64_t registration_id_;
};

void push_image(void* clientd, aeron_image_t* image, bool available) noexcept {
  aeron_image_constants_t constants{};
  if (aeron_image_constants(image, &constants) != 0) return;
  (void)static_cast<ImageLog*>(clientd)->push(
      {constants.session_id, base::SystemClock::monotonic(), available});
}
void on_available(void* clientd, aeron_subscription_t* /*subscription*/,
                  aeron_image_t* image) noexcept {
  push_image(clientd, image, true);
}
void on_unavailable(void* clientd, aeron_subscription_t* /*subscription*/,
                    aeron_image_t* image) noexcept {
  push_image(clientd, image, false);
}

Result<void> check_address(const std::string& channel, std::int32_t stream_id) {
  if (channel.empty() || channel.size() > base::limits::channel_bytes || stream_id <= 0) {
    return fail(Code::invalid_argument, "add",
                fmt::format("channel \"{}\", stream {}: a channel of at most {} bytes and a stream "
                            "id from 1 on are needed",
                            channel.substr(0, 80), stream_id, base::limits::channel_bytes));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<transport::Connection>> Connection::open(const ConnectOptions& options,
                                                                const std::string& directory) {
  std::unique_ptr<Connection> connection(new Connection());
  if (with_user_name([&] { return aeron_context_init(&connection->context_); }) != 0)
    return fail(aeron_error(Code::transport_error, "connect", directory));
  aeron_context_t* context = connection->context_;
  connection->invoked_ = options.invoked;
  const std::string client_name = options.client_name.substr(0, base::limits::client_name_bytes);
  // Aeron's 16 ms make every add take 32 ms. The duration setting alone comes too late (the context has built
  // its strategy from it), so the strategy is named again.
  const std::string idle_args = std::to_string(idle_ns);
  // The default error handler prints and ends the process: ours comes first.
  if (aeron_context_set_error_handler(context, &Connection::on_error, connection.get()) != 0 ||
      aeron_context_set_dir(context, directory.c_str()) != 0 ||
      aeron_context_set_client_name(context, client_name.c_str()) != 0 ||
      aeron_context_set_driver_timeout_ms(
          context, static_cast<std::uint64_t>(
                       std::max<base::Nanos>(1, options.driver_timeout_ns / 1'000'000))) != 0 ||
      aeron_context_set_keepalive_interval_ns(context, keepalive_ns) != 0 ||
      aeron_context_set_resource_linger_duration_ns(context, linger_ns) != 0 ||
      aeron_context_set_idle_sleep_duration_ns(context, idle_ns) != 0 ||
      aeron_context_set_idle_strategy_init_args(context, idle_args.c_str()) != 0 ||
      aeron_context_set_idle_strategy(context, "sleep-ns") != 0 ||
      aeron_context_set_pre_touch_mapped_memory(context, true) != 0 ||
      aeron_context_set_use_conductor_agent_invoker(context, options.invoked) != 0 ||
      aeron_init(&connection->client_, context) != 0 || aeron_start(connection->client_) != 0) {
    return fail(aeron_error(Code::transport_error, "connect", directory));
  }
  return connection;
}

Connection::~Connection() {
  if (spoilt_) {
    keep_for_good(client_, context_);
    return;
  }
  if (client_ != nullptr) (void)aeron_close(client_);
  if (context_ != nullptr)
    (void)aeron_context_close(context_);  // after the client: it unmaps the CnC file
}

void Connection::on_error(void* clientd, int code, const char* message) noexcept {
  auto& connection = *static_cast<Connection*>(clientd);
  if (std::abs(code) == AERON_CLIENT_ERROR_DRIVER_BUFFER_FULL)  // negative in older versions
    connection.no_room_.store(true, std::memory_order_relaxed);
  try {
    const std::lock_guard lock(connection.error_mutex_);
    const std::string_view text = std::string_view(message).substr(0, longest_error);
    connection.error_ = fmt::format("{} ({})", text, code);
    if (code == EACCES || code == EPERM || text.find("Permission denied") != text.npos)
      connection.complaint_ = connection.error_;
  } catch (...) {  // no memory: the text is lost, nothing else
  }
}

std::optional<Flow> Connection::flow(std::int32_t session_id, std::int32_t stream_id) const {
  return flow_of(aeron_counters_reader(client_), aeron_context_get_dir(context_), session_id,
                 stream_id);
}

std::string Connection::complaint() const {
  const std::lock_guard lock(error_mutex_);
  if (complaint_.empty()) return {};
  return fmt::format(
      "files of the media driver cannot be opened, and what they carry does not arrive: {}; run it "
      "as this user, or under a group and umask that let this user write",
      complaint_);
}

std::string Connection::last_error() const {
  const std::lock_guard lock(error_mutex_);
  return error_;
}

int Connection::do_work() {
  return invoked_ && !spoilt_ ? std::max(0, aeron_main_do_work(client_)) : 0;
}
bool Connection::is_closed() const noexcept { return spoilt_ || aeron_is_closed(client_); }
std::int64_t Connection::client_id() const noexcept { return aeron_client_id(client_); }

template <class Begin>
Result<void> Connection::begin(const std::string& what, Begin&& call) {
  if (spoilt_) return fail(Code::client_lost, "add", fmt::format("{}: the client is lost", what));
  no_room_.store(false, std::memory_order_relaxed);
  if (call() == 0) return {};
  if (!invoked_ || !no_room_.load(std::memory_order_relaxed))
    return fail(aeron_error(Code::transport_error, "add", what));
  spoilt_ = true;
  return fail(Code::client_lost, "add",
              fmt::format("{}: the media driver takes no commands, and there is no room for more; "
                          "the client begins anew",
                          what));
}

Result<std::unique_ptr<Add<transport::Publication>>> Connection::add_publication(
    const std::string& channel, std::int32_t stream_id, base::Nanos deadline_ns) {
  if (auto valid = check_address(channel, stream_id); !valid) return fail(std::move(valid.error()));
  std::string what = fmt::format("publication {} stream {}", channel, stream_id);
  PublicationKind::Async* async = nullptr;
  if (auto begun = begin(what,
                         [&] {
                           return aeron_async_add_exclusive_publication(&async, client_,
                                                                        channel.c_str(), stream_id);
                         });
      !begun) {
    return fail(std::move(begun.error()));
  }
  return std::make_unique<AeronAdd<PublicationKind>>(*this, async, PublicationKind{},
                                                     std::move(what), deadline_ns);
}

Result<std::unique_ptr<Add<transport::Subscription>>> Connection::add_subscription(
    const std::string& channel, std::int32_t stream_id, base::Nanos deadline_ns, ImageLog* images) {
  if (auto valid = check_address(channel, stream_id); !valid) return fail(std::move(valid.error()));
  const std::string untethered = with_parameter(channel, "tether", "false");
  std::string what = fmt::format("subscription {} stream {}", untethered, stream_id);
  SubscriptionKind::Async* async = nullptr;
  if (auto begun = begin(what,
                         [&] {
                           return aeron_async_add_subscription(
                               &async, client_, untethered.c_str(), stream_id,
                               images == nullptr ? nullptr : &on_available, images,
                               images == nullptr ? nullptr : &on_unavailable, images);
                         });
      !begun) {
    return fail(std::move(begun.error()));
  }
  return std::make_unique<AeronAdd<SubscriptionKind>>(*this, async, SubscriptionKind{stream_id},
                                                      std::move(what), deadline_ns);
}

Result<std::unique_ptr<Add<transport::Counter>>> Connection::add_counter(const CounterSpec& spec,
                                                                         base::Nanos deadline_ns) {
  if (spec.type_id < 1000 || spec.key.size() > counter_key_bytes) {
    return fail(Code::invalid_argument, "add",
                fmt::format("counter type {} with a key of {} bytes: types begin at 1000, keys "
                            "have at most {} bytes",
                            spec.type_id, spec.key.size(), counter_key_bytes));
  }
  const std::string label = spec.label.substr(0, counter_label_bytes);
  std::string what = fmt::format("counter \"{}\"", label);
  CounterKind::Async* async = nullptr;
  const auto* key = static_cast<const std::uint8_t*>(static_cast<const void*>(spec.key.data()));
  if (auto begun = begin(what,
                         [&] {
                           return aeron_async_add_counter(&async, client_, spec.type_id, key,
                                                          spec.key.size(), label.c_str(),
                                                          label.size());
                         });
      !begun) {
    return fail(std::move(begun.error()));
  }
  return std::make_unique<AeronAdd<CounterKind>>(*this, async, CounterKind{}, std::move(what),
                                                 deadline_ns);
}

void Connection::find_counters(std::int32_t type_id,
                               FunctionRef<void(const FoundCounter&)> sink) const {
  aeron::find_counters(client_, type_id, sink);
}

}  // namespace tensorpool::transport::aeron
