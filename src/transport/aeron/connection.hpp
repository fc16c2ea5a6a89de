// One Aeron client.
#pragma once

#include <aeronc.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "transport/transport.hpp"

namespace tensorpool::transport::aeron {

class Connection final : public transport::Connection {
 public:
  // REQUIRES a live media driver in `directory`: then this takes a fraction of a millisecond.
  static Result<std::unique_ptr<transport::Connection>> open(const ConnectOptions& options,
                                                             const std::string& directory);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  Result<std::unique_ptr<Add<transport::Publication>>> add_publication(
      const std::string& channel, std::int32_t stream_id, base::Nanos deadline_ns) override;
  Result<std::unique_ptr<Add<transport::Subscription>>> add_subscription(const std::string& channel,
                                                                         std::int32_t stream_id,
                                                                         base::Nanos deadline_ns,
                                                                         ImageLog* images) override;
  Result<std::unique_ptr<Add<transport::Counter>>> add_counter(const CounterSpec& spec,
                                                               base::Nanos deadline_ns) override;
  void find_counters(std::int32_t type_id,
                     FunctionRef<void(const FoundCounter&)> sink) const override;
  int do_work() override;
  bool is_closed() const noexcept override;
  std::int64_t client_id() const noexcept override;
  std::optional<Flow> flow(std::int32_t session_id, std::int32_t stream_id) const override;
  std::string complaint() const override;
  // What Aeron's client last complained of; it never ends the process. Any thread.
  std::string last_error() const;

  aeron_t* client() const noexcept { return client_; }
  // Of this client nothing may be called any more but what handles do.
  bool spoilt() const noexcept { return spoilt_; }

 private:
  Connection() = default;
  static void on_error(void* clientd, int code, const char* message) noexcept;
  // Begins an add. Where there is no room for the command, Aeron (1.54, invoked) frees the add and leaves it in its
  // list of those that wait for an answer: whoever goes through that list uses it again, and aeron_close() frees it
  // again. So such a client is lost, and left alone for good.
  template <class Begin>
  Result<void> begin(const std::string& what, Begin&& call);

  aeron_context_t* context_ = nullptr;
  aeron_t* client_ = nullptr;
  bool invoked_ = false;
  bool spoilt_ = false;
  std::atomic<bool> no_room_{false};  // for a command, during the last add
  mutable std::mutex error_mutex_;    // errors come on Aeron's thread, far from any frame
  std::string error_;
  std::string complaint_;  // the last of those that do not pass
};

}  // namespace tensorpool::transport::aeron
