#include "registry.hpp"

#include <fmt/format.h>

#ifndef TENSORPOOL_BENCH_NO_ICEORYX2
#define TENSORPOOL_BENCH_NO_ICEORYX2 ""
#endif
#ifndef TENSORPOOL_BENCH_NO_ZEROMQ
#define TENSORPOOL_BENCH_NO_ZEROMQ ""
#endif
#ifndef TENSORPOOL_BENCH_NO_SOCKET
#define TENSORPOOL_BENCH_NO_SOCKET ""
#endif

namespace tensorpool::bench {
namespace {

using Make = std::unique_ptr<Subject> (*)();

Entry entry(const char* name, Make make) {
  Entry made{name, make(), {}};
  made.why_not = made.subject->available();
  return made;
}

// Where a rival was asked for and cannot be built, CMake says why.
[[maybe_unused]] Entry not_built(const char* name, const char* why) {
  return {name, nullptr,
          *why == '\0' ? fmt::format("not built: ./run bench --with {}", name)
                       : fmt::format("cannot be built: {}", why)};
}

}  // namespace

std::vector<Entry> all_subjects() {
  std::vector<Entry> all;
  all.push_back(entry("tensorpool", make_tensorpool));
  all.push_back(entry("ring", make_ring));
  all.push_back(entry("aeron", make_aeron));
  all.push_back(entry("futex", make_futex));
#ifdef TENSORPOOL_BENCH_WITH_ICEORYX2
  all.push_back(entry("iceoryx2", make_iceoryx2));
#else
  all.push_back(not_built("iceoryx2", TENSORPOOL_BENCH_NO_ICEORYX2));
#endif
#ifdef TENSORPOOL_BENCH_WITH_ZEROMQ
  all.push_back(entry("zeromq", make_zeromq));
#else
  all.push_back(not_built("zeromq", TENSORPOOL_BENCH_NO_ZEROMQ));
#endif
#ifdef TENSORPOOL_BENCH_WITH_SOCKET
  all.push_back(entry("socket", make_socket_shm));
#else
  all.push_back(not_built("socket", TENSORPOOL_BENCH_NO_SOCKET));
#endif
  return all;
}

}  // namespace tensorpool::bench
