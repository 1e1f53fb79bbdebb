#include "server/rim/memory_allowance.h"

#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

TEST(ProcessMemoryTest, ReadsWhatTheSystemWrites) {
  const ProcessMemory memory = ParseProcessMemory(
      "Name:\tVmData:\nVmSize:\t  900 kB\nRssAnon:\t     200 kB\nRssFile:\t      30 kB\nRssShmem:\t       4 kB\n"
      "VmData:\t     500 kB\nVmStk:\t     132 kB\n");
  EXPECT_EQ(memory.anonymous, 200 << 10);
  EXPECT_EQ(memory.files, 30 << 10);
  EXPECT_EQ(memory.shared, 4 << 10);
  EXPECT_EQ(memory.data, 500 << 10);
  EXPECT_EQ(memory.address, 900 << 10);
  EXPECT_EQ(ParseProcessMemory("").data, 0);
  EXPECT_GT(ReadProcessMemory().anonymous, 0);
}

class CgroupTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_.File(path)).parent_path());
    std::ofstream(root_.File(path)) << text;
  }
  std::optional<int64_t> Limit(const std::string& cgroup) { return CgroupMemoryLimit(cgroup, root_.File("")); }

  TempDir root_;
};

TEST_F(CgroupTest, OfVersionTwoTheTightestGroupOnTheWayUpCounts) {
  Write("memory.max", "max\n");
  Write("pods/memory.max", "1000\n");
  Write("pods/one/memory.max", "max\n");
  EXPECT_EQ(Limit("0::/pods/one\n"), 1000);
  EXPECT_EQ(Limit("0::/pods\n"), 1000);
  EXPECT_EQ(Limit("0::/\n"), std::nullopt);
  Write("pods/one/memory.max", "500\n");
  EXPECT_EQ(Limit("0::/pods/one\n"), 500);
}

TEST_F(CgroupTest, AGroupThatIsNotSeenLeavesThoseAboveIt) {
  Write("memory.max", "2000\n");
  EXPECT_EQ(Limit("0::/docker/0123abcd\n"), 2000);
}

TEST_F(CgroupTest, OfVersionOneOnlyTheMemoryControllerCounts) {
  Write("memory/box/memory.limit_in_bytes", "3000\n");
  Write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("cpu/box/memory.limit_in_bytes", "1\n");
  EXPECT_EQ(Limit("5:cpu,cpuacct:/box\n4:memory:/box\n0::/\n"), 3000);
  EXPECT_EQ(Limit("4:memory:/\n"), std::nullopt);
}

TEST_F(CgroupTest, NonsenseIsNoLimit) {
  Write("memory.max", "plenty");
  EXPECT_EQ(Limit("0::/\n"), std::nullopt);
  EXPECT_EQ(Limit("::\n\nmemory"), std::nullopt);
  EXPECT_EQ(Limit(""), std::nullopt);
}

TEST(MemoryMeterTest, TheLimitThatLeavesLeastCounts) {
  EXPECT_EQ(MemoryMeter(1000).Read().name, "--memory-limit");
  EXPECT_LT(MemoryMeter(1000).Read().room(), 0);
  EXPECT_NE(MemoryMeter(0).Read().name, "--memory-limit");
  EXPECT_GT(MemoryMeter(0).Read().limit, 0);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  const rlimit tight{static_cast<rlim_t>(ReadProcessMemory().data + (1 << 20)), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &tight), 0);
  const MemoryAllowance allowed = MemoryMeter(int64_t{1} << 50).Read();
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_EQ(allowed.name, "RLIMIT_DATA");
  EXPECT_LE(allowed.room(), 1 << 20);
}

}  // namespace
}  // namespace trimtab
