#include "server/version_log.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/server/publication.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class VersionLogTest : public testing::Test {
 protected:
  VersionLogTest() : base_(OpenTiny(directory_)) {
    for (uint64_t sequence = 1; sequence <= 5; ++sequence) {
      versions_.push_back(NextVersion(versions_.empty() ? *base_ : *versions_.back(), 1, sequence));
    }
  }

  std::string folder() const { return ram_.path() + "/state"; }
  absl::StatusOr<std::unique_ptr<VersionLog>> Open(const Disk& disk, int keep = 3) {
    return VersionLog::Open({.directory = folder(), .keep = keep}, base_, &disk);
  }
  std::unique_ptr<VersionLog> MustOpen(int keep = 3) {
    auto log = Open(disk_, keep);
    EXPECT_OK(log);
    return *std::move(log);
  }
  // Appends the versions with these sequence numbers to a log that is closed afterwards.
  void Store(const std::vector<uint64_t>& sequences) {
    const auto log = MustOpen();
    for (const uint64_t sequence : sequences) ASSERT_OK(log->Append(*versions_[sequence - 1]));
  }
  // The version a new process would serve; checks that it is whole.
  uint64_t Recovered() {
    const auto log = MustOpen();
    EXPECT_EQ(ParametersDigest(log->recovered()->tensors), log->recovered()->digest);
    return log->recovered()->clp.sequence;
  }
  std::string FileOf(uint64_t sequence) const {
    return absl::StrCat(folder(), "/versions/00000000000000000001-0000000000000000000", sequence, ".safetensors");
  }
  static std::span<const std::byte> PackedBytes() {
    static const std::vector<std::byte> bytes(100);
    return bytes;
  }
  int FilesInVersions() const {
    return static_cast<int>(std::distance(fs::directory_iterator(folder() + "/versions"), fs::directory_iterator()));
  }

  TempDir directory_;
  RamFolder ram_;
  const Disk disk_;
  const CheckpointPtr base_;
  std::vector<CheckpointPtr> versions_;
};

TEST_F(VersionLogTest, ServesTheCheckpointItselfAtFirst) {
  const auto log = MustOpen();
  EXPECT_EQ(log->recovered(), base_);
  EXPECT_EQ(log->highest_sequence(), 0u);
  EXPECT_TRUE(log->versions().empty());
  EXPECT_EQ(log->damaged(), 0);
}

TEST_F(VersionLogTest, GivesBackWhatWasAppended) {
  Store({1, 2});
  const auto log = MustOpen();
  EXPECT_EQ(log->recovered()->version(), versions_[1]->version());
  EXPECT_EQ(ParametersDigest(log->recovered()->tensors), versions_[1]->digest);
  EXPECT_EQ(log->highest_sequence(), 2u);
  EXPECT_THAT(log->versions(), testing::ElementsAre(versions_[0]->version(), versions_[1]->version()));
  ASSERT_OK_AND_ASSIGN(const CheckpointPtr first, log->Load(versions_[0]->version()));
  EXPECT_EQ(ParametersDigest(first->tensors), versions_[0]->digest);
  EXPECT_THAT(log->report().back(), HasSubstr("recovered"));
}

TEST_F(VersionLogTest, KeepsTheLastOnesAndTheOneThatIsServed) {
  const auto log = MustOpen(2);
  for (const CheckpointPtr& version : versions_) ASSERT_OK(log->Append(*version));
  EXPECT_THAT(log->versions(), testing::ElementsAre(versions_[3]->version(), versions_[4]->version()));
  EXPECT_EQ(FilesInVersions(), 2);
  EXPECT_THAT(log->Load(versions_[0]->version()), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(log->Activate(versions_[3]->version()));
  ASSERT_OK(log->Append(*NextVersion(*versions_[3], 1, 6)));
  EXPECT_EQ(log->versions().front(), versions_[4]->version());
}

// A version that was served once is still readable by who has it open.
TEST_F(VersionLogTest, DroppingAVersionLeavesThoseWhoReadItAlone) {
  const auto log = MustOpen(1);
  ASSERT_OK_AND_ASSIGN(const CheckpointPtr first, log->Append(*versions_[0]));
  ASSERT_OK(log->Append(*versions_[1]));
  EXPECT_FALSE(fs::exists(FileOf(1)));
  EXPECT_EQ(ParametersDigest(first->tensors), versions_[0]->digest);
}

TEST_F(VersionLogTest, AnActivationSurvives) {
  {
    const auto log = MustOpen();
    for (int i = 0; i < 3; ++i) ASSERT_OK(log->Append(*versions_[i]));
    ASSERT_OK(log->Activate(versions_[0]->version()));
  }
  EXPECT_EQ(Recovered(), 1u);
  ASSERT_OK(MustOpen()->Activate(base_->version()));
  EXPECT_EQ(Recovered(), 0u);
  EXPECT_EQ(MustOpen()->highest_sequence(), 3u);
}

TEST_F(VersionLogTest, KeepsThePackedFormBesideAVersion) {
  const std::string image(10000, 'i');
  const auto bytes = std::as_bytes(std::span<const char>(image));
  const auto loads = [&](const VersionLog& log) {
    const auto packed = log.LoadPacked(versions_[0]->version(), "test");
    EXPECT_OK(packed);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(packed->bytes.data()) % 64, 0u);
    EXPECT_TRUE(std::ranges::equal(packed->bytes, bytes));
  };
  {
    const auto log = MustOpen(1);
    ASSERT_OK(log->Append(*versions_[0], bytes, "test"));
    loads(*log);
    EXPECT_THAT(log->LoadPacked(versions_[0]->version(), "other"), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(log->LoadPacked(versions_[1]->version(), "test"), StatusIs(absl::StatusCode::kNotFound));
  }
  loads(*MustOpen(1));
  std::string path = FileOf(1);
  path.replace(path.rfind('.'), std::string::npos, ".packed");
  std::fstream(path, std::ios::in | std::ios::out).seekp(5000).put('x');
  {
    const auto log = MustOpen(1);
    EXPECT_THAT(log->LoadPacked(versions_[0]->version(), "test"), StatusIs(absl::StatusCode::kDataLoss));
    ASSERT_OK(log->Append(*versions_[1]));
    EXPECT_FALSE(fs::exists(path)) << "it goes with its version";
  }
  std::ofstream(path) << "of no version";
  EXPECT_EQ(Recovered(), 2u);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(VersionLogTest, LeasesSurviveAndOnlyGrow) {
  ASSERT_OK(MustOpen()->SetLease({"trainer", 7}));
  const auto log = MustOpen();
  EXPECT_EQ(log->lease(), (LeaseName{"trainer", 7}));
  EXPECT_THAT(log->SetLease({"other", 6}), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(log->lease(), (LeaseName{"trainer", 7}));
}

TEST_F(VersionLogTest, OneProcessAtATime) {
  const auto log = MustOpen();
  EXPECT_THAT(Open(disk_), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
}

// P10.
TEST_F(VersionLogTest, DamagedFilesFallBackToTheVersionBefore) {
  const auto truncate = [&](uint64_t sequence) {
    fs::resize_file(FileOf(sequence), fs::file_size(FileOf(sequence)) / 2);
  };
  const auto flip = [&](uint64_t sequence) {
    std::fstream file(FileOf(sequence), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-5, std::ios::end);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(-5, std::ios::end);
    file.put(byte);
  };
  const auto garbage = [&](uint64_t sequence) { std::ofstream(FileOf(sequence)) << "garbage"; };
  const auto empty = [&](uint64_t sequence) { fs::resize_file(FileOf(sequence), 0); };
  const std::vector<std::function<void(uint64_t)>> damages = {truncate, flip, garbage, empty};
  for (const auto& damage : damages) {
    fs::remove_all(folder());
    ASSERT_NO_FATAL_FAILURE(Store({1, 2, 3}));
    damage(3);
    {
      const auto log = MustOpen();
      EXPECT_EQ(log->recovered()->version(), versions_[1]->version());
      EXPECT_EQ(log->damaged(), 1);
      EXPECT_EQ(log->highest_sequence(), 3u) << "a sequence number is never used twice";
      EXPECT_THAT(absl::StrJoin(log->report(), "\n"), HasSubstr("is damaged and was set aside"));
    }
    EXPECT_TRUE(fs::exists(FileOf(3) + ".damaged"));
    damage(2);
    EXPECT_EQ(Recovered(), 1u);
    damage(1);
    EXPECT_EQ(Recovered(), 0u) << "the checkpoint itself is left";
  }
}

TEST_F(VersionLogTest, AMissingVersionFallsBackAndStrangersAreIgnored) {
  ASSERT_NO_FATAL_FAILURE(Store({1, 2}));
  fs::remove(FileOf(2));
  std::ofstream(folder() + "/versions/notes.txt") << "hello";
  std::ofstream(FileOf(3) + ".tmp") << "half";
  const auto log = MustOpen();
  EXPECT_EQ(log->recovered()->version(), versions_[0]->version());
  EXPECT_FALSE(fs::exists(FileOf(3) + ".tmp"));
  EXPECT_TRUE(fs::exists(folder() + "/versions/notes.txt"));
}

TEST_F(VersionLogTest, WithoutAReadableStateTheNewestCompleteVersionIsServed) {
  for (const std::string text : {"", "garbage", "{\"lease_epoch\": -1}", "[]"}) {
    fs::remove_all(folder());
    ASSERT_NO_FATAL_FAILURE(Store({1, 2}));
    std::ofstream(folder() + "/state.json") << text;
    const auto log = MustOpen();
    EXPECT_EQ(log->recovered()->version(), versions_[1]->version());
    EXPECT_EQ(log->damaged(), 1);
    EXPECT_EQ(log->highest_sequence(), 2u);
    EXPECT_EQ(log->lease().epoch, 1u);
  }
}

// P8: each system call of a commit fails once, with a full disk and with a broken one.
TEST_F(VersionLogTest, ACommitThatTheDiskFailsChangesNothing) {
  int calls = 1 << 20;  // Of one commit, when all went well.
  for (int failing = 1; failing <= calls; ++failing) {
    fs::remove_all(folder());
    ASSERT_NO_FATAL_FAILURE(Store({1}));
    int count = 0;
    bool armed = false;
    const Disk disk([&](absl::string_view, const std::string&) {
      if (!armed || ++count != failing) return absl::OkStatus();
      return failing % 2 == 0 ? absl::ResourceExhaustedError("full") : absl::InternalError("broken");
    });
    {
      ASSERT_OK_AND_ASSIGN(const auto log, Open(disk));
      armed = true;
      const absl::Status status = log->Append(*versions_[1], PackedBytes(), "test").status();
      if (failing > count) {
        ASSERT_OK(status);
        calls = count;
        break;
      }
      EXPECT_FALSE(status.ok()) << failing;
      EXPECT_EQ(log->highest_sequence(), 1u);
      EXPECT_EQ(FilesInVersions(), 1) << "room is given back";
      armed = false;
      ASSERT_OK(log->Append(*versions_[2])) << "a later commit works";
    }
    EXPECT_EQ(Recovered(), 3u);
  }
  EXPECT_GE(calls, 12);
}

// What fails may have reached the disk already: the last call flushes the folder, with the new file in place.
TEST_F(VersionLogTest, AChangeOfStateThatTheDiskFailsIsNeitherInMemoryNorOnDisk) {
  using Change = std::function<absl::Status(VersionLog&)>;
  const Change changes[] = {[](VersionLog& log) {
                              return log.SetLease({"other", 9});
                            },
                            [this](VersionLog& log) { return log.Activate(versions_[0]->version()); }};
  for (const Change& change : changes) {
    bool done = false;
    int failing = 1;
    for (; !done; ++failing) {
      fs::remove_all(folder());
      ASSERT_NO_FATAL_FAILURE(Store({1, 2}));
      int count = 0;
      bool armed = false;
      const Disk disk([&](absl::string_view, const std::string&) {
        return armed && ++count == failing ? absl::InternalError("broken") : absl::OkStatus();
      });
      ASSERT_OK_AND_ASSIGN(auto log, Open(disk));
      ASSERT_OK(log->SetLease({"trainer", 7}));
      armed = true;
      done = change(*log).ok();
      if (done) break;
      EXPECT_EQ(log->lease(), (LeaseName{"trainer", 7}));
      log.reset();
      const auto again = MustOpen();
      EXPECT_EQ(again->lease(), (LeaseName{"trainer", 7})) << "call " << failing;
      EXPECT_EQ(again->recovered()->version(), versions_[1]->version()) << "call " << failing;
    }
    EXPECT_GT(failing, 4) << "create, write, fsync, rename, fsync folder";
  }
}

TEST_F(VersionLogTest, AFullDiskRefusesTheCommitAndALaterOneWorks) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small disk needs root";
  fs::create_directory(folder());
  const size_t bytes = fs::file_size(directory_.File("checkpoint/shared.safetensors")) * 8;
  const std::string size = absl::StrCat("size=", bytes);
  if (mount("tmpfs", folder().c_str(), "tmpfs", 0, size.c_str()) != 0) GTEST_SKIP() << "no tmpfs can be mounted here";
  {
    const auto log = MustOpen(1);
    ASSERT_OK(log->Append(*versions_[0]));
    std::ofstream(folder() + "/filler") << std::string(bytes, 'x');
    EXPECT_THAT(log->Append(*versions_[1]), StatusIs(absl::StatusCode::kResourceExhausted));
    fs::remove(folder() + "/filler");
    EXPECT_OK(log->Append(*versions_[2]));
  }
  EXPECT_EQ(Recovered(), 3u);
  umount(folder().c_str());
}

// P9: the process is killed before each system call of three commits and an activation. What is served afterwards is
// the last version that was acknowledged, or the one in flight.
TEST_F(VersionLogTest, AProcessKilledAnywhereLeavesTheLastAcknowledgedVersionOrTheOneInFlight) {
  bool survived = false;
  int kills = 0;
  for (; !survived; ++kills) {
    fs::remove_all(folder());
    int acknowledged[2];
    ASSERT_EQ(pipe(acknowledged), 0);
    const pid_t child = fork();
    if (child == 0) {
      int count = 0;
      const Disk disk([&](absl::string_view, const std::string&) {
        if (count++ == kills) raise(SIGKILL);
        return absl::OkStatus();
      });
      const auto log = VersionLog::Open({.directory = folder(), .keep = 2}, base_, &disk);
      if (!log.ok() || !(*log)->SetLease({"trainer", 1}).ok()) _exit(1);
      for (int i = 0; i < 3; ++i) {
        if (!(*log)->Append(*versions_[i], PackedBytes(), "test").ok()) _exit(1);
        const char done = static_cast<char>(i + 1);
        if (write(acknowledged[1], &done, 1) != 1) _exit(1);
      }
      const char back = 2;
      if (!(*log)->Activate(versions_[1]->version()).ok() || write(acknowledged[1], &back, 1) != 1) _exit(1);
      _exit(0);
    }
    close(acknowledged[1]);
    std::vector<char> acks;
    for (char ack; read(acknowledged[0], &ack, 1) == 1;) acks.push_back(ack);
    close(acknowledged[0]);
    int status = 0;
    waitpid(child, &status, 0);
    survived = WIFEXITED(status);
    ASSERT_TRUE(!survived || WEXITSTATUS(status) == 0);
    const int orders[] = {0, 1, 2, 3, 2};
    const uint64_t recovered = Recovered();
    const bool last = recovered == static_cast<uint64_t>(orders[acks.size()]);
    const bool in_flight = acks.size() < 4 && recovered == static_cast<uint64_t>(orders[acks.size() + 1]);
    EXPECT_TRUE(last || in_flight) << "killed before call " << kills << ", acknowledged " << acks.size()
                                   << ", recovered " << recovered;
    ASSERT_OK(MustOpen()->Append(*versions_[4]));
    EXPECT_EQ(Recovered(), 5u);
  }
  EXPECT_GE(kills, 12);
}

}  // namespace
}  // namespace trimtab
