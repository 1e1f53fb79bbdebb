#include "server/staging.h"

#include <map>

#include "gtest/gtest.h"
#include "model/field_error.h"
#include "tests/server/publication.h"

namespace trimtab {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int64_t kBudget = 1 << 24;

class StagingTest : public testing::Test {
 protected:
  StagingTest() : base_(OpenTiny(directory_)), next_(NextVersion(*base_, 1, 1)) {}

  std::unique_ptr<Staging> Begin(const Manifest& manifest, const CheckpointPtr& parent) {
    auto staging = Staging::Begin(manifest, base_, parent, kBudget);
    EXPECT_OK(staging);
    return *std::move(staging);
  }
  // The field at fault of a manifest that is refused.
  std::string Fault(const Manifest& manifest) {
    const absl::Status status = Staging::Begin(manifest, base_, base_, kBudget).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    return FieldOf(status).value_or("");
  }
  static absl::Status Add(Staging& staging, const Piece& piece) {
    return staging.Add(piece.tensor, piece.offset, piece.bytes, piece.checksum);
  }
  static void AddAll(Staging& staging, const Transfer& transfer) {
    for (const Piece& piece : transfer.pieces) ASSERT_OK(Add(staging, piece));
  }

  TempDir directory_;
  const CheckpointPtr base_, next_;
};

TEST_F(StagingTest, GivesTheVersionThatWasSentInEveryEncoding) {
  const CheckpointPtr narrow = NextVersion(*base_, 1, 2, /*bf16=*/true);
  const CheckpointPtr after = NextVersion(*narrow, 1, 3);
  for (const auto& [next, parent, encoding] :
       {std::tuple(next_, base_, TensorEncoding::kRaw), std::tuple(next_, base_, TensorEncoding::kDelta),
        std::tuple(narrow, base_, TensorEncoding::kRaw), std::tuple(after, narrow, TensorEncoding::kDelta)}) {
    const Transfer transfer = MakeTransfer(*next, *parent, encoding);
    const auto staging = Begin(transfer.manifest, parent);
    AddAll(*staging, transfer);
    ASSERT_OK(staging->CheckComplete());
    ASSERT_OK_AND_ASSIGN(const Checkpoint received, staging->Finish());
    EXPECT_EQ(received.version(), next->version());
    EXPECT_EQ(ParametersDigest(received.tensors), next->digest);
  }
}

TEST_F(StagingTest, TakesFromTheParentWhatIsNotNamed) {
  Transfer transfer = MakeTransfer(*next_, *base_, TensorEncoding::kRaw);
  const auto places = PublishedTensors(*base_);
  std::vector<Tensor> expected;
  for (const PublishedTensor& place : places) expected.push_back(place.In(*base_));
  expected[0] = places[0].In(*next_);
  transfer.manifest.tensors.resize(1);
  transfer.manifest.version.digest = ParametersDigest(WithPublished(*base_, expected, nullptr, {}).tensors);
  const auto staging = Begin(transfer.manifest, base_);
  for (const Piece& piece : transfer.pieces) {
    if (piece.tensor != 0) continue;
    ASSERT_OK(Add(*staging, piece));
  }
  ASSERT_OK(staging->CheckComplete());
  EXPECT_OK(staging->Finish());
}

TEST_F(StagingTest, RefusesAManifestThatDoesNotFitTheModelAndNamesTheField) {
  const Manifest good = MakeTransfer(*next_, *base_, TensorEncoding::kRaw).manifest;
  Manifest manifest = good;
  manifest.tensors[1].name = "no.such.weight";
  EXPECT_EQ(Fault(manifest), "begin.tensors[1].name");
  manifest = good;
  manifest.tensors[1].reward = "reference";
  EXPECT_EQ(Fault(manifest), "begin.tensors[1].name");
  manifest = good;
  manifest.tensors[2] = manifest.tensors[1];
  EXPECT_EQ(Fault(manifest), "begin.tensors[2].name");
  manifest = good;
  manifest.tensors[0].shape.push_back(1);
  EXPECT_EQ(Fault(manifest), "begin.tensors[0].shape");
  manifest = good;
  manifest.tensors[0].dtype = DType::kF16;
  EXPECT_EQ(Fault(manifest), "begin.tensors[0].type");
  manifest = good;
  manifest.tensors[0].dtype = DType::kBF16;
  manifest.tensors[0].encoding = TensorEncoding::kDelta;
  EXPECT_EQ(Fault(manifest), "begin.tensors[0].type");
  manifest = good;
  ++manifest.tensors[3].encoded_bytes;
  EXPECT_EQ(Fault(manifest), "begin.tensors[3].encoded_bytes");
  manifest = good;
  manifest.tensors[3].encoding = TensorEncoding::kDelta;
  manifest.tensors[3].encoded_bytes = uint64_t{1} << 60;
  EXPECT_EQ(Fault(manifest), "begin.tensors[3].encoded_bytes");
}

TEST_F(StagingTest, RefusesAVersionBeyondTheBudget) {
  const Manifest manifest = MakeTransfer(*next_, *base_, TensorEncoding::kRaw).manifest;
  const int64_t needed = Begin(manifest, base_)->bytes();
  EXPECT_OK(Staging::Begin(manifest, base_, base_, needed));
  EXPECT_THAT(Staging::Begin(manifest, base_, base_, needed - 1),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--staging-bytes")));
}

TEST_F(StagingTest, NamesWhatIsMissing) {
  const Transfer transfer = MakeTransfer(*next_, *base_, TensorEncoding::kRaw);
  const auto staging = Begin(transfer.manifest, base_);
  for (size_t i = 0; i + 1 < transfer.pieces.size(); ++i) ASSERT_OK(Add(*staging, transfer.pieces[i]));
  const Piece& last = transfer.pieces.back();
  EXPECT_THAT(staging->CheckComplete(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat("[", last.offset, ", ", last.offset + last.bytes.size(), ")"))));
  ASSERT_OK(Add(*staging, last));
  EXPECT_OK(staging->CheckComplete());
}

TEST_F(StagingTest, RefusesPiecesThatDoNotContinueAndKeepsWhatItHas) {
  const Transfer transfer = MakeTransfer(*next_, *base_, TensorEncoding::kRaw, 100);
  const uint64_t size = transfer.manifest.tensors[0].encoded_bytes;
  const std::string bytes(1, 'x');
  const auto staging = Begin(transfer.manifest, base_);
  ASSERT_OK(Add(*staging, transfer.pieces[0]));
  Piece overlapping = transfer.pieces[1];
  overlapping = MakePiece(0, 50, overlapping.bytes);
  Piece other = MakePiece(0, 0, std::string(100, 'x'));
  for (const Piece& wrong : {transfer.pieces[2], overlapping, other, MakePiece(0, size, bytes),
                             MakePiece(0, size - 50, transfer.pieces[0].bytes), MakePiece(0, ~uint64_t{0} >> 20, bytes),
                             MakePiece(transfer.manifest.tensors.size(), 0, bytes)}) {
    EXPECT_THAT(Add(*staging, wrong), StatusIs(absl::StatusCode::kOutOfRange)) << wrong.offset;
    EXPECT_EQ(staging->received()[0], 100u);
  }
  EXPECT_OK(Add(*staging, transfer.pieces[0])) << "a duplicate is harmless";
  EXPECT_OK(Add(*staging, transfer.pieces[1]));
}

// P2: whatever bit of a piece is flipped, in its bytes, its place or its checksum.
TEST_F(StagingTest, DetectsAThousandBitFlips) {
  const Transfer transfer = MakeTransfer(*next_, *base_, TensorEncoding::kRaw, 512);
  const auto staging = Begin(transfer.manifest, base_);
  std::mt19937 random(7);
  int detected = 0;
  for (int flip = 0; flip < 1000; ++flip) {
    const Piece& next = transfer.pieces[flip % transfer.pieces.size()];
    if (flip < static_cast<int>(transfer.pieces.size()) && flip > 0) {
      ASSERT_OK(Add(*staging, transfer.pieces[flip - 1]));
    }
    Piece damaged = next;
    const size_t bit = random() % (8 * damaged.bytes.size() + 3 * 64);
    if (bit < 8 * damaged.bytes.size()) {
      damaged.bytes[bit / 8] ^= 1 << bit % 8;
    } else {
      uint64_t* const fields[] = {&damaged.tensor, &damaged.offset, &damaged.checksum};
      *fields[(bit - 8 * damaged.bytes.size()) / 64] ^= uint64_t{1} << bit % 64;
    }
    const std::vector<uint64_t> before = staging->received();
    const absl::Status status = Add(*staging, damaged);
    EXPECT_THAT(status, AnyOf(StatusIs(absl::StatusCode::kDataLoss), StatusIs(absl::StatusCode::kOutOfRange)));
    EXPECT_EQ(staging->received(), before);
    detected += !status.ok();
  }
  EXPECT_EQ(detected, 1000);
}

// What the pieces' checksums cannot see, those of the tensors and the digest do.
TEST_F(StagingTest, DetectsDamageThatHappenedBeforeTheChecksums) {
  for (const TensorEncoding encoding : {TensorEncoding::kRaw, TensorEncoding::kDelta}) {
    Transfer transfer = MakeTransfer(*next_, *base_, encoding);
    Piece& piece = transfer.pieces[transfer.pieces.size() / 2];
    piece.bytes[piece.bytes.size() / 2] ^= 4;
    piece = MakePiece(piece.tensor, piece.offset, piece.bytes);
    const auto staging = Begin(transfer.manifest, base_);
    AddAll(*staging, transfer);
    EXPECT_THAT(staging->Finish(), StatusIs(absl::StatusCode::kDataLoss));
  }
  Transfer transfer = MakeTransfer(*next_, *base_, TensorEncoding::kRaw);
  transfer.manifest.version.digest[5] ^= 1;
  const auto staging = Begin(transfer.manifest, base_);
  AddAll(*staging, transfer);
  EXPECT_THAT(staging->Finish(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("digest")));
}

TEST_F(StagingTest, ADeltaOverAnotherParentIsDetected) {
  const CheckpointPtr other = NextVersion(*base_, 1, 9);
  const Transfer transfer = MakeTransfer(*next_, *other, TensorEncoding::kDelta);
  const auto staging = Begin(transfer.manifest, base_);
  AddAll(*staging, transfer);
  EXPECT_THAT(staging->Finish(), StatusIs(absl::StatusCode::kDataLoss));
}

// P3: streams that lose, repeat, swap and cut pieces. A model of what must happen runs beside.
TEST_F(StagingTest, AnyOrderOfPiecesEndsInTheVersionOrInARefusal) {
  const Transfer transfer = MakeTransfer(*next_, *base_, TensorEncoding::kRaw, 700);
  std::mt19937 random(11);
  for (int run = 0; run < 60; ++run) {
    const auto staging = Begin(transfer.manifest, base_);
    std::vector<Piece> stream = transfer.pieces;
    for (int edits = random() % 4; edits > 0; --edits) {
      const size_t at = random() % stream.size();
      switch (random() % 3) {
        case 0:
          stream.erase(stream.begin() + at);
          break;
        case 1:
          stream.insert(stream.begin() + random() % stream.size(), Piece(stream[at]));
          break;
        default:
          std::swap(stream[at], stream[random() % stream.size()]);
      }
    }
    std::map<uint64_t, uint64_t> received;
    for (const Piece& piece : stream) {
      uint64_t& held = received[piece.tensor];
      const bool fits = piece.offset == held, again = piece.offset + piece.bytes.size() <= held;
      EXPECT_EQ(Add(*staging, piece).ok(), fits || again);
      if (fits) held += piece.bytes.size();
      EXPECT_EQ(staging->received()[piece.tensor], held);
    }
    if (!staging->CheckComplete().ok()) continue;
    ASSERT_OK_AND_ASSIGN(const Checkpoint finished, staging->Finish());
    EXPECT_EQ(finished.digest, next_->digest);
  }
}

}  // namespace
}  // namespace trimtab
