#include "transport/aeron/counters_reader.hpp"

#include <array>
#include <cstring>

namespace tensorpool::transport::aeron {
namespace {

constexpr std::int32_t allocated = 1;  // AERON_COUNTER_RECORD_ALLOCATED

struct Search {
  aeron_counters_reader_t* reader;
  std::int32_t type_id;
  FunctionRef<void(const FoundCounter&)>* sink;
};

// The record may be given back and reused while it is read: the registration id, read before and after,
// says that it was one counter's all along. One that has none yet is not finished.
void visit(std::int64_t /*value*/, std::int32_t id, std::int32_t type_id, const std::uint8_t* key,
           std::size_t key_length, const char* /*label*/, std::size_t /*label_length*/,
           void* clientd) {
  auto& search = *static_cast<Search*>(clientd);
  std::array<std::byte, counter_key_bytes> copy;
  if (type_id != search.type_id || key_length > copy.size()) return;
  std::int64_t before = 0;
  std::int64_t after = 0;
  std::int32_t state = 0;
  if (aeron_counters_reader_counter_registration_id(search.reader, id, &before) != 0 || before <= 0)
    return;
  std::memcpy(copy.data(), key, key_length);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (aeron_counters_reader_counter_state(search.reader, id, &state) != 0 || state != allocated ||
      aeron_counters_reader_counter_registration_id(search.reader, id, &after) != 0 ||
      after != before)
    return;
  std::int64_t* value = aeron_counters_reader_addr(search.reader, id);
  if (value == nullptr) return;
  (*search.sink)({id, std::span(copy).first(key_length), counter_place(value, before)});
}

}  // namespace

void find_counters(aeron_t* client, std::int32_t type_id,
                   FunctionRef<void(const FoundCounter&)> sink) {
  aeron_counters_reader_t* reader = aeron_counters_reader(client);
  if (reader == nullptr) return;
  Search search{reader, type_id, &sink};
  aeron_counters_reader_foreach_counter(reader, &visit, &search);
}

}  // namespace tensorpool::transport::aeron
