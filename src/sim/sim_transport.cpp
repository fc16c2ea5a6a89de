#include "sim/sim_transport.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/limits.hpp"
#include "sim/model.hpp"
#include "transport/image_log.hpp"

namespace tensorpool::sim {
namespace {

using transport::Position;

class SimPublication final : public transport::Publication {
 public:
  SimPublication(std::shared_ptr<Model> model, std::shared_ptr<PublicationState> state)
      : model_(std::move(model)), state_(std::move(state)) {}
  SimPublication(const SimPublication&) = delete;
  SimPublication& operator=(const SimPublication&) = delete;
  ~SimPublication() override {
    if (!model_->abandoned(state_->client)) model_->remove(*state_);
  }

  Position try_claim(std::size_t size, transport::Claim& claim) noexcept override {
    if (size > max_payload_bytes) return transport::publication_error;
    const Position refused = model_->reserve(*state_, static_cast<std::size_t>(frame_bytes(size)));
    if (refused != 0) return refused;
    const auto frame = model_->append(*state_, size);
    state_->position = frame->stop;
    claim.data = frame->data.data();
    claim.size = size;
    claim.implementation[0] = frame.get();
    return frame->stop;
  }
  void commit(transport::Claim& claim) noexcept override { end(claim, Frame::State::committed); }
  void abort(transport::Claim& claim) noexcept override { end(claim, Frame::State::aborted); }

  Position offer(std::span<const std::byte> message) noexcept override {
    if (message.size() > max_message_bytes()) return transport::publication_error;
    const std::size_t full = message.size() / max_payload_bytes;
    const std::size_t rest = message.size() % max_payload_bytes;
    std::int64_t needed = static_cast<std::int64_t>(full) * frame_bytes(max_payload_bytes);
    if (rest != 0 || full == 0) needed += frame_bytes(rest);
    const Position refused = model_->reserve(*state_, static_cast<std::size_t>(needed));
    if (refused != 0) return refused;
    model_->tell(true, state_->client, state_->session_id, state_->stream_id, message);
    std::size_t at = 0;
    do {
      const std::size_t size = std::min(max_payload_bytes, message.size() - at);
      const auto frame = model_->append(*state_, size);
      if (size != 0) std::memcpy(frame->data.data(), message.data() + at, size);
      frame->begin = at == 0;
      at += size;
      frame->end = at == message.size();
      frame->state = Frame::State::committed;
      state_->position = frame->stop;
    } while (at < message.size());
    model_->distribute(*state_);
    return state_->position;
  }

  bool is_connected() const noexcept override {
    return !state_->closed && !model_->lost(state_->client) && model_->connected(*state_);
  }
  std::size_t max_claim_bytes() const noexcept override { return max_payload_bytes; }
  std::size_t max_message_bytes() const noexcept override { return model_->options.term_bytes / 8; }
  std::int32_t session_id() const noexcept override { return state_->session_id; }
  std::int32_t stream_id() const noexcept override { return state_->stream_id; }

 private:
  void end(transport::Claim& claim, Frame::State how) noexcept {
    static_cast<Frame*>(claim.implementation[0])->state = how;
    if (how == Frame::State::committed) {
      model_->tell(true, state_->client, state_->session_id, state_->stream_id,
                   {claim.data, claim.size});
    }
    claim = transport::Claim{};
    model_->distribute(*state_);
  }

  std::shared_ptr<Model> model_;
  std::shared_ptr<PublicationState> state_;
};

class SimSubscription final : public transport::Subscription {
 public:
  SimSubscription(std::shared_ptr<Model> model, std::shared_ptr<SubscriptionState> state)
      : model_(std::move(model)), state_(std::move(state)) {}
  SimSubscription(const SimSubscription&) = delete;
  SimSubscription& operator=(const SimSubscription&) = delete;
  ~SimSubscription() override {
    if (!model_->abandoned(state_->client)) {
      model_->remove(*state_);
    } else {
      state_->log = nullptr;  // its owner is gone with the process
    }
  }

  int poll(transport::FragmentHandler handler, int limit) override {
    return model_->lost(state_->client) ? 0 : model_->poll(*state_, handler, limit, false);
  }
  int poll_assembled(transport::FragmentHandler handler, int limit) override {
    return model_->lost(state_->client) ? 0 : model_->poll(*state_, handler, limit, true);
  }
  int image_count() const noexcept override {
    return model_->lost(state_->client) ? 0 : static_cast<int>(state_->images.size());
  }
  std::int32_t stream_id() const noexcept override { return state_->stream_id; }

 private:
  std::shared_ptr<Model> model_;
  std::shared_ptr<SubscriptionState> state_;
};

class SimCounter final : public transport::Counter {
 public:
  SimCounter(std::shared_ptr<Model> model, std::shared_ptr<CounterState> state)
      : model_(std::move(model)), state_(std::move(state)) {}
  SimCounter(const SimCounter&) = delete;
  SimCounter& operator=(const SimCounter&) = delete;
  ~SimCounter() override {
    if (!model_->abandoned(state_->view.owner_id)) model_->counters.erase(state_->view.id);
  }
  void set(std::int64_t value) noexcept override { state_->memory->words[0] = value; }
  std::int64_t get() const noexcept override { return state_->memory->words[0]; }
  std::int32_t id() const noexcept override { return state_->view.id; }
  transport::CounterPlace place() const noexcept override { return state_->place(); }

 private:
  std::shared_ptr<Model> model_;
  std::shared_ptr<CounterState> state_;
};

// An add: the media driver answers after a delay, if it runs; an invoked client notices the answer
// in its next duty cycle.
template <class T>
class SimAdd final : public transport::Add<T> {
 public:
  using Complete = std::function<Result<std::unique_ptr<T>>(std::int64_t registration_id)>;

  SimAdd(std::shared_ptr<Model> model, std::int64_t client, std::string what, Nanos deadline_ns,
         Complete complete)
      : model_(std::move(model)),
        client_(client),
        what_(std::move(what)),
        deadline_ns_(deadline_ns),
        registration_id_(model_->next_id++),
        due_ns_(model_->now() + model_->options.add_delay_ns),
        complete_(std::move(complete)) {}

  Result<std::unique_ptr<T>> poll() override {
    if (over_) return fail(Error::hot(Code::consumed, "Add::poll"));
    if (model_->lost(client_)) {
      over_ = true;
      return fail(Code::client_lost, "add",
                  fmt::format("{}: the media driver died or dropped this client", what_));
    }
    const Client& client = model_->clients.at(client_);
    const bool noticed = !client.invoked || client.last_work_ns >= due_ns_;
    if (!client.dropped && client.life->running() && model_->now() >= due_ns_ && noticed) {
      over_ = true;
      return complete_(registration_id_);
    }
    if (model_->now() >= deadline_ns_) {
      over_ = true;
      return fail(Code::timeout, "add",
                  fmt::format("{}: no answer of the media driver before the deadline", what_));
    }
    return std::unique_ptr<T>();
  }
  std::int64_t registration_id() const noexcept override { return registration_id_; }

 private:
  std::shared_ptr<Model> model_;
  std::int64_t client_;
  std::string what_;
  Nanos deadline_ns_;
  std::int64_t registration_id_;
  Nanos due_ns_;
  Complete complete_;
  bool over_ = false;
};

// What decides who hears whom: the media and, for UDP, the endpoint. Empty: not a channel.
std::string media_of(const std::string& channel) {
  std::string head = channel.substr(0, channel.find('?'));
  if (head == "aeron:ipc") return head;
  if (head != "aeron:udp") return {};
  const std::size_t at = channel.find("endpoint=");
  if (at == std::string::npos) return {};
  return head + "?" + channel.substr(at, channel.find('|', at) - at);
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

tl::unexpected<Error> bad_channel(const std::string& channel) {
  return fail(Code::transport_error, "add", fmt::format("{}: not a channel", channel));
}

class SimConnection final : public transport::Connection {
 public:
  SimConnection(std::shared_ptr<Model> model, std::int64_t id)
      : model_(std::move(model)), id_(id) {}
  SimConnection(const SimConnection&) = delete;
  SimConnection& operator=(const SimConnection&) = delete;
  ~SimConnection() override {
    if (model_->abandoned(id_)) return;
    model_->remove_client(id_);
    model_->clients.erase(id_);
  }

  Result<std::unique_ptr<transport::Add<transport::Publication>>> add_publication(
      const std::string& channel, std::int32_t stream_id, Nanos deadline_ns) override {
    if (auto valid = check_address(channel, stream_id); !valid) return fail(valid.error());
    return std::make_unique<SimAdd<transport::Publication>>(
        model_, id_, fmt::format("publication {} stream {}", channel, stream_id), deadline_ns,
        [model = model_, client = id_, channel,
         stream_id](std::int64_t id) -> Result<std::unique_ptr<transport::Publication>> {
          auto state = std::make_shared<PublicationState>();
          state->media = media_of(channel);
          if (state->media.empty()) return bad_channel(channel);
          state->id = id;
          state->client = client;
          state->life = model->clients.at(client).life;
          state->stream_id = stream_id;
          state->session_id = static_cast<std::int32_t>(model->prng.next());
          model->add(state);
          return std::make_unique<SimPublication>(model, state);
        });
  }

  Result<std::unique_ptr<transport::Add<transport::Subscription>>> add_subscription(
      const std::string& channel, std::int32_t stream_id, Nanos deadline_ns,
      transport::ImageLog* images) override {
    if (auto valid = check_address(channel, stream_id); !valid) return fail(valid.error());
    return std::make_unique<SimAdd<transport::Subscription>>(
        model_, id_, fmt::format("subscription {} stream {}", channel, stream_id), deadline_ns,
        [model = model_, client = id_, channel, stream_id,
         images](std::int64_t id) -> Result<std::unique_ptr<transport::Subscription>> {
          auto state = std::make_shared<SubscriptionState>();
          state->media = media_of(channel);
          if (state->media.empty()) return bad_channel(channel);
          state->id = id;
          state->client = client;
          state->life = model->clients.at(client).life;
          state->stream_id = stream_id;
          state->tethered =
              transport::with_parameter(channel, "tether", "false").find("tether=false") ==
              std::string::npos;
          state->log = images;
          model->add(state);
          return std::make_unique<SimSubscription>(model, state);
        });
  }

  Result<std::unique_ptr<transport::Add<transport::Counter>>> add_counter(
      const transport::CounterSpec& spec, Nanos deadline_ns) override {
    if (spec.type_id < 1000 || spec.key.size() > transport::counter_key_bytes) {
      return fail(Code::invalid_argument, "add",
                  fmt::format("counter type {} with a key of {} bytes: types begin at 1000, keys "
                              "have at most {} bytes",
                              spec.type_id, spec.key.size(), transport::counter_key_bytes));
    }
    CounterView view;
    view.type_id = spec.type_id;
    view.label = spec.label.substr(0, transport::counter_label_bytes);
    view.key.assign(spec.key.begin(), spec.key.end());
    view.owner_id = id_;
    return std::make_unique<SimAdd<transport::Counter>>(
        model_, id_, fmt::format("counter \"{}\"", view.label), deadline_ns,
        [model = model_, view](std::int64_t id) -> Result<std::unique_ptr<transport::Counter>> {
          auto state = std::make_shared<CounterState>();
          state->view = view;
          state->view.id = model->next_counter++;
          state->life = model->clients.at(view.owner_id).life;
          state->registration_id = id;
          state->memory = std::make_shared<CounterMemory>();
          state->memory->words[1] = id;
          model->counter_memory.push_back(state->memory);
          model->counters[state->view.id] = state;
          return std::make_unique<SimCounter>(model, state);
        });
  }

  void find_counters(std::int32_t type_id,
                     FunctionRef<void(const transport::FoundCounter&)> sink) const override {
    const auto own = model_->clients.find(id_);
    if (own == model_->clients.end()) return;
    for (const auto& [id, state] : model_->counters) {
      if (state->view.type_id != type_id || state->life != own->second.life) continue;
      sink({state->view.id, state->view.key, state->place()});
    }
  }

  int do_work() override {
    Client& client = model_->clients.at(id_);
    if (!client.invoked || client.crashed || client.stopped) return 0;
    client.keepalive_ns = client.last_work_ns = model_->now();
    model_->check_client(client);
    return 0;
  }
  bool is_closed() const noexcept override { return model_->lost(id_); }
  std::int64_t client_id() const noexcept override { return id_; }

 private:
  std::shared_ptr<Model> model_;
  std::int64_t id_;
};

}  // namespace

std::string SimTransport::directory(const transport::ConnectOptions& options) const {
  return options.directory.empty() ? "/simulated" : options.directory;
}

transport::MediaDriverState SimTransport::probe(const transport::ConnectOptions& options) {
  transport::MediaDriverState state;
  const auto found = model_->lives.find(directory(options));
  if (found == model_->lives.end()) return state;
  const Life& life = *found->second;
  state.pid = life.pid;
  state.start_ns = life.start_ns;
  state.heartbeat_age_ns = model_->now() - life.heartbeat_ns(model_->now());
  state.alive = !life.killed && state.heartbeat_age_ns <= options.driver_timeout_ns;
  return state;
}

Result<std::unique_ptr<transport::Connection>> SimTransport::connect(
    const transport::ConnectOptions& options) {
  const std::string where = directory(options);
  if (where.front() != '/') {
    return fail(Code::invalid_argument, "connect",
                fmt::format("Aeron directory \"{}\": must be an absolute path", where));
  }
  if (!probe(options).alive) {
    return fail(Code::no_media_driver, "connect",
                fmt::format("no media driver serves {}; start one there, or name its directory "
                            "(option or AERON_DIR)",
                            where));
  }
  Client client;
  client.id = model_->next_id++;
  client.life = model_->lives.at(where);
  client.invoked = options.invoked;
  client.driver_timeout_ns = options.driver_timeout_ns;
  client.keepalive_ns = client.last_work_ns = model_->now();
  model_->clients[client.id] = client;
  return std::make_unique<SimConnection>(model_, client.id);
}

}  // namespace tensorpool::sim
