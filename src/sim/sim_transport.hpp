// The transport interface over a simulated network.
#pragma once

#include <memory>
#include <string>

#include "sim/network.hpp"
#include "transport/transport.hpp"

namespace tensorpool::sim {

class SimTransport final : public transport::Transport {
 public:
  explicit SimTransport(std::shared_ptr<Model> model) : model_(std::move(model)) {}

  transport::MediaDriverState probe(const transport::ConnectOptions& options) override;
  std::string directory(const transport::ConnectOptions& options) const override;
  Result<std::unique_ptr<transport::Connection>> connect(
      const transport::ConnectOptions& options) override;

 private:
  std::shared_ptr<Model> model_;
};

}  // namespace tensorpool::sim
