// The smallest program that uses tensorpool: is there a media driver to meet at?
#include <cstdio>
#include <tensorpool/tensorpool.hpp>

int main() {
  const bool alive = tensorpool::MediaDriver::alive();
  std::puts(alive ? "a media driver is alive" : "no media driver is alive");
  return alive ? 0 : 1;
}
