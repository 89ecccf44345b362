// SPDX-License-Identifier: Apache-2.0
// Majority votes over sign planes without unpacking them (signsgd.md 2.7). The votes of all
// coordinates of a vector are counted at once: plane j of a counter holds bit j of every count.
// Eight voters enter through seven full adders (carry-save), so that the upper planes are touched
// once per eight voters.
//
// A counter of P planes for a majority of M voters starts at 2^(P-1) - 1 - floor(M/2): then the
// upper bit of the result says "more than half", and all bits but the upper one are set for
// "exactly half"; nothing has to be compared.
#include <bit>
#include <cstddef>
#include <cstdint>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_vote.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

using WordTag = hn::ScalableTag<std::uint64_t>;
using OneWordTag = hn::CappedTag<std::uint64_t, 1>;

// Fewer than 2^31 voters.
constexpr std::size_t kMaxPlanes = 31;
// Up to this many voters (six planes) a counter lives in registers.
constexpr std::size_t kRegisterVoters = 63;
// Words per block when the counters live in memory: 2 KiB per plane.
constexpr std::size_t kBlockWords = 256;

constexpr std::size_t bit_width(std::size_t value) {
  std::size_t width = 0;
  for (; value > 0; value /= 2) ++width;
  return width;
}

// Where the votes of a plain majority lie.
struct PlainVotes {
  const std::uint64_t* const* voters;
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, std::size_t voter, std::size_t word) const {
    return hn::LoadU(d, voters[voter] + word);
  }
};

// The negative, or the positive, votes of those who do not abstain.
template <bool kNegative>
struct MaskedVotes {
  const std::uint64_t* const* signs;
  const std::uint64_t* const* masks;
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, std::size_t voter, std::size_t word) const {
    const auto sign = hn::LoadU(d, signs[voter] + word);
    const auto mask = hn::LoadU(d, masks[voter] + word);
    return kNegative ? hn::And(sign, mask) : hn::AndNot(sign, mask);
  }
};

// Bit by bit: mask ? yes : no. Highway's IfVecThenElse promises that only for masks that are the
// same in all bits of a lane; with AVX-512 it is one instruction that does it for any mask.
template <class V>
HWY_INLINE V select_bits(V mask, V yes, V no) {
  if constexpr (HWY_TARGET <= HWY_AVX3) {
    return hn::IfVecThenElse(mask, yes, no);
  } else {
    return hn::Or(hn::And(mask, yes), hn::AndNot(mask, no));
  }
}

// sum <- sum + b + c (one bit each), returns the carry.
template <class V>
HWY_INLINE V full_add(V& sum, V b, V c) {
  const V differ = hn::Xor(sum, b);
  const V carry = select_bits(differ, c, b);
  sum = hn::Xor(differ, c);
  return carry;
}

template <class V>
HWY_INLINE V half_add(V& sum, V b) {
  const V carry = hn::And(sum, b);
  sum = hn::Xor(sum, b);
  return carry;
}

// counter += value * 2^first.
template <class V>
HWY_INLINE void ripple(V* counter, std::size_t planes, std::size_t first, V value) {
  for (std::size_t j = first; j < planes; ++j) value = half_add(counter[j], value);
}

template <class D, class Votes, class V>
HWY_INLINE void add_eight(D d, const Votes& votes, std::size_t voter, std::size_t word, V* counter,
                          std::size_t planes) {
  const auto vote = [&](std::size_t w) HWY_ATTR { return votes.load(d, voter + w, word); };
  const V twos_a = full_add(counter[0], vote(0), vote(1));
  const V twos_b = full_add(counter[0], vote(2), vote(3));
  const V fours_a = full_add(counter[1], twos_a, twos_b);
  const V twos_c = full_add(counter[0], vote(4), vote(5));
  const V twos_d = full_add(counter[0], vote(6), vote(7));
  const V fours_b = full_add(counter[1], twos_c, twos_d);
  ripple(counter, planes, 3, full_add(counter[2], fours_a, fours_b));
}

template <class D, class Votes, class V>
HWY_INLINE void add_four(D d, const Votes& votes, std::size_t voter, std::size_t word, V* counter,
                         std::size_t planes) {
  const V twos_a = full_add(counter[0], votes.load(d, voter, word), votes.load(d, voter + 1, word));
  const V twos_b =
      full_add(counter[0], votes.load(d, voter + 2, word), votes.load(d, voter + 3, word));
  ripple(counter, planes, 2, full_add(counter[1], twos_a, twos_b));
}

template <class D, class Votes, class V>
HWY_INLINE void add_two(D d, const Votes& votes, std::size_t voter, std::size_t word, V* counter,
                        std::size_t planes) {
  ripple(counter, planes, 1,
         full_add(counter[0], votes.load(d, voter, word), votes.load(d, voter + 1, word)));
}

// counter += the votes of all voters. kPlanes planes are enough for the result.
template <std::size_t kPlanes, class D, class Votes, class V>
HWY_INLINE void add_all(D d, const Votes& votes, std::size_t voter_count, std::size_t word,
                        V* counter) {
  std::size_t w = 0;
  if constexpr (kPlanes > 3) {
    for (; w + 8 <= voter_count; w += 8) add_eight(d, votes, w, word, counter, kPlanes);
  }
  if constexpr (kPlanes > 2) {
    for (; w + 4 <= voter_count; w += 4) add_four(d, votes, w, word, counter, kPlanes);
  }
  if constexpr (kPlanes > 1) {
    for (; w + 2 <= voter_count; w += 2) add_two(d, votes, w, word, counter, kPlanes);
  }
  for (; w < voter_count; ++w) ripple(counter, kPlanes, 0, votes.load(d, w, word));
}

// All bits set where bit j of value is set, per plane j.
template <class D, class V>
HWY_INLINE void fill_counter(D d, std::uint64_t value, V* counter, std::size_t planes) {
  for (std::size_t j = 0; j < planes; ++j) {
    counter[j] = hn::Set(d, ((value >> j) & 1) != 0 ? ~std::uint64_t{0} : std::uint64_t{0});
  }
}

// What becomes of the counters of a vector of words: each Finish has start(planes), the value at
// which the counters begin, and operator()(d, word, counter, planes). There may be more planes than
// needed.
struct DecideMajority {
  std::size_t voter_count;
  std::uint64_t* negative;
  std::uint64_t* tie;
  HWY_INLINE std::uint64_t start(std::size_t planes) const {
    return (std::uint64_t{1} << (planes - 1)) - 1 - voter_count / 2;
  }
  template <class D, class V>
  HWY_INLINE void operator()(D d, std::size_t word, const V* counter, std::size_t planes) const {
    const V more = counter[planes - 1];
    V exactly = hn::Zero(d);
    if (voter_count % 2 == 0) {
      exactly = hn::Not(more);
      for (std::size_t j = 0; j + 1 < planes; ++j) exactly = hn::And(exactly, counter[j]);
    }
    hn::StoreU(more, d, negative + word);
    hn::StoreU(exactly, d, tie + word);
  }
};

struct StoreCounts {
  std::size_t plane_count;
  std::size_t words;
  std::uint64_t* planes_out;
  HWY_INLINE std::uint64_t start(std::size_t /*planes*/) const { return 0; }
  template <class D, class V>
  HWY_INLINE void operator()(D d, std::size_t word, const V* counter,
                             std::size_t /*planes*/) const {
    for (std::size_t j = 0; j < plane_count; ++j) {
      hn::StoreU(counter[j], d, planes_out + j * words + word);
    }
  }
};

// Compares the counts of negative and positive votes, and their distance with the quorum.
struct DecideMasked {
  std::uint32_t quorum;
  std::uint64_t* negative;
  std::uint64_t* tie;
  template <class D, class V>
  HWY_INLINE void operator()(D d, std::size_t word, const V* against, const V* in_favour,
                             std::size_t planes) const {
    V more = hn::Zero(d);
    V equal = hn::Not(more);
    for (std::size_t j = planes; j-- > 0;) {
      const V differ = hn::Xor(against[j], in_favour[j]);
      more = hn::Or(more, hn::And(equal, hn::And(differ, against[j])));
      equal = hn::AndNot(differ, equal);
    }
    if (quorum > 1) equal = hn::Or(equal, below_quorum(d, more, against, in_favour, planes));
    hn::StoreU(hn::AndNot(equal, more), d, negative + word);
    hn::StoreU(equal, d, tie + word);
  }

 private:
  // |against - in_favour| < quorum, by subtracting the smaller from the larger.
  template <class D, class V>
  HWY_INLINE V below_quorum(D d, V more, const V* against, const V* in_favour,
                            std::size_t planes) const {
    const V ones = hn::Not(hn::Zero(d));
    if ((std::uint64_t{quorum} >> planes) != 0) return ones;
    // margin < quorum exactly when margin - quorum borrows out of the last plane.
    V borrow_margin = hn::Zero(d);
    V borrow = hn::Zero(d);
    for (std::size_t j = 0; j < planes; ++j) {
      const V larger = select_bits(more, against[j], in_favour[j]);
      const V smaller = select_bits(more, in_favour[j], against[j]);
      const V differ = hn::Xor(larger, smaller);
      const V margin = hn::Xor(differ, borrow_margin);
      borrow_margin = select_bits(differ, smaller, borrow_margin);
      borrow = ((quorum >> j) & 1) != 0 ? hn::Or(hn::AndNot(margin, ones), borrow)
                                        : hn::AndNot(margin, borrow);
    }
    return borrow;
  }
};

// Counters in registers: few voters. The last vector overlaps the one before it, which computes
// some words twice. Precondition: at least one vector of words.
template <std::size_t kPlanes, class Votes, class Finish>
void count_in_registers(const Votes& votes, std::size_t voter_count, std::size_t words,
                        const Finish& finish) {
  const WordTag d;
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  for (std::size_t next = 0; next < words; next += kLanes) {
    const std::size_t word = HWY_MIN(next, words - kLanes);
    hn::Vec<WordTag> counter[kPlanes];
    fill_counter(d, finish.start(kPlanes), counter, kPlanes);
    add_all<kPlanes>(d, votes, voter_count, word, counter);
    finish(d, word, counter, kPlanes);
  }
}

template <std::size_t kPlanes>
void masked_in_registers(const detail::MaskedPlanes& vote, std::size_t words,
                         const DecideMasked& decide) {
  const WordTag d;
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  const MaskedVotes<true> negative{vote.signs, vote.masks};
  const MaskedVotes<false> positive{vote.signs, vote.masks};
  for (std::size_t next = 0; next < words; next += kLanes) {
    const std::size_t word = HWY_MIN(next, words - kLanes);
    hn::Vec<WordTag> against[kPlanes];
    hn::Vec<WordTag> in_favour[kPlanes];
    fill_counter(d, 0, against, kPlanes);
    fill_counter(d, 0, in_favour, kPlanes);
    add_all<kPlanes>(d, negative, vote.voter_count, word, against);
    add_all<kPlanes>(d, positive, vote.voter_count, word, in_favour);
    decide(d, word, against, in_favour, kPlanes);
  }
}

// Counters in memory: many voters, or few words. A block of all planes stays in the cache while the
// voters stream past in groups of eight.
struct BlockCounter {
  HWY_ALIGN std::uint64_t words[kMaxPlanes][kBlockWords];

  void fill(std::uint64_t value, std::size_t planes, std::size_t count) {
    for (std::size_t j = 0; j < planes; ++j) {
      const std::uint64_t word = ((value >> j) & 1) != 0 ? ~std::uint64_t{0} : 0;
      for (std::size_t i = 0; i < count; ++i) words[j][i] = word;
    }
  }
  template <class D, class V>
  HWY_INLINE void load(D d, std::size_t i, V* counter, std::size_t planes) const {
    for (std::size_t j = 0; j < planes; ++j) counter[j] = hn::LoadU(d, &words[j][i]);
  }
};

// Adds kVoters voters to words begin .. begin + count of the block counter.
template <std::size_t kVoters, class D, class Votes>
HWY_INLINE void add_group_at(D d, const Votes& votes, std::size_t voter, std::size_t begin,
                             std::size_t i, BlockCounter& block, std::size_t planes) {
  constexpr std::size_t kLow = kVoters == 8 ? 3 : 0;
  hn::Vec<D> low[4];
  block.load(d, i, low, kLow);
  hn::Vec<D> carry;
  if constexpr (kVoters == 8) {
    low[3] = hn::Zero(d);
    add_eight(d, votes, voter, begin + i, low, 4);
    carry = low[3];
    for (std::size_t j = 0; j < kLow; ++j) hn::StoreU(low[j], d, &block.words[j][i]);
  } else {
    static_assert(kVoters == 1);
    carry = votes.load(d, voter, begin + i);
  }
  for (std::size_t j = kLow; j < planes; ++j) {
    hn::Vec<D> plane = hn::LoadU(d, &block.words[j][i]);
    carry = half_add(plane, carry);
    hn::StoreU(plane, d, &block.words[j][i]);
  }
}

template <std::size_t kVoters, class Votes>
void add_group(const Votes& votes, std::size_t voter, std::size_t begin, std::size_t count,
               BlockCounter& block, std::size_t planes) {
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    add_group_at<kVoters>(WordTag(), votes, voter, begin, i, block, planes);
  }
  for (; i < count; ++i) add_group_at<kVoters>(OneWordTag(), votes, voter, begin, i, block, planes);
}

template <class Votes>
void count_block(const Votes& votes, std::size_t voter_count, std::size_t begin, std::size_t count,
                 BlockCounter& block, std::size_t planes) {
  std::size_t w = 0;
  for (; w + 8 <= voter_count; w += 8) add_group<8>(votes, w, begin, count, block, planes);
  for (; w < voter_count; ++w) add_group<1>(votes, w, begin, count, block, planes);
}

template <class D, class Finish>
HWY_INLINE void finish_block_at(D d, const BlockCounter& block, std::size_t planes,
                                std::size_t begin, std::size_t i, const Finish& finish) {
  hn::Vec<D> counter[kMaxPlanes];
  block.load(d, i, counter, planes);
  finish(d, begin + i, counter, planes);
}

template <class Votes, class Finish>
void count_in_memory(const Votes& votes, std::size_t voter_count, std::size_t words,
                     const Finish& finish) {
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  const std::size_t planes = bit_width(voter_count);
  BlockCounter block;
  for (std::size_t begin = 0; begin < words; begin += kBlockWords) {
    const std::size_t count = words - begin < kBlockWords ? words - begin : kBlockWords;
    block.fill(finish.start(planes), planes, count);
    count_block(votes, voter_count, begin, count, block, planes);
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      finish_block_at(WordTag(), block, planes, begin, i, finish);
    }
    for (; i < count; ++i) finish_block_at(OneWordTag(), block, planes, begin, i, finish);
  }
}

template <class D>
HWY_INLINE void decide_block_at(D d, const BlockCounter& against, const BlockCounter& in_favour,
                                std::size_t planes, std::size_t begin, std::size_t i,
                                const DecideMasked& decide) {
  hn::Vec<D> negative[kMaxPlanes];
  hn::Vec<D> positive[kMaxPlanes];
  against.load(d, i, negative, planes);
  in_favour.load(d, i, positive, planes);
  decide(d, begin + i, negative, positive, planes);
}

void masked_in_memory(const detail::MaskedPlanes& vote, std::size_t words,
                      const DecideMasked& decide) {
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  const MaskedVotes<true> negative{vote.signs, vote.masks};
  const MaskedVotes<false> positive{vote.signs, vote.masks};
  const std::size_t planes = bit_width(vote.voter_count);
  BlockCounter against;
  BlockCounter in_favour;
  for (std::size_t begin = 0; begin < words; begin += kBlockWords) {
    const std::size_t count = words - begin < kBlockWords ? words - begin : kBlockWords;
    against.fill(0, planes, count);
    in_favour.fill(0, planes, count);
    count_block(negative, vote.voter_count, begin, count, against, planes);
    count_block(positive, vote.voter_count, begin, count, in_favour, planes);
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      decide_block_at(WordTag(), against, in_favour, planes, begin, i, decide);
    }
    for (; i < count; ++i) {
      decide_block_at(OneWordTag(), against, in_favour, planes, begin, i, decide);
    }
  }
}

template <class Votes, class Finish>
void count_votes_of(const Votes& votes, std::size_t voter_count, std::size_t words,
                    const Finish& finish) {
  if (words < hn::MaxLanes(WordTag()) || voter_count > kRegisterVoters) {
    return count_in_memory(votes, voter_count, words, finish);
  }
  if (voter_count > 15) return count_in_registers<6>(votes, voter_count, words, finish);
  if (voter_count > 3) return count_in_registers<4>(votes, voter_count, words, finish);
  return count_in_registers<2>(votes, voter_count, words, finish);
}

void majority(const std::uint64_t* const* voters, std::size_t voter_count, std::size_t words,
              std::uint64_t* negative, std::uint64_t* tie) {
  count_votes_of(PlainVotes{voters}, voter_count, words,
                 DecideMajority{voter_count, negative, tie});
}

void count(const std::uint64_t* const* voters, std::size_t voter_count, std::size_t words,
           std::uint64_t* planes) {
  count_votes_of(PlainVotes{voters}, voter_count, words,
                 StoreCounts{bit_width(voter_count), words, planes});
}

void masked_majority(const detail::MaskedPlanes& vote, std::size_t words, std::uint64_t* negative,
                     std::uint64_t* tie) {
  const DecideMasked decide{vote.quorum, negative, tie};
  if (words < hn::MaxLanes(WordTag()) || vote.voter_count > kRegisterVoters) {
    return masked_in_memory(vote, words, decide);
  }
  if (vote.voter_count > 15) return masked_in_registers<6>(vote, words, decide);
  if (vote.voter_count > 3) return masked_in_registers<4>(vote, words, decide);
  return masked_in_registers<2>(vote, words, decide);
}

template <class D>
HWY_INLINE hn::Vec<D> add_counts_at(D d, const std::uint64_t* other, std::size_t other_count,
                                    std::uint64_t* sum, std::size_t sum_count, std::size_t words,
                                    std::size_t word) {
  hn::Vec<D> carry = hn::Zero(d);
  for (std::size_t j = 0; j < sum_count; ++j) {
    hn::Vec<D> plane = hn::LoadU(d, sum + j * words + word);
    if (j < other_count) {
      carry = full_add(plane, hn::LoadU(d, other + j * words + word), carry);
    } else {
      carry = half_add(plane, carry);
    }
    hn::StoreU(plane, d, sum + j * words + word);
  }
  return carry;
}

std::uint64_t add_counts(const std::uint64_t* other, std::size_t other_count, std::uint64_t* sum,
                         std::size_t sum_count, std::size_t words) {
  const WordTag d;
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  auto carries = hn::Zero(d);
  std::size_t word = 0;
  for (; word + kLanes <= words; word += kLanes) {
    carries = hn::Or(carries, add_counts_at(d, other, other_count, sum, sum_count, words, word));
  }
  HWY_ALIGN std::uint64_t lanes[kLanes];
  hn::Store(carries, d, lanes);
  std::uint64_t overflow = 0;
  for (std::size_t k = 0; k < kLanes; ++k) overflow |= lanes[k];
  for (; word < words; ++word) {
    overflow |=
        hn::GetLane(add_counts_at(OneWordTag(), other, other_count, sum, sum_count, words, word));
  }
  return overflow;
}

// Adds the start value of DecideMajority to the counts, then decides as it does.
template <class D>
HWY_INLINE void majority_of_counts_at(D d, const std::uint64_t* planes, std::size_t plane_count,
                                      std::size_t words, std::size_t word,
                                      const DecideMajority& decide) {
  hn::Vec<D> counter[kMaxPlanes];
  fill_counter(d, decide.start(plane_count), counter, plane_count);
  hn::Vec<D> carry = hn::Zero(d);
  for (std::size_t j = 0; j < plane_count; ++j) {
    carry = full_add(counter[j], hn::LoadU(d, planes + j * words + word), carry);
  }
  // No honest sum carries out of the last plane, but planes that came over a wire may.
  counter[plane_count - 1] = hn::Or(counter[plane_count - 1], carry);
  decide(d, word, counter, plane_count);
}

void majority_of_counts(const std::uint64_t* planes, std::size_t voter_count, std::size_t words,
                        std::uint64_t* negative, std::uint64_t* tie) {
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  const DecideMajority decide{voter_count, negative, tie};
  const std::size_t plane_count = bit_width(voter_count);
  std::size_t word = 0;
  for (; word + kLanes <= words; word += kLanes) {
    majority_of_counts_at(WordTag(), planes, plane_count, words, word, decide);
  }
  for (; word < words; ++word) {
    majority_of_counts_at(OneWordTag(), planes, plane_count, words, word, decide);
  }
}

// Where the count exceeds the voters: the borrow of voters - count.
template <class D>
HWY_INLINE hn::Vec<D> excess_at(D d, const std::uint64_t* planes, std::size_t voter_count,
                                std::size_t plane_count, std::size_t words, std::size_t word) {
  hn::Vec<D> borrow = hn::Zero(d);
  for (std::size_t j = 0; j < plane_count; ++j) {
    const hn::Vec<D> plane = hn::LoadU(d, planes + j * words + word);
    borrow = ((voter_count >> j) & 1) != 0 ? hn::And(plane, borrow) : hn::Or(plane, borrow);
  }
  return borrow;
}

bool counts_at_most(const std::uint64_t* planes, std::size_t voter_count, std::size_t words) {
  const WordTag d;
  constexpr std::size_t kLanes = hn::MaxLanes(WordTag());
  const std::size_t plane_count = bit_width(voter_count);
  auto excess = hn::Zero(d);
  std::size_t word = 0;
  for (; word + kLanes <= words; word += kLanes) {
    excess = hn::Or(excess, excess_at(d, planes, voter_count, plane_count, words, word));
  }
  HWY_ALIGN std::uint64_t lanes[kLanes];
  hn::Store(excess, d, lanes);
  std::uint64_t any = 0;
  for (std::size_t k = 0; k < kLanes; ++k) any |= lanes[k];
  for (; word < words; ++word) {
    any |= hn::GetLane(excess_at(OneWordTag(), planes, voter_count, plane_count, words, word));
  }
  return any == 0;
}

detail::VoteTable vote_table() {
  return {.majority = majority,
          .masked_majority = masked_majority,
          .count = count,
          .add_counts = add_counts,
          .majority_of_counts = majority_of_counts,
          .counts_at_most = counts_at_most};
}

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(vote_table);

constexpr std::size_t kVoterLimit = std::size_t{1} << 31;

detail::VoteTable table() { return HWY_DYNAMIC_DISPATCH(vote_table)(); }

void clear_behind(std::size_t bits, std::span<std::uint64_t> plane) {
  if (bits % 64 != 0) plane.back() &= (std::uint64_t{1} << (bits % 64)) - 1;
}

}  // namespace

void majority(std::span<const std::uint64_t* const> voters, std::size_t bits, VotePlanes out) {
  LACONIC_EXPECTS(!voters.empty());
  LACONIC_EXPECTS(voters.size() < kVoterLimit);
  LACONIC_EXPECTS(out.negative.size() == words_for(bits));
  LACONIC_EXPECTS(out.tie.size() == words_for(bits));
  table().majority(voters.data(), voters.size(), words_for(bits), out.negative.data(),
                   out.tie.data());
  clear_behind(bits, out.negative);
  clear_behind(bits, out.tie);
}

void masked_majority(const MaskedVote& vote, std::size_t bits, VotePlanes out) {
  LACONIC_EXPECTS(!vote.signs.empty());
  LACONIC_EXPECTS(vote.signs.size() < kVoterLimit);
  LACONIC_EXPECTS(vote.signs.size() == vote.masks.size());
  LACONIC_EXPECTS(out.negative.size() == words_for(bits));
  LACONIC_EXPECTS(out.tie.size() == words_for(bits));
  table().masked_majority({.signs = vote.signs.data(),
                           .masks = vote.masks.data(),
                           .voter_count = vote.signs.size(),
                           .quorum = vote.quorum},
                          words_for(bits), out.negative.data(), out.tie.data());
  clear_behind(bits, out.negative);
  clear_behind(bits, out.tie);
}

std::uint32_t count_planes_for(std::uint32_t voters) {
  return static_cast<std::uint32_t>(std::bit_width(voters));
}

void count_votes(std::span<const std::uint64_t* const> voters, std::size_t bits,
                 std::span<std::uint64_t> planes) {
  LACONIC_EXPECTS(!voters.empty());
  LACONIC_EXPECTS(voters.size() < kVoterLimit);
  const std::size_t words = words_for(bits);
  const std::uint32_t plane_count = count_planes_for(static_cast<std::uint32_t>(voters.size()));
  LACONIC_EXPECTS(planes.size() == plane_count * words);
  table().count(voters.data(), voters.size(), words, planes.data());
  for (std::uint32_t j = 0; j < plane_count; ++j) {
    clear_behind(bits, planes.subspan(j * words, words));
  }
}

void add_count_planes(std::span<const std::uint64_t> other, std::uint32_t other_count,
                      std::size_t bits, CountPlanes sum) {
  const std::size_t words = words_for(bits);
  LACONIC_EXPECTS(other_count <= sum.count);
  LACONIC_EXPECTS(other.size() == other_count * words);
  LACONIC_EXPECTS(sum.planes.size() == sum.count * words);
  const std::uint64_t overflow =
      table().add_counts(other.data(), other_count, sum.planes.data(), sum.count, words);
  LACONIC_EXPECTS(overflow == 0);
}

void majority_of_counts(std::span<const std::uint64_t> planes, std::uint32_t voters,
                        std::size_t bits, VotePlanes out) {
  LACONIC_EXPECTS(voters > 0);
  LACONIC_EXPECTS(voters < kVoterLimit);
  const std::size_t words = words_for(bits);
  LACONIC_EXPECTS(planes.size() == count_planes_for(voters) * words);
  LACONIC_EXPECTS(out.negative.size() == words);
  LACONIC_EXPECTS(out.tie.size() == words);
  table().majority_of_counts(planes.data(), voters, words, out.negative.data(), out.tie.data());
  clear_behind(bits, out.negative);
  clear_behind(bits, out.tie);
}

bool counts_at_most(std::span<const std::uint64_t> planes, std::uint32_t voters, std::size_t bits) {
  LACONIC_EXPECTS(voters > 0);
  LACONIC_EXPECTS(voters < kVoterLimit);
  LACONIC_EXPECTS(planes.size() == count_planes_for(voters) * words_for(bits));
  return table().counts_at_most(planes.data(), voters, words_for(bits));
}

}  // namespace laconic::kernels
#endif  // HWY_ONCE
