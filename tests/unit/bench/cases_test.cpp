// Which rows a full run has. That each workload measures is bench.quick's to show, with fewer of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "registry.hpp"
#include "runner.hpp"
#include "workloads.hpp"

namespace tensorpool::bench {
namespace {

using ::testing::UnorderedElementsAreArray;
using Texts = std::vector<std::string>;

// Each subject with each combination of the parts.
Texts each(const Texts& subjects, const std::vector<Texts>& parts) {
  Texts labels = subjects;
  for (const Texts& part : parts) {
    Texts longer;
    for (const std::string& label : labels) {
      for (const std::string& text : part)
        longer.push_back(text.empty() ? label : label + ", " + text);
    }
    labels = std::move(longer);
  }
  return labels;
}

Texts operator+(Texts a, const Texts& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Cases, OfOursAndTheBounds) {
  const Texts ours{"tensorpool"};
  const Texts both{"tensorpool", "ring"};
  const Texts aeron{"aeron"};
  const Texts sizes{"4 KiB", "64 KiB", "640 KiB", "8 MiB"};
  const Texts rates{"1 kHz", "10 kHz", "100 kHz"};
  const std::map<std::string, Texts> rows{
      {"closed-loop", each(both, {{"64 B", "64 KiB", "640 KiB"}}) + aeron},
      {"open-loop", each(both, {{"4 KiB"}, rates}) + each(aeron, {rates})},
      {"copy-in", each({"tensorpool", "ring", "memcpy"}, {sizes})},
      {"in-place", each(both, {sizes})},
      {"no-touch", each(both, {{"64 KiB"}}) + aeron},
      {"fan-out", each(both, {{"4 KiB"}, {"", "2 readers", "8 readers"}})},
      {"many-streams", each(both, {{"4 KiB"}, {"", "64 streams"}})},
      {"many-pools",
       each(ours, {{"256 KiB"}, {"16 pools", "1 pool"}}) + each({"ring"}, {{"256 KiB"}})},
      {"conductors", each(ours, {{"64 KiB"}, {"conductor invoked", "conductor in a thread"}})},
      {"reader-restart", each(both, {{"4 KiB"}, {"10 kHz"}, {"reader closed", "reader killed"}})},
      {"overwrites", each(both, {{"4 KiB"}})},
      {"frozen", each(ours, {{"64 B"}, {"100 kHz"}, {"3 readers"}})},
      {"wake-up", each(ours, {{"64 B"}, {"500 Hz"}}) + each({"futex"}, {{"500 Hz"}})},
      {"idle-cpu", each(ours, {{"64 B"}})},
  };
  const std::vector<Entry> subjects = all_subjects();
  Plan plan;
  for (const Entry& entry : subjects) {
    if (entry.subject != nullptr && entry.subject->kind() != Kind::rival)
      plan.subjects.push_back(entry.subject.get());
  }
  std::size_t found = 0;
  for (const auto& workload : all_workloads()) {
    SCOPED_TRACE(workload->name());
    Texts labels;
    for (const Case& one : workload->cases(plan)) labels.push_back(label(one));
    ASSERT_TRUE(rows.contains(workload->name()));
    EXPECT_THAT(labels, UnorderedElementsAreArray(rows.at(workload->name())));
    ++found;
  }
  EXPECT_EQ(found, rows.size());
}

}  // namespace
}  // namespace tensorpool::bench
