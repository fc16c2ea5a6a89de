// Each rival that is built here moves frames from one process to another without changing a byte, wakes who
// sleeps for one, and leaves no file behind. Whether it is fast is what the bench says.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "registry.hpp"
#include "support/folder.hpp"

namespace tensorpool::bench {
namespace {

using Make = std::unique_ptr<Subject> (*)();

// The byte at `i` of frame `seq`.
std::byte byte_at(std::uint64_t seq, std::size_t i) {
  return static_cast<std::byte>((seq * 31 + i * 7 + (i >> 8U)) & 0xFFU);
}

struct Board {
  std::atomic<std::uint64_t> heard;  // the last frame that the receiver has done with
  std::atomic<std::uint64_t> sleeps;
};

struct Case {
  std::uint64_t bytes;
  bool in_place;
  bool asleep;
};

constexpr std::uint64_t frames = 1000;
constexpr std::uint32_t slots = 8;

// At most half a ring ahead of the receiver, so that nothing needs to be lost; frame 1 is sent until it
// is heard. A frame that did not leave is sent again.
void send_all(const Subject& subject, const Link& link, Board& board, const Case& what) {
  const auto sender = subject.sender(link);
  std::vector<std::byte> own(what.bytes);
  const std::int64_t give_up = now_ns() + std::chrono::nanoseconds(patience).count();
  for (std::uint64_t seq = 1; seq <= frames;) {
    if (now_ns() > give_up) throw Failure("the receiver did not get all frames");
    sender->idle();
    const std::uint64_t heard = board.heard.load(std::memory_order_acquire);
    if ((seq > 1 && heard == 0) || seq > heard + slots / 2) {
      (void)::sched_yield();
      if (heard != 0) continue;
      seq = 1;
    }
    // Who sleeps gets time to fall asleep now and then.
    if (what.asleep && seq % 50 == 0) (void)::usleep(2000);
    std::byte* const room = what.in_place ? sender->claim(what.bytes) : own.data();
    if (room == nullptr) continue;
    for (std::size_t i = 0; i < what.bytes; ++i) room[i] = byte_at(seq, i);
    const Stamp stamp{seq, now_ns()};
    if (what.in_place ? sender->publish(stamp) : sender->copy_in(own, stamp)) ++seq;
  }
  while (board.heard.load() < frames && now_ns() < give_up) {
    sender->idle();
    (void)::sched_yield();
  }
}

// The number of frames that were not what was sent.
std::uint64_t receive_all(const Subject& subject, const Link& link, Board& board,
                          const Case& what) {
  const auto receiver = subject.receiver(link);
  std::uint64_t wrong = 0;
  std::uint64_t last = 0;
  const auto handler = [&](const Received& frame) {
    const std::uint64_t seq = frame.stamp().seq;
    if (seq <= last) return;  // frame 1, once more
    bool equal = seq == last + 1 && frame.bytes().size() == what.bytes;
    for (std::size_t i = 0; equal && i < what.bytes; ++i)
      equal = frame.bytes()[i] == byte_at(seq, i);
    if (!equal || !frame.intact()) ++wrong;
    last = seq;
  };
  const std::int64_t give_up = now_ns() + std::chrono::nanoseconds(patience).count();
  while (last < frames && now_ns() < give_up) {
    receiver->idle();
    const int count =
        what.asleep ? receiver->wait(handler, std::chrono::seconds(1)) : receiver->poll(handler);
    if (count == 0) ++board.sleeps;
    board.heard.store(last, std::memory_order_release);
  }
  return wrong + (frames - last);
}

class Rival : public testing::TestWithParam<Make> {
 protected:
  void moves(const Case& what) {
    const test::Folder folder("rival");
    const Shared<Board> board;
    {
      const auto subject = GetParam()();
      ASSERT_EQ(subject->available(), "");
      EXPECT_FALSE(subject->version().empty());
      EXPECT_EQ(subject->kind(), Kind::rival);
      Link link;
      link.directory = folder.path();
      link.id = 7;
      link.frame_bytes = what.bytes;
      link.slots = slots;
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        try {
          send_all(*subject, link, *board, what);
          ::_exit(0);
        } catch (const std::exception& failure) {
          (void)std::fprintf(stderr, "sender: %s\n", failure.what());
          ::_exit(1);
        }
      }
      EXPECT_EQ(receive_all(*subject, link, *board, what), 0U);
      int status = -1;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0);
    }
  }
  // As the stage does; bench.interrupt shows that it does.
  void TearDown() override {
    std::vector<std::filesystem::path> ours;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
      if (entry.path().filename().string().starts_with(named_memory_prefix(::getpid())))
        ours.push_back(entry.path());
    }
    for (const auto& path : ours) std::filesystem::remove(path);
  }
};

TEST_P(Rival, MovesSmallFramesInPlace) { moves({64, true, false}); }
TEST_P(Rival, MovesLargeFramesInPlace) { moves({640 * 1024 + 3, true, false}); }
TEST_P(Rival, CopiesFramesIn) { moves({5000, false, false}); }
TEST_P(Rival, WakesWhoSleeps) { moves({64, true, true}); }

#ifdef TENSORPOOL_BENCH_WITH_ICEORYX2
INSTANTIATE_TEST_SUITE_P(Iceoryx2, Rival, testing::Values(&make_iceoryx2));
#endif
#ifdef TENSORPOOL_BENCH_WITH_ZEROMQ
INSTANTIATE_TEST_SUITE_P(Zeromq, Rival, testing::Values(&make_zeromq));
#endif
#ifdef TENSORPOOL_BENCH_WITH_SOCKET
INSTANTIATE_TEST_SUITE_P(Socket, Rival, testing::Values(&make_socket_shm));
#endif

}  // namespace
}  // namespace tensorpool::bench
