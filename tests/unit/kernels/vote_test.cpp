// SPDX-License-Identifier: Apache-2.0
// Numbered names refer to the checks of the signSGD specification: 3 vote = sign of the sum of
// signs, 4 algebra of the vote, 5 votes do not nest but counts do.
#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

using Plane = std::vector<std::uint64_t>;
using Planes = std::vector<Plane>;

constexpr std::uint32_t kMostVoters = 130;
constexpr std::size_t kDimensions[] = {1, 63, 64, 65, 1000};

bool bit_of(const Plane& plane, std::size_t i) { return ((plane[i / 64] >> (i % 64)) & 1) != 0; }

Planes random_planes(std::size_t count, std::size_t bits, rng::Reader& random) {
  Planes planes;
  for (std::size_t w = 0; w < count; ++w) planes.push_back(random_plane(bits, random));
  return planes;
}

std::vector<const std::uint64_t*> pointers(const Planes& planes) {
  std::vector<const std::uint64_t*> all;
  for (const Plane& plane : planes) all.push_back(plane.data());
  return all;
}

struct Outcome {
  Plane negative;
  Plane tie;
  explicit Outcome(std::size_t bits)
      : negative(words_for(bits), 0xdeadbeefdeadbeef), tie(words_for(bits), 0xdeadbeefdeadbeef) {}
  VotePlanes planes() { return {.negative = negative, .tie = tie}; }
  bool operator==(const Outcome&) const = default;
};

Outcome vote(const Planes& voters, std::size_t bits) {
  Outcome out(bits);
  majority(pointers(voters), bits, out.planes());
  return out;
}

Outcome masked_vote(const Planes& signs, const Planes& masks, std::uint32_t quorum,
                    std::size_t bits) {
  Outcome out(bits);
  const auto sign_pointers = pointers(signs);
  const auto mask_pointers = pointers(masks);
  masked_majority({.signs = sign_pointers, .masks = mask_pointers, .quorum = quorum}, bits,
                  out.planes());
  return out;
}

// The outcome that the integer sums of the signs give.
Outcome from_sums(const std::vector<int>& sums, int quorum) {
  Outcome out(sums.size());
  std::fill(out.negative.begin(), out.negative.end(), 0);
  std::fill(out.tie.begin(), out.tie.end(), 0);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const bool tie = sums[i] == 0 || std::abs(sums[i]) < quorum;
    out.tie[i / 64] |= std::uint64_t{tie ? 1U : 0U} << (i % 64);
    out.negative[i / 64] |= std::uint64_t{sums[i] < 0 && !tie ? 1U : 0U} << (i % 64);
  }
  return out;
}

TEST(SignsgdCheck03, VoteIsTheSignOfTheSumOfSignsForOneTo130Voters) {
  for (std::uint32_t m = 1; m <= kMostVoters; ++m) {
    for (const std::size_t d : kDimensions) {
      rng::Reader random = reader(m, static_cast<std::uint32_t>(d));
      const Planes voters = random_planes(m, d, random);
      std::vector<int> sums(d, 0);
      for (const Plane& plane : voters) {
        for (std::size_t i = 0; i < d; ++i) sums[i] += bit_of(plane, i) ? -1 : 1;
      }
      const Outcome expected = from_sums(sums, 0);
      Outcome reference_outcome(d);
      reference::majority(pointers(voters), d, reference_outcome.planes());
      ASSERT_EQ(reference_outcome, expected) << m << " voters, d = " << d;
      on_each_target([&] { ASSERT_EQ(vote(voters, d), expected) << m << " voters, d = " << d; });
    }
  }
}

TEST(SignsgdCheck03, VoteWithAbstentionsIsTheSignOfTheSumOfSigns) {
  for (std::uint32_t m = 1; m <= kMostVoters; ++m) {
    for (const std::size_t d : kDimensions) {
      rng::Reader random = reader(1000 + m, static_cast<std::uint32_t>(d));
      Planes signs = random_planes(m, d, random);
      const Planes masks = random_planes(m, d, random);
      std::vector<int> sums(d, 0);
      for (std::size_t w = 0; w < m; ++w) {
        for (std::size_t i = 0; i < d; ++i) {
          if (bit_of(masks[w], i)) sums[i] += bit_of(signs[w], i) ? -1 : 1;
        }
      }
      for (const std::uint32_t quorum : {0U, 1U, 2U, 3U, 8U, 1000000U}) {
        const Outcome expected = from_sums(sums, static_cast<int>(quorum));
        Outcome reference_outcome(d);
        const auto sign_pointers = pointers(signs);
        const auto mask_pointers = pointers(masks);
        reference::masked_majority(
            {.signs = sign_pointers, .masks = mask_pointers, .quorum = quorum}, d,
            reference_outcome.planes());
        ASSERT_EQ(reference_outcome, expected);
        on_each_target([&] {
          ASSERT_EQ(masked_vote(signs, masks, quorum, d), expected)
              << m << " voters, d = " << d << ", quorum " << quorum;
        });
      }
    }
  }
}

TEST(SignsgdCheck03, OneSidedCountsAreDecidedExactlyAtOneHalf) {
  // Every count from 0 to M in one vector: coordinate i has i negative votes.
  on_each_target([] {
    for (std::size_t m = 1; m <= 300; m += 1 + m / 40) {
      const std::size_t d = m + 1;
      Planes voters(m, Plane(words_for(d), 0));
      std::vector<int> sums(d);
      for (std::size_t i = 0; i < d; ++i) {
        for (std::size_t w = 0; w < i; ++w) voters[w][i / 64] |= std::uint64_t{1} << (i % 64);
        sums[i] = static_cast<int>(m) - 2 * static_cast<int>(i);
      }
      ASSERT_EQ(vote(voters, d), from_sums(sums, 0)) << m;
      const Planes everybody(m, Plane(words_for(d), ~std::uint64_t{0}));
      ASSERT_EQ(masked_vote(voters, everybody, 5, d), from_sums(sums, 5)) << m;
    }
  });
}

TEST(SignsgdCheck04, VoteDoesNotDependOnTheOrderOfTheVoters) {
  on_each_target([] {
    for (const std::uint32_t m : {2U, 5U, 16U, 33U, 70U}) {
      rng::Reader random = reader(m, 4);
      const std::size_t d = 1000;
      const Planes voters = random_planes(m, d, random);
      std::vector<std::uint32_t> order(m);
      std::iota(order.begin(), order.end(), 0U);
      rng::permute(rng::Stream(4, {.round = m}), order);
      Planes permuted;
      for (const std::uint32_t w : order) permuted.push_back(voters[w]);
      ASSERT_EQ(vote(permuted, d), vote(voters, d)) << m;
    }
  });
}

TEST(SignsgdCheck04, NegatedInputsNegateTheVoteWhereThereIsNoTie) {
  on_each_target([] {
    for (const std::uint32_t m : {1U, 2U, 7U, 8U, 31U, 64U, 65U}) {
      rng::Reader random = reader(m, 5);
      const std::size_t d = 1024;
      const Planes voters = random_planes(m, d, random);
      Planes negated = voters;
      for (Plane& plane : negated) {
        for (std::uint64_t& word : plane) word = ~word;
      }
      const Outcome outcome = vote(voters, d);
      const Outcome opposite = vote(negated, d);
      for (std::size_t i = 0; i < outcome.tie.size(); ++i) {
        ASSERT_EQ(opposite.tie[i], outcome.tie[i]);
        ASSERT_EQ(opposite.negative[i] & ~outcome.tie[i], ~outcome.negative[i] & ~outcome.tie[i]);
      }
    }
  });
}

TEST(SignsgdCheck04, IdenticalVotersReturnTheInput) {
  on_each_target([] {
    for (const std::uint32_t m : {1U, 2U, 3U, 4U, 15U, 16U, 63U, 64U, 127U}) {
      rng::Reader random = reader(m, 6);
      const std::size_t d = 1000;
      const Plane plane = random_plane(d, random);
      const Outcome outcome = vote(Planes(m, plane), d);
      ASSERT_EQ(outcome.negative, plane) << m;
      ASSERT_EQ(outcome.tie, Plane(words_for(d), 0)) << m;
    }
  });
}

TEST(SignsgdCheck05, SubMajoritiesOfThreeTimesThreeDifferFromTheFlatVote) {
  const Plane no(1, 0);
  const Plane yes(1, 1);
  const Planes group = {yes, yes, no};
  const Planes against = {no, no, no};
  Planes all;
  for (const Planes& part : {group, group, against})
    all.insert(all.end(), part.begin(), part.end());
  EXPECT_EQ(vote(all, 1).negative, no);  // 4 of 9
  const Planes winners = {vote(group, 1).negative, vote(group, 1).negative,
                          vote(against, 1).negative};
  EXPECT_EQ(vote(winners, 1).negative, yes);  // 2 of 3
}

// Counts of voters first .. first + count, gathered over a random binary tree.
Plane count_tree(const Planes& voters, std::size_t first, std::size_t count, std::size_t bits,
                 rng::Reader& random) {
  const std::uint32_t plane_count = count_planes_for(static_cast<std::uint32_t>(count));
  Plane counts(plane_count * words_for(bits), 0);
  if (count <= 1 || random.below(4) == 0) {  // a leaf that hosts several workers
    const Planes part(voters.begin() + static_cast<std::ptrdiff_t>(first),
                      voters.begin() + static_cast<std::ptrdiff_t>(first + count));
    count_votes(pointers(part), bits, counts);
    return counts;
  }
  const std::size_t left = 1 + random.below(count - 1);
  for (const auto& [begin, size] :
       {std::pair{first, left}, std::pair{first + left, count - left}}) {
    const Plane part = count_tree(voters, begin, size, bits, random);
    add_count_planes(part, count_planes_for(static_cast<std::uint32_t>(size)), bits,
                     {.planes = counts, .count = plane_count});
  }
  return counts;
}

TEST(SignsgdCheck05, CountsGatheredOverRandomTreesGiveTheFlatVote) {
  on_each_target([] {
    for (std::uint32_t m = 1; m <= 64; ++m) {
      for (const std::size_t d : kDimensions) {
        rng::Reader random = reader(m, 7);
        const Planes voters = random_planes(m, d, random);
        const Plane counts = count_tree(voters, 0, m, d, random);
        ASSERT_TRUE(counts_at_most(counts, m, d));
        Outcome outcome(d);
        majority_of_counts(counts, m, d, outcome.planes());
        ASSERT_EQ(outcome, vote(voters, d)) << m << " voters, d = " << d;
      }
    }
  });
}

TEST(Counts, EqualTheReference) {
  on_each_target([] {
    for (std::uint32_t m = 1; m <= kMostVoters; ++m) {
      for (const std::size_t d : kDimensions) {
        rng::Reader random = reader(m, 8);
        const Planes voters = random_planes(m, d, random);
        Plane counts(count_planes_for(m) * words_for(d), 0xdeadbeefdeadbeef);
        Plane expected(counts.size());
        count_votes(pointers(voters), d, counts);
        reference::count_votes(pointers(voters), d, expected);
        ASSERT_TRUE(same_bits(counts, expected)) << m << " voters, d = " << d;
        Outcome outcome(d);
        Outcome expected_outcome(d);
        majority_of_counts(counts, m, d, outcome.planes());
        reference::majority_of_counts(counts, m, d, expected_outcome.planes());
        ASSERT_EQ(outcome, expected_outcome) << m << " voters, d = " << d;
      }
    }
  });
}

TEST(Counts, AddLikeIntegers) {
  on_each_target([] {
    for (const std::uint32_t planes : {1U, 2U, 5U, 12U}) {
      for (const std::size_t d : kDimensions) {
        rng::Reader random = reader(planes, 9);
        Plane small;
        Plane large;
        for (std::uint32_t j = 0; j < planes; ++j) {
          const Plane part = random_plane(d, random);
          small.insert(small.end(), part.begin(), part.end());
          const Plane other = random_plane(d, random);
          large.insert(large.end(), other.begin(), other.end());
        }
        large.resize((planes + 1) * words_for(d), 0);  // room for the carry
        Plane expected = large;
        add_count_planes(small, planes, d, {.planes = large, .count = planes + 1});
        reference::add_count_planes(small, planes, d, {.planes = expected, .count = planes + 1});
        ASSERT_TRUE(same_bits(large, expected)) << planes << " planes, d = " << d;
      }
    }
  });
}

TEST(Counts, MoreVotesThanVotersAreRecognised) {
  on_each_target([] {
    for (const std::uint32_t voters : {1U, 2U, 4U, 5U, 6U, 12U, 63U, 64U}) {
      const std::uint32_t plane_count = count_planes_for(voters);
      for (const std::size_t d : {1U, 64U, 1000U}) {
        const std::size_t words = words_for(d);
        for (std::uint32_t votes = 0; votes < (1U << plane_count); ++votes) {
          Plane counts(plane_count * words, 0);
          for (std::uint32_t j = 0; j < plane_count; ++j) {  // only the last coordinate votes
            const std::uint64_t bit = (votes >> j) & 1;
            counts[j * words + (d - 1) / 64] = bit << ((d - 1) % 64);
          }
          ASSERT_EQ(counts_at_most(counts, voters, d), votes <= voters)
              << votes << " of " << voters;
          ASSERT_EQ(reference::counts_at_most(counts, voters, d), votes <= voters);
          Outcome outcome(d);
          Outcome expected(d);
          majority_of_counts(counts, voters, d, outcome.planes());
          reference::majority_of_counts(counts, voters, d, expected.planes());
          ASSERT_EQ(outcome, expected) << votes << " of " << voters;
        }
      }
    }
  });
}

TEST(Counts, NeedAsManyPlanesAsTheNumberOfVotersHasBits) {
  EXPECT_EQ(count_planes_for(1), 1U);
  EXPECT_EQ(count_planes_for(2), 2U);
  EXPECT_EQ(count_planes_for(3), 2U);
  EXPECT_EQ(count_planes_for(4), 3U);
  EXPECT_EQ(count_planes_for(63), 6U);
  EXPECT_EQ(count_planes_for(64), 7U);
}

TEST(Counts, ThatDoNotFitAreRefused) {
  const Plane other(1, 1);
  Plane sum(1, 1);
  EXPECT_THROW(add_count_planes(other, 1, 1, {.planes = sum, .count = 1}), std::logic_error);
  Plane none;
  EXPECT_THROW(add_count_planes(other, 1, 1, {.planes = none, .count = 0}), std::logic_error);
}

TEST(Vote, ClearsWhatVotersLeaveBehindTheLastCoordinate) {
  on_each_target([] {
    for (const std::size_t m : {1U, 2U, 3U, 64U, 65U}) {
      const Planes voters(m, Plane(1, ~std::uint64_t{0}));
      EXPECT_EQ(vote(voters, 10).negative, Plane(1, 0x3ff));
      EXPECT_EQ(masked_vote(voters, voters, 0, 10).negative, Plane(1, 0x3ff));
      EXPECT_EQ(masked_vote(voters, Planes(m, Plane(1, 0)), 0, 10).tie, Plane(1, 0x3ff));
      Plane counts(count_planes_for(static_cast<std::uint32_t>(m)));
      count_votes(pointers(voters), 10, counts);
      for (const std::uint64_t word : counts) EXPECT_EQ(word >> 10, 0U);
    }
  });
}

TEST(Vote, OverNoCoordinatesDoesNothing) {
  const Planes voters(3, Plane(1, 0));
  EXPECT_TRUE(vote(voters, 0).negative.empty());
}

TEST(Vote, ReadsPlanesAtAnyWordAddress) {
  on_each_target([] {
    rng::Reader random = reader(1, 10);
    const std::size_t d = 64 * 41;
    const Planes voters = random_planes(9, d, random);
    std::vector<const std::uint64_t*> shifted;
    for (const Plane& plane : voters) shifted.push_back(plane.data() + 1);
    Plane negative(43);
    Plane tie(43);
    const VotePlanes out{.negative = std::span(negative).subspan(3),
                         .tie = std::span(tie).subspan(3)};
    majority(shifted, 64 * 40, out);
    const Outcome whole = vote(voters, d);
    for (std::size_t i = 0; i < 40; ++i) ASSERT_EQ(negative[3 + i], whole.negative[1 + i]);
  });
}

TEST(Vote, RefusesNoVotersAndPlanesOfTheWrongSize) {
  const Planes voters(3, Plane(2, 0));
  Plane right(2);
  Plane wrong(1);
  const auto all = pointers(voters);
  const std::span<const std::uint64_t* const> nobody;
  EXPECT_THROW(majority(nobody, 65, {.negative = right, .tie = right}), std::logic_error);
  EXPECT_THROW(majority(all, 65, {.negative = wrong, .tie = right}), std::logic_error);
  EXPECT_THROW(majority(all, 65, {.negative = right, .tie = wrong}), std::logic_error);
  const MaskedVote uneven{.signs = all, .masks = nobody, .quorum = 0};
  EXPECT_THROW(masked_majority(uneven, 65, {.negative = right, .tie = right}), std::logic_error);
  Plane counts(3);
  EXPECT_THROW(count_votes(all, 65, counts), std::logic_error);
  EXPECT_THROW(majority_of_counts(counts, 3, 65, {.negative = right, .tie = right}),
               std::logic_error);
  EXPECT_THROW(static_cast<void>(counts_at_most(counts, 3, 65)), std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
