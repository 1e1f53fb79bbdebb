#include "model/checksum.h"

#include <set>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

TEST(ChecksumTest, OfAPieceDependsOnItsBytesAndItsPlace) {
  const std::set<uint64_t> all = {ChunkChecksum(0, 0, "some bytes"), ChunkChecksum(0, 0, "some bytet"),
                                  ChunkChecksum(1, 0, "some bytes"), ChunkChecksum(0, 1, "some bytes"),
                                  ChunkChecksum(0, 0, "some byte")};
  EXPECT_EQ(all.size(), 5u);
}

// The seed and the order of the digits are part of the protocol.
TEST(ChecksumTest, IsThatOfXxhash) {
  EXPECT_EQ(ChunkChecksum(0, 0, ""), 0x2d06800538d394c2u);
  EXPECT_EQ(ContentChecksum({}), "99aa06d3014798d86001c324468d497f");
}

}  // namespace
}  // namespace trimtab
