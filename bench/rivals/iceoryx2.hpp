// The C functions of iceoryx2/src/lib.rs, which says what they do.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tensorpool::bench::iceoryx2 {

struct Setup {
  const char* name;
  const char* root;
  const char* prefix;
  std::size_t frame_bytes;
  std::size_t slots;
  std::size_t receivers;
};
struct Sender;
struct Receiver;
using Handler = void (*)(void* context, std::uint64_t seq, std::int64_t time_ns,
                         const std::uint8_t* bytes, std::size_t size);

extern "C" {
Sender* tpb_iceoryx2_sender(const Setup* setup, char* why, std::size_t room);
void tpb_iceoryx2_end_sender(Sender* sender);
std::uint8_t* tpb_iceoryx2_claim(Sender* sender, std::size_t bytes);
std::int32_t tpb_iceoryx2_publish(Sender* sender, std::uint64_t seq, std::int64_t time_ns);

Receiver* tpb_iceoryx2_receiver(const Setup* setup, char* why, std::size_t room);
void tpb_iceoryx2_end_receiver(Receiver* receiver);
std::int32_t tpb_iceoryx2_poll(Receiver* receiver, Handler handler, void* context,
                               std::int32_t limit);
std::int32_t tpb_iceoryx2_sleep(Receiver* receiver, std::uint64_t timeout_ns);
}

}  // namespace tensorpool::bench::iceoryx2
