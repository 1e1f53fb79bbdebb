#include "server/parameter_updates.h"

#include <cmath>
#include <fstream>
#include <future>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "model/mapped_file.h"
#include "server/error_reason.h"
#include "tests/server/event.h"
#include "tests/server/parameter_updates_fixture.h"

namespace trimtab {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Outcome = ParameterUpdates::Outcome;

TEST_F(ParameterUpdatesTest, ServesWhatWasCommittedWithTheBitsOfLoadingIt) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  const auto before = store_->Current();
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Send(*next, *base_));
  EXPECT_EQ(outcome.version, next->version());
  EXPECT_TRUE(outcome.durable);
  EXPECT_EQ(before->version().digest, base_->digest) << "who runs keeps its version";
  ExpectServes(*next);
  EXPECT_THAT(Exposition(), AllOf(HasSubstr("trimtab_params_updates_total{result=\"OK\"} 1"),
                                  HasSubstr("trimtab_params_version 1"), HasSubstr("trimtab_params_staged_bytes 0")));
}

TEST_F(ParameterUpdatesTest, WithoutALogVersionsAreServedButNotDurable) {
  ASSERT_NO_FATAL_FAILURE(Start(false));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  ASSERT_OK_AND_ASSIGN(const Outcome outcome, Send(*first, *base_));
  EXPECT_FALSE(outcome.durable);
  ASSERT_OK(Send(*second, *first));
  EXPECT_EQ(served(), second->digest);
  ASSERT_OK(Activate(0));
  EXPECT_EQ(served(), base_->digest);
}

TEST_F(ParameterUpdatesTest, MixturesInUseAreReadyForTheNewVersion) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const MixingRule rule = base_->clp.mixing;
  ASSERT_OK_AND_ASSIGN(const Weighting weighting, Weighting::Create(rule, 2, rule.alpha_min, {0.5, 0.5}));
  const Coefficients key = Coefficients::From(rule, weighting, {});
  ASSERT_OK(cache_->Acquire(store_->Current(), key));
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  ASSERT_OK(Send(*next, *base_));
  EXPECT_TRUE(cache_->Holds(*store_->Current(), key));
  ASSERT_OK_AND_ASSIGN(const auto old, Parameters::Create(*base_, backend_.get()));
  EXPECT_FALSE(cache_->Holds(*old, key));
}

TEST_F(ParameterUpdatesTest, AnOldVersionIsFreedWithItsLastUser) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  auto running = store_->Current();
  const std::weak_ptr<const Parameters> watched = running;
  ASSERT_OK(Send(*NextVersion(*base_, 1, 1), *base_));
  EXPECT_FALSE(watched.expired());
  running.reset();
  EXPECT_TRUE(watched.expired());
}

TEST_F(ParameterUpdatesTest, ACommitWaitsWhileTwoOldVersionsAreInUse) {
  ASSERT_NO_FATAL_FAILURE(Start(true, {.retired_patience = std::chrono::hours(1)}));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  const CheckpointPtr third = NextVersion(*second, 1, 3);
  auto slow = store_->Current();
  ASSERT_OK(Send(*first, *base_));
  const auto quick = store_->Current();
  ASSERT_OK(Send(*second, *first)) << "one may be";
  auto sent = std::async(std::launch::async, [&] { return Send(*third, *second); });
  EXPECT_EQ(sent.wait_for(milliseconds(50)), std::future_status::timeout);
  EXPECT_EQ(served(), second->digest);
  slow.reset();
  ASSERT_OK(sent.get());
  EXPECT_EQ(served(), third->digest);
}

TEST_F(ParameterUpdatesTest, WhoHoldsOldVersionsForEverHoldsUpNoCommitForEver) {
  ASSERT_NO_FATAL_FAILURE(Start(true, {.retired_patience = milliseconds(10)}));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  const auto slow = store_->Current();
  ASSERT_OK(Send(*first, *base_));
  const auto quick = store_->Current();
  ASSERT_OK(Send(*second, *first));
  ASSERT_OK(Send(*NextVersion(*second, 1, 3), *second));
}

// P1 and P12: a publisher that stops anywhere.
TEST_F(ParameterUpdatesTest, WhatAVanishedPublisherSentIsDroppedWithItsLeaseAndTheNextOneSucceeds) {
  ASSERT_NO_FATAL_FAILURE(Start(true, {.lease_timeout = milliseconds(30)}));
  const Transfer transfer = MakeTransfer(*NextVersion(*base_, 1, 1), *base_, TensorEncoding::kRaw);
  std::mt19937 random(5);
  uint64_t epoch = 0;
  for (int run = 0; run < 20; ++run) {
    const LeaseName lease{absl::StrCat("trainer", run), ++epoch};
    ASSERT_TRUE(Eventually([&] { return !updates_->List().lease_alive; }));
    ASSERT_OK_AND_ASSIGN(const auto begun, updates_->Begin(transfer.manifest, lease));
    AddAll(begun.ticket, transfer, 0, random() % transfer.pieces.size()).IgnoreError();  // A slow machine: lapsed.
    EXPECT_EQ(served(), base_->digest);
  }
  EXPECT_TRUE(Eventually([&] { return Exposition().find("trimtab_params_staged_bytes 0") != std::string::npos; }));
  EXPECT_THAT(Exposition(), HasSubstr("LEASE_LAPSED"));
  ++epoch;
  EXPECT_TRUE(Eventually([&] { return Send(transfer, {"another", epoch}).ok(); }));
}

// P4.
TEST_F(ParameterUpdatesTest, ACommitBeforeAllHasArrivedNamesWhatIsMissingAndMayBeTriedAgain) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  const Transfer transfer = MakeTransfer(*next, *base_, TensorEncoding::kRaw);
  ASSERT_OK_AND_ASSIGN(const auto begun, updates_->Begin(transfer.manifest, kLease));
  ASSERT_OK(AddAll(begun.ticket, transfer, 0, transfer.pieces.size() - 1));
  const absl::Status status = Commit(begun.ticket, next->digest).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("1 of ")));
  EXPECT_EQ(ReasonOf(status), kIncomplete);
  EXPECT_EQ(served(), base_->digest);
  ASSERT_OK(AddAll(begun.ticket, transfer, transfer.pieces.size() - 1));
  EXPECT_OK(Commit(begun.ticket, next->digest));
}

// P5.
TEST_F(ParameterUpdatesTest, OfTwoPublishersOneIsRefusedAndATakeoverFencesTheOther) {
  ASSERT_NO_FATAL_FAILURE(Start(true, {.lease_timeout = milliseconds(50)}));
  const Transfer one = MakeTransfer(*NextVersion(*base_, 1, 1), *base_, TensorEncoding::kRaw);
  const Transfer two = MakeTransfer(*NextVersion(*base_, 2, 2), *base_, TensorEncoding::kRaw);
  ASSERT_OK_AND_ASSIGN(const auto begun, updates_->Begin(one.manifest, {"a", 1}));
  EXPECT_THAT(updates_->Begin(two.manifest, {"b", 2}), StatusIs(absl::StatusCode::kAborted));
  // It pauses for longer than its lease: the other one takes over.
  ASSERT_TRUE(Eventually([&] { return updates_->Begin(two.manifest, {"b", 2}).ok(); }));
  EXPECT_FALSE(AddAll(begun.ticket, one).ok());
  EXPECT_FALSE(Commit(begun.ticket, one.manifest.version.digest).ok());
  EXPECT_THAT(updates_->Begin(one.manifest, {"a", 1}), StatusIs(absl::StatusCode::kAborted));
  ASSERT_TRUE(Eventually([&] { return Send(two, {"b", 2}).ok(); }));
  Restart();
  EXPECT_THAT(updates_->Begin(one.manifest, {"a", 1}), StatusIs(absl::StatusCode::kAborted)) << "for ever";
}

// P6.
TEST_F(ParameterUpdatesTest, AStaleParentIsRefusedAndAReplayIsHarmless) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  const Transfer transfer = MakeTransfer(*first, *base_, TensorEncoding::kDelta);
  ASSERT_OK(Send(transfer));
  ASSERT_OK_AND_ASSIGN(const auto again, updates_->Begin(transfer.manifest, kLease));
  EXPECT_TRUE(again.committed) << "who lost the answer asks by digest";
  EXPECT_TRUE(again.durable);
  const absl::Status stale = Send(*NextVersion(*base_, 1, 3), *base_).status();
  EXPECT_THAT(stale, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(first->digest)));
  EXPECT_EQ(ReasonOf(stale), kParentMismatch);
  ASSERT_OK(Send(*second, *first));
  ASSERT_OK_AND_ASSIGN(const auto late, updates_->Begin(transfer.manifest, kLease));
  EXPECT_TRUE(late.committed);
  EXPECT_EQ(served(), second->digest) << "and nothing goes back";
}

// P7.
TEST_F(ParameterUpdatesTest, RollsBackAndForwardToTheExactBytes) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  std::vector<CheckpointPtr> versions = {base_};
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    versions.push_back(NextVersion(*versions.back(), 1, sequence));
    ASSERT_OK(Send(*versions[sequence], *versions[sequence - 1]));
  }
  for (const uint64_t sequence : {2, 1, 0, 3, 2}) {
    ASSERT_OK_AND_ASSIGN(const Outcome outcome, Activate(sequence));
    EXPECT_EQ(outcome.version.digest, versions[sequence]->digest);
    ExpectServes(*versions[sequence]);
    ASSERT_OK_AND_ASSIGN(const CheckpointPtr opened, updates_->Open(served()));
    EXPECT_EQ(ParametersDigest(opened->tensors), versions[sequence]->digest);
  }
  EXPECT_THAT(Activate(9), StatusIs(absl::StatusCode::kNotFound));
  Restart();
  EXPECT_EQ(served(), versions[2]->digest) << "the choice survives";
  ASSERT_OK(Activate(1));
  ExpectServes(*versions[1]);
  ASSERT_OK(Activate(2));
  // Training goes on from there, under a number of its own.
  EXPECT_EQ(ReasonOf(Send(*NextVersion(*versions[1], 1, 3), *versions[2]).status()), kSequenceTooLow);
  EXPECT_OK(Send(*NextVersion(*versions[2], 1, 4), *versions[2]));
}

// A state folder that another processor wrote: bfloat16 lies by the width of its vectors.
TEST_F(ParameterUpdatesTest, AVersionPackedInAnotherLayoutIsPackedAgain) {
  const std::vector<std::string> sets = CpuInstructionSets();
  if (sets.size() < 2) GTEST_SKIP() << "this processor has one layout";
  precision_ = Precision::kBfloat16;
  UseProcessorWith(sets.front());
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  ASSERT_OK(Send(*first, *base_));
  ASSERT_OK(Send(*second, *first));
  Stop();
  UseProcessorWith(sets.back());
  ASSERT_NO_FATAL_FAILURE(Start(true));
  ExpectServes(*second);
  ASSERT_OK(Activate(1));
  ExpectServes(*first);
}

// Its checksum is right, and it is of the right kind.
TEST_F(ParameterUpdatesTest, AVersionWhosePackedFormIsTooShortIsPackedAgain) {
  constexpr size_t kHead = 4096;
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  ASSERT_OK(Send(*first, *base_));
  ASSERT_OK(Send(*second, *first));
  Stop();
  const std::string path = ram_.path() + "/state/versions/00000000000000000001-00000000000000000001.packed";
  ASSERT_OK_AND_ASSIGN(const std::string whole, ReadSmallFile(path, 1 << 22));
  const auto checksum = [](absl::string_view image) { return ContentChecksum(std::as_bytes(std::span(image))); };
  const std::string image = whole.substr(kHead), half = image.substr(0, image.size() / 2);
  const std::string head = absl::StrReplaceAll(whole.substr(0, kHead), {{checksum(image), checksum(half)}});
  ASSERT_NE(head, whole.substr(0, kHead));
  std::ofstream(path) << head << half;
  ASSERT_NO_FATAL_FAILURE(Start(true));
  ASSERT_OK(Activate(1));
  ExpectServes(*first);
}

// P8.
TEST_F(ParameterUpdatesTest, ADiskThatFailsRefusesTheCommitAndALaterOneWorks) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  ASSERT_OK(updates_->Begin(MakeTransfer(*next, *base_, TensorEncoding::kRaw).manifest, kLease));
  disk_fails_ = true;
  EXPECT_THAT(Send(*next, *base_), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(served(), base_->digest);
  disk_fails_ = false;
  ASSERT_OK(Send(*next, *base_));
  EXPECT_EQ(served(), next->digest);
}

// P13.
TEST_F(ParameterUpdatesTest, ParametersThatAreIntactButUnsoundAreRefusedBeforeTheSwap) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const auto with = [&](float factor) {
    auto owner = std::make_shared<std::vector<float>>();
    std::vector<Tensor> tensors;
    for (const PublishedTensor& place : PublishedTensors(*base_)) tensors.push_back(place.In(*base_));
    owner->resize(tensors[3].elements());
    EXPECT_OK(ToFloat32(tensors[3], "tensor", *owner));
    for (float& value : *owner) value *= factor;
    tensors[3].bytes = std::as_bytes(std::span(*owner));
    Checkpoint next = WithPublished(*base_, tensors, owner, {1, 1, ""});
    next.digest = next.clp.digest = ParametersDigest(next.tensors);
    return next;
  };
  for (const float factor : {NAN, INFINITY, 11.0f}) {
    const absl::Status status = Send(MakeTransfer(with(factor), *base_, TensorEncoding::kRaw)).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(ReasonOf(status), kUnsoundParameters) << status;
    EXPECT_EQ(served(), base_->digest);
  }
  EXPECT_TRUE(log_->versions().empty());
  EXPECT_OK(Send(MakeTransfer(with(9.0f), *base_, TensorEncoding::kRaw)));
}

// Every tensor is finite, yet what they compute is not.
TEST_F(ParameterUpdatesTest, TheCanaryFindsParametersWhoseLogitsAreNot) {
  ASSERT_NO_FATAL_FAILURE(Start(true, {.max_norm_jump = 0}));
  auto owner = std::make_shared<std::vector<std::vector<float>>>();
  std::vector<Tensor> tensors;
  for (const PublishedTensor& place : PublishedTensors(*base_)) {
    Tensor tensor = place.In(*base_);
    std::vector<float>& values = owner->emplace_back(tensor.elements());
    ASSERT_OK(ToFloat32(tensor, "tensor", values));
    const std::string& name = place.SpecIn(*base_).name;
    const float factor = name == "decoder.final_layer_norm.weight" ? 1e30f : name == "shared.weight" ? 1e10f : 1.0f;
    for (float& value : values) value *= factor;
    tensor.bytes = std::as_bytes(std::span(values));
    tensors.push_back(tensor);
  }
  Checkpoint next = WithPublished(*base_, tensors, owner, {1, 1, ""});
  next.digest = ParametersDigest(next.tensors);
  EXPECT_THAT(Send(MakeTransfer(next, *base_, TensorEncoding::kRaw)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("canary prompt")));
  EXPECT_EQ(served(), base_->digest);
}

// P14.
TEST_F(ParameterUpdatesTest, SequenceNumbersMayLeaveGapsButNeverGoBack) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr far = NextVersion(*base_, 1, uint64_t{1} << 62), back = NextVersion(*far, 2, 5);
  ASSERT_OK(Send(*far, *base_));
  EXPECT_EQ(ReasonOf(Send(*back, *far, {"trainer", 2}).status()), kSequenceTooLow);
  Restart();
  EXPECT_EQ(updates_->List().highest_sequence, uint64_t{1} << 62);
  EXPECT_EQ(ReasonOf(Send(*back, *far, {"trainer", 2}).status()), kSequenceTooLow);
}

// P16.
TEST_F(ParameterUpdatesTest, APublisherThatComesBackGoesOnWhereItWas) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  const Transfer transfer = MakeTransfer(*next, *base_, TensorEncoding::kRaw);
  const size_t half = transfer.pieces.size() / 2;
  ASSERT_OK_AND_ASSIGN(const auto first, updates_->Begin(transfer.manifest, kLease));
  ASSERT_OK(AddAll(first.ticket, transfer, 0, half));
  ASSERT_OK_AND_ASSIGN(const auto second, updates_->Begin(transfer.manifest, kLease));
  uint64_t received = 0, sent = 0;
  for (const uint64_t bytes : second.received) received += bytes;
  for (size_t i = 0; i < half; ++i) sent += transfer.pieces[i].bytes.size();
  EXPECT_EQ(received, sent);
  EXPECT_EQ(ReasonOf(AddAll(first.ticket, transfer, half)), kNotBegun) << "the stream before is over";
  ASSERT_OK(AddAll(second.ticket, transfer, half));
  ASSERT_OK(Commit(second.ticket, next->digest));
  EXPECT_EQ(served(), next->digest);
}

TEST_F(ParameterUpdatesTest, AnotherManifestStartsFromScratch) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const Transfer one = MakeTransfer(*NextVersion(*base_, 1, 1), *base_, TensorEncoding::kRaw);
  const Transfer two = MakeTransfer(*NextVersion(*base_, 1, 2), *base_, TensorEncoding::kRaw);
  ASSERT_OK_AND_ASSIGN(const auto first, updates_->Begin(one.manifest, kLease));
  ASSERT_OK(AddAll(first.ticket, one));
  ASSERT_OK_AND_ASSIGN(const auto second, updates_->Begin(two.manifest, kLease));
  EXPECT_THAT(second.received, testing::Each(0));
  EXPECT_OK(Send(two));
}

TEST_F(ParameterUpdatesTest, DamagedParametersAreRefusedAndWhatWasStagedIsGone) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  Transfer transfer = MakeTransfer(*NextVersion(*base_, 1, 1), *base_, TensorEncoding::kRaw);
  Piece& piece = transfer.pieces[4];
  piece.bytes[1] ^= 1;
  piece = MakePiece(piece.tensor, piece.offset, piece.bytes);
  EXPECT_THAT(Send(transfer), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(served(), base_->digest);
  EXPECT_THAT(Exposition(), AllOf(HasSubstr("trimtab_params_updates_total{result=\"DATA_LOSS\"} 1"),
                                  HasSubstr("trimtab_params_staged_bytes 0")));
}

TEST_F(ParameterUpdatesTest, ACommitUnderWayMixesNothingAgainOnceTheServerStops) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  for (const double first : {0.2, 0.5, 0.8}) ASSERT_NO_FATAL_FAILURE(Use(first));
  int mixed = 0;
  while_mixing_ = [&] {
    ++mixed;
    updates_->StartStop();
    EXPECT_THAT(Activate(0), StatusIs(absl::StatusCode::kUnavailable));
  };
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  ASSERT_OK(Send(*next, *base_));
  EXPECT_EQ(mixed, 1) << "of three that are hot";
  EXPECT_EQ(served(), next->digest) << "what was durable is served";
  updates_->Stop();
}

TEST_F(ParameterUpdatesTest, WatchersHearOfTheVersionNowOfEveryChangeAndOfTheEnd) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  Mutex mutex;
  std::vector<uint64_t> heard;
  updates_->Watch([&](const std::optional<ParameterVersion>& version) {
    MutexLock lock(mutex);
    heard.push_back(version.has_value() ? version->sequence : 999);
  });
  ASSERT_OK(Send(*NextVersion(*base_, 1, 1), *base_));
  ASSERT_OK(Activate(0));
  updates_->Stop();
  EXPECT_THAT(heard, testing::ElementsAre(0, 1, 0, 999));
  EXPECT_THAT(Activate(1), StatusIs(absl::StatusCode::kUnavailable));
  heard.clear();
  updates_->Watch([&](const std::optional<ParameterVersion>& version) { heard.push_back(version.has_value()); });
  EXPECT_THAT(heard, testing::ElementsAre(0)) << "who comes late hears of the end at once";
}

}  // namespace
}  // namespace trimtab
