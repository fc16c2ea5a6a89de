// A transport whose publications answer what the test wants instead of sending.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "transport/transport.hpp"

namespace tensorpool::agents::driver::test {

// By stream id: what offers return, and how many were made. 0 lets them pass.
struct Gate {
  std::map<std::int32_t, transport::Position> answer;
  std::map<std::int32_t, int> offers;
  std::map<std::int32_t, int> publications;  // added
};

class GatedPublication final : public transport::Publication {
 public:
  GatedPublication(std::unique_ptr<transport::Publication> inner, std::shared_ptr<Gate> gate)
      : inner_(std::move(inner)), gate_(std::move(gate)) {}
  transport::Position try_claim(std::size_t size, transport::Claim& claim) noexcept override {
    return inner_->try_claim(size, claim);
  }
  void commit(transport::Claim& claim) noexcept override { inner_->commit(claim); }
  void abort(transport::Claim& claim) noexcept override { inner_->abort(claim); }
  transport::Position offer(std::span<const std::byte> message) noexcept override {
    ++gate_->offers[stream_id()];
    const auto answer = gate_->answer.find(stream_id());
    if (answer != gate_->answer.end() && answer->second != 0) return answer->second;
    return inner_->offer(message);
  }
  bool is_connected() const noexcept override { return inner_->is_connected(); }
  std::size_t max_claim_bytes() const noexcept override { return inner_->max_claim_bytes(); }
  std::size_t max_message_bytes() const noexcept override { return inner_->max_message_bytes(); }
  std::int32_t session_id() const noexcept override { return inner_->session_id(); }
  std::int32_t stream_id() const noexcept override { return inner_->stream_id(); }

 private:
  std::unique_ptr<transport::Publication> inner_;
  std::shared_ptr<Gate> gate_;
};

class GatedAdd final : public transport::Add<transport::Publication> {
 public:
  GatedAdd(std::unique_ptr<transport::Add<transport::Publication>> inner,
           std::shared_ptr<Gate> gate)
      : inner_(std::move(inner)), gate_(std::move(gate)) {}
  Result<std::unique_ptr<transport::Publication>> poll() override {
    auto polled = inner_->poll();
    if (!polled || *polled == nullptr) return polled;
    ++gate_->publications[(*polled)->stream_id()];
    return std::make_unique<GatedPublication>(std::move(*polled), gate_);
  }
  std::int64_t registration_id() const noexcept override { return inner_->registration_id(); }

 private:
  std::unique_ptr<transport::Add<transport::Publication>> inner_;
  std::shared_ptr<Gate> gate_;
};

class GatedConnection final : public transport::Connection {
 public:
  GatedConnection(std::unique_ptr<transport::Connection> inner, std::shared_ptr<Gate> gate)
      : inner_(std::move(inner)), gate_(std::move(gate)) {}
  Result<std::unique_ptr<transport::Add<transport::Publication>>> add_publication(
      const std::string& channel, std::int32_t stream_id, base::Nanos deadline_ns) override {
    auto add = inner_->add_publication(channel, stream_id, deadline_ns);
    if (!add) return add;
    return std::make_unique<GatedAdd>(std::move(*add), gate_);
  }
  Result<std::unique_ptr<transport::Add<transport::Subscription>>> add_subscription(
      const std::string& channel, std::int32_t stream_id, base::Nanos deadline_ns,
      transport::ImageLog* images) override {
    return inner_->add_subscription(channel, stream_id, deadline_ns, images);
  }
  Result<std::unique_ptr<transport::Add<transport::Counter>>> add_counter(
      const transport::CounterSpec& spec, base::Nanos deadline_ns) override {
    return inner_->add_counter(spec, deadline_ns);
  }
  void find_counters(std::int32_t type_id,
                     FunctionRef<void(const transport::FoundCounter&)> sink) const override {
    inner_->find_counters(type_id, sink);
  }
  int do_work() override { return inner_->do_work(); }
  bool is_closed() const noexcept override { return inner_->is_closed(); }
  std::int64_t client_id() const noexcept override { return inner_->client_id(); }

 private:
  std::unique_ptr<transport::Connection> inner_;
  std::shared_ptr<Gate> gate_;
};

class GatedTransport final : public transport::Transport {
 public:
  GatedTransport(std::unique_ptr<transport::Transport> inner, std::shared_ptr<Gate> gate)
      : inner_(std::move(inner)), gate_(std::move(gate)) {}
  transport::MediaDriverState probe(const transport::ConnectOptions& options) override {
    return inner_->probe(options);
  }
  std::string directory(const transport::ConnectOptions& options) const override {
    return inner_->directory(options);
  }
  Result<std::unique_ptr<transport::Connection>> connect(
      const transport::ConnectOptions& options) override {
    auto connection = inner_->connect(options);
    if (!connection) return connection;
    return std::make_unique<GatedConnection>(std::move(*connection), gate_);
  }

 private:
  std::unique_ptr<transport::Transport> inner_;
  std::shared_ptr<Gate> gate_;
};

}  // namespace tensorpool::agents::driver::test
