// What a service manager is told: a datagram each, to a path or an abstract name.
#include "tp_driver/notify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace tensorpool::driver_program {
namespace {

using ::testing::HasSubstr;

// A socket that service managers would have; `name` as in NOTIFY_SOCKET.
class Receiver {
 public:
  explicit Receiver(const std::string& name)
      : id_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(id_, reinterpret_cast<const sockaddr*>(&address), size), 0)
        << std::strerror(errno);
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver() { ::close(id_); }

  // What has been sent; a datagram between local sockets is there when sending returns.
  std::string take() const {
    char buffer[256];
    const auto size = ::recv(id_, buffer, sizeof buffer, MSG_DONTWAIT);
    return size < 0 ? std::string("nothing") : std::string(buffer, static_cast<std::size_t>(size));
  }

 private:
  int id_;
};

ServiceManager manager_for(const std::string& socket) {
  return ServiceManager(config::Environment{{"NOTIFY_SOCKET", socket}});
}

TEST(DriverNotify, a_path_and_an_abstract_name) {
  char folder[] = "/dev/shm/tensorpool-notify-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  for (const std::string& name : {std::string(folder) + "/s", "@" + std::string(folder)}) {
    const Receiver receiver(name);
    const ServiceManager manager = manager_for(name);
    EXPECT_TRUE(manager.present());
    ASSERT_TRUE(manager.tell("READY=1\nSTATUS=running").has_value());
    EXPECT_EQ(receiver.take(), "READY=1\nSTATUS=running");
    EXPECT_EQ(receiver.take(), "nothing");
  }
  std::filesystem::remove_all(folder);
}

TEST(DriverNotify, without_a_service_manager_nothing_happens) {
  for (const ServiceManager& manager : {ServiceManager(config::Environment()), manager_for("")}) {
    EXPECT_FALSE(manager.present());
    EXPECT_TRUE(manager.tell("READY=1").has_value());
  }
}

TEST(DriverNotify, what_cannot_be_reached_is_an_error) {
  for (const std::string& name : {std::string("relative"), std::string("/"), std::string("@"),
                                  "/" + std::string(107, 'x'), std::string("vsock:2:1")}) {
    const auto told = manager_for(name).tell("READY=1");
    ASSERT_FALSE(told.has_value()) << name;
    EXPECT_EQ(told.error().code(), Code::invalid_argument) << name;
  }
  const auto told = manager_for("/nonexistent/socket").tell("READY=1");
  ASSERT_FALSE(told.has_value());
  EXPECT_THAT(told.error().message(), HasSubstr("/nonexistent/socket"));
}

}  // namespace
}  // namespace tensorpool::driver_program
