// Driver and clients of different users and groups. Only root can become others: without it, skipped.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "fault/leased_support.hpp"

namespace tensorpool::fault {
namespace {

constexpr std::uint64_t sender = 1;
// Ids that nobody has.
constexpr std::uint32_t driver_user = 64801;
constexpr std::uint32_t client_user = 64802;
constexpr std::uint32_t shared_group = 64811;
constexpr std::uint32_t strange_group = 64812;

class OtherUser : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become other users";
    // Whoever may enter the folder; what lies in it looks after itself.
    world_.emplace(Media::separate);
    ASSERT_EQ(::chmod(world_->folder().path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(world_->folder().regions().c_str(), 01777), 0);
  }
  Setting as(std::uint32_t user, std::uint32_t group) const {
    Setting setting = world_->setting();
    setting.user = user;
    setting.group = group;
    return setting;
  }
  // A driver of the group, whose files have this mode.
  Peer driver(std::uint32_t mode) const {
    Setting setting = as(driver_user, shared_group);
    setting.file_mode = mode;
    Peer peer("driver", setting);
    EXPECT_TRUE(peer.ready());
    return peer;
  }
  // A client that gets leases and no regions, with the reason that it gives.
  static std::string refused(Peer& client) {
    EXPECT_TRUE(client.ready());
    EXPECT_TRUE(reaches(client, "lost_unmappable", 2));  // tried again
    Peer::Books books = stats(client);
    EXPECT_EQ(books["active"], 0U);
    EXPECT_EQ(books["wrong"] + books["delivered"], 0U);
    const std::string why = client.text("why 0");
    EXPECT_FALSE(client.close().empty());
    return why;
  }
  void expect_mode(unsigned mode) const {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(world_->folder().regions())) {
      if (entry.path().extension() != ".pool" && entry.path().extension() != ".ring") continue;
      EXPECT_EQ(static_cast<unsigned>(entry.status().permissions()), mode) << entry.path();
    }
  }

  std::optional<LeasedWorld> world_;
};

// Proves: DRV-147
TEST_F(OtherUser, of_the_group_reads_what_the_group_may_read_and_others_are_told_why_not) {
  Peer owner = driver(0640);
  Peer producer("leased_producer", as(driver_user, shared_group), sender);
  Peer reader("leased_consumer", as(client_user, shared_group));
  ASSERT_TRUE(producer.ready() && reader.ready());
  ASSERT_FALSE(producer.ask("run").empty());
  EXPECT_TRUE(hears(reader, 0, sender));
  expect_mode(0640);  // and the driver's umask is 077
  // Writing is another matter.
  EXPECT_FALSE(producer.close().empty());
  Peer writer("leased_producer", as(client_user, shared_group), sender);
  std::string why = refused(writer);
  EXPECT_NE(why.find("Permission denied"), std::string::npos) << why;
  // And so is another group.
  Peer stranger("leased_consumer", as(client_user, strange_group));
  why = refused(stranger);
  EXPECT_NE(why.find("Permission denied"), std::string::npos) << why;
  EXPECT_NE(why.find("tensorpool-"), std::string::npos) << why;
  Peer::Books books = reader.close();
  expect_right_bytes(books);
  EXPECT_FALSE(owner.close().empty());
}

TEST_F(OtherUser, of_the_group_writes_what_the_group_may_write) {
  Peer owner = driver(0660);
  Peer producer("leased_producer", as(client_user, shared_group), sender);
  Peer reader("leased_consumer", as(client_user, shared_group));
  ASSERT_TRUE(producer.ready() && reader.ready());
  ASSERT_FALSE(producer.ask("run").empty());
  EXPECT_TRUE(hears(reader, 0, sender));
  expect_mode(0660);
  EXPECT_FALSE(producer.close().empty());
  Peer::Books books = reader.close();
  expect_right_bytes(books);
  EXPECT_FALSE(owner.close().empty());
}

// A client may be stricter than the files' mode: who made them, and what they grant.
// Proves: DRV-145
TEST_F(OtherUser, files_that_a_client_does_not_trust_are_not_mapped) {
  Peer owner = driver(0660);
  Setting setting = as(client_user, shared_group);
  setting.owner = client_user;
  Peer suspicious("leased_consumer", setting);
  std::string why = refused(suspicious);
  EXPECT_NE(why.find("permission_rejected"), std::string::npos) << why;
  EXPECT_NE(why.find(std::to_string(driver_user)), std::string::npos) << why;
  setting.owner = driver_user;
  setting.forbidden = 0020;  // writable by the group
  Peer strict("leased_consumer", setting);
  why = refused(strict);
  EXPECT_NE(why.find("permission_rejected"), std::string::npos) << why;
  setting.forbidden = 0007;
  Peer content("leased_consumer", setting);
  ASSERT_TRUE(content.ready());
  EXPECT_TRUE(becomes(content, "active", 1));
  EXPECT_EQ(stats(content)["leases_lost"], 0U);
  EXPECT_FALSE(content.close().empty());
  EXPECT_FALSE(owner.close().empty());
}

}  // namespace
}  // namespace tensorpool::fault
