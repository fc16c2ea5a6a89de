// Every subject there is. A rival is a file of bench/rivals that defines one of the functions below and a
// CMake target of its own; it is compiled when TENSORPOOL_BENCH_WITH names it (./run bench --with NAME).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "subject.hpp"

namespace tensorpool::bench {

std::unique_ptr<Subject> make_tensorpool();
std::unique_ptr<Subject> make_ring();
std::unique_ptr<Subject> make_aeron();
std::unique_ptr<Subject> make_futex();

std::unique_ptr<Subject> make_iceoryx2();
std::unique_ptr<Subject> make_zeromq();
std::unique_ptr<Subject> make_socket_shm();

// A subject by the name that --subject and --with take, and why it is not here.
struct Entry {
  std::string name;
  std::unique_ptr<Subject> subject;  // null when it was not built
  std::string why_not;               // empty: it runs
};
std::vector<Entry> all_subjects();

}  // namespace tensorpool::bench
