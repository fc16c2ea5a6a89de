// The clients, producers and consumers of the benches: invoked, direct mode, regions and Aeron
// directory inside the stage.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "stage.hpp"
#include "tensorpool/tensorpool.hpp"

namespace tensorpool::bench {

constexpr std::chrono::seconds attach_timeout{60};  // generous: valgrind is slow

template <class T>
T value_of(Result<T> result) {
  if (!result) throw Failure(result.error().message());
  return std::move(*result);
}

// `descriptor_stream` is the Aeron stream id of the descriptors of this client's pool streams.
inline Client make_client(const std::string& directory, const std::string& aeron_dir,
                          std::int32_t descriptor_stream, std::uint32_t fragment_limit = 10) {
  ClientOptions options;
  options.mode = Mode::direct;
  options.threading = Threading::invoked;
  options.aeron_dir = aeron_dir;
  options.client_name = "tensorpool bench";
  options.descriptor.stream_id = descriptor_stream;
  options.announce_period_ns = 200'000'000;
  options.liveness_factor = 5;
  options.allowed_base_dirs = {directory};
  options.fragment_limit = fragment_limit;
  return value_of(Client::connect(std::move(options)));
}

inline Producer make_producer(Client& client, const std::string& directory, std::uint32_t stream,
                              std::uint32_t slots, std::uint64_t frame_bytes,
                              bool wake_waiters = false) {
  ProducerOptions options;
  options.stream = stream;
  options.base_dir = directory;
  options.namespace_name = "bench";
  options.slots = slots;
  options.wake_waiters = wake_waiters;
  const std::uint64_t stride = (frame_bytes + 63) / 64 * 64;
  options.pools = {{.pool_id = 1, .stride_bytes = static_cast<std::uint32_t>(stride)}};
  return value_of(client.producer(std::move(options)).wait(attach_timeout));
}

inline Consumer make_consumer(Client& client, std::uint32_t stream) {
  ConsumerOptions options;
  options.stream = stream;
  return value_of(client.consumer(std::move(options)).wait(attach_timeout));
}

inline TensorSpec bytes_spec(std::uint64_t size) {
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {static_cast<std::int64_t>(size)};
  return spec;
}

}  // namespace tensorpool::bench
