// Notes the ids under which a process is known to media drivers, which kill -9 needs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport/transport.hpp"

namespace tensorpool::simulation {

class NotingTransport final : public transport::Transport {
 public:
  // `clients` outlives it.
  NotingTransport(std::unique_ptr<transport::Transport> real, std::vector<std::int64_t>& clients)
      : real_(std::move(real)), clients_(clients) {}

  transport::MediaDriverState probe(const transport::ConnectOptions& options) override {
    return real_->probe(options);
  }
  std::string directory(const transport::ConnectOptions& options) const override {
    return real_->directory(options);
  }
  Result<std::unique_ptr<transport::Connection>> connect(
      const transport::ConnectOptions& options) override {
    auto connection = real_->connect(options);
    if (connection) clients_.push_back((*connection)->client_id());
    return connection;
  }

 private:
  std::unique_ptr<transport::Transport> real_;
  std::vector<std::int64_t>& clients_;
};

}  // namespace tensorpool::simulation
