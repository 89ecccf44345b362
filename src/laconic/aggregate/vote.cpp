// SPDX-License-Identifier: Apache-2.0
// vote: signSGD and Signum with majority vote (Bernstein et al., ICLR 2019; signsgd.md 2.3 to 2.8).
// Every worker sends the signs of its momentum, every shard of the server returns the majority of
// its coordinates: one bit per coordinate in both directions (two where zeros or ties are told
// apart). direction is +1, -1 or 0. The sign is taken of v <- beta v + (1 - beta) g with the new v;
// beta = 0 is signSGD.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/kept_messages.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/optim/warmup.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

enum class ZeroRule : std::uint8_t { kPositive, kRandom, kAbstain };  // sign of a worker's zero
enum class TieRule : std::uint8_t { kPositive, kRandom, kZero };      // outcome of a tied vote

struct Rules {
  double beta = 0;
  ZeroRule zero = ZeroRule::kPositive;
  TieRule tie = TieRule::kPositive;
  std::uint32_t quorum = 0;
  std::uint64_t warmup_rounds = 0;
  std::uint32_t shards = 1;
};

// 64 fair bits for word `index` of the plane.
std::uint64_t random_word(const rng::Stream& stream, std::uint64_t index) {
  return std::uint64_t{stream.word(2 * index)} | (std::uint64_t{stream.word(2 * index + 1)} << 32);
}

std::uint64_t valid_bits(std::size_t bits, std::size_t word) {
  const std::size_t rest = bits - word * 64;
  return rest >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << rest) - 1;
}

template <Real T>
class Vote final : public Aggregator<T> {
 public:
  Vote(const AggregatorSetup& setup, const Rules& rules)
      : setup_(setup),
        rules_(rules),
        exchange_(setup, even_shards(setup.layout->size(), rules.shards, setup.workers)),
        kept_(setup),
        words_(kernels::words_for(setup.layout->size())) {
    if (rules_.beta > 0)
      momentum_.assign(setup.mine.size(), AlignedVector<T>(setup.layout->size(), T{0}));
    signs_.resize(words_);
    mask_.resize(words_);
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    const wire::Kind up = abstains() ? wire::Kind::kSignMask : wire::Kind::kSign;
    const wire::Kind down =
        rules_.tie == TieRule::kZero ? wire::Kind::kSignMask : wire::Kind::kSign;
    exchange_.begin(round);
    if (exchange_.finite<T>(mine)) {
      for (const WorkerGradient<T>& gradient : mine) send_votes(round, gradient, up);
    }
    exchange_.deliver_uplink(up, 0, comm);
    for (OwnedShard& shard : exchange_.owned()) count_votes(round, shard, down);
    exchange_.deliver_downlink(down, 0, comm);
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) read_result(s, direction);
    return exchange_.report();
  }

  void state(wire::StateArchive& archive) override { archive.rows("momentum", momentum_); }
  [[nodiscard]] std::span<const T> message_of(std::uint32_t worker) const override {
    return kept_.of(worker);
  }

 private:
  [[nodiscard]] bool abstains() const { return rules_.zero == ZeroRule::kAbstain; }

  void send_votes(const Round& round, const WorkerGradient<T>& gradient, wire::Kind kind) {
    pack(round, gradient);
    const bool masked = kind == wire::Kind::kSignMask;
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      const Shard& shard = exchange_.plan()[s];
      wire::Message& message = exchange_.open_uplink(gradient.worker, s, kind, 0);
      wire::WireWriter writer(message.bytes);
      if (masked) writer.words(plane_slice(mask_, shard));
      writer.words(plane_slice(signs_, shard));
      message.payload_bits += shard.size() * (masked ? 2 : 1);
      exchange_.close_uplink();
    }
    if (!kept_.kept()) return;
    if (masked) {
      kernels::unpack_masked_signs<T>(signs_, mask_, T{1}, kept_.of(gradient.worker));
    } else {
      kernels::unpack_signs<T>(signs_, T{1}, kept_.of(gradient.worker));
    }
  }

  static std::span<const std::uint64_t> plane_slice(std::span<const std::uint64_t> plane,
                                                    const Shard& shard) {
    return plane.subspan(shard.begin / 64, kernels::words_for(shard.size()));
  }

  // Fills signs_ (and mask_ where zeros matter) with the worker's votes.
  void pack(const Round& round, const WorkerGradient<T>& gradient) {
    std::span<const T> voted = gradient.values;
    if (rules_.beta > 0) {
      const std::span<T> v = momentum_[gradient.worker - setup_.mine.begin];
      const bool warming_up = round.index < rules_.warmup_rounds;
      if (rules_.zero == ZeroRule::kPositive && !warming_up) {
        kernels::momentum_pack_signs<T>(rules_.beta, gradient.values, v, signs_);
        return;
      }
      kernels::axpby<T>(static_cast<T>(1.0 - rules_.beta), gradient.values,
                        static_cast<T>(rules_.beta), v);
      if (!warming_up) voted = v;
    }
    if (rules_.zero == ZeroRule::kPositive) {
      kernels::pack_signs<T>(voted, signs_);
      return;
    }
    kernels::pack_signs_and_mask<T>(voted, signs_, mask_);
    if (rules_.zero == ZeroRule::kAbstain) return;
    const rng::Stream stream(setup_.seed,
                             {rng::Purpose::kZeroSign, gradient.worker, round.index, 0});
    for (std::size_t w = 0; w < words_; ++w) {
      const std::uint64_t zeros = ~mask_[w] & valid_bits(voted.size(), w);
      if (zeros != 0) signs_[w] |= zeros & random_word(stream, w);
    }
  }

  // Reads the ballots of one shard: signs_of_[i] and masks_of_[i] for the i-th voter that can be
  // read.
  void read_ballots(OwnedShard& shard) {
    const std::size_t bits = exchange_.plan()[shard.shard].size();
    const std::size_t words = kernels::words_for(bits);
    const std::size_t planes = abstains() ? 2 : 1;
    const std::span<std::uint64_t> ballots = ballots_.take(words * planes * setup_.workers);
    signs_of_.clear();
    masks_of_.clear();
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (shard.inbox.present[worker] == 0) continue;
      const std::span<std::uint64_t> ballot =
          ballots.subspan(words * planes * worker, words * planes);
      wire::WireReader reader(shard.inbox.payloads[worker]);
      const std::span<std::uint64_t> mask = ballot.first(words * (planes - 1));
      const std::span<std::uint64_t> signs = ballot.last(words);
      if (abstains()) {
        wire::read_masked_signs(reader, bits, {.mask = mask, .signs = signs});
      } else {
        wire::read_plane(reader, bits, signs);
      }
      if (Status status = reader.finish(); !status) {
        exchange_.refusals().add(status);
        continue;
      }
      signs_of_.push_back(signs.data());
      if (abstains()) masks_of_.push_back(mask.data());
    }
  }

  void count_votes(const Round& round, OwnedShard& shard, wire::Kind down) {
    const Shard& slice = exchange_.plan()[shard.shard];
    const std::size_t words = kernels::words_for(slice.size());
    read_ballots(shard);
    const std::span<std::uint64_t> negative = negative_.take(words);
    const std::span<std::uint64_t> tie = tie_.take(words);
    decide(slice.size(), negative, tie);
    count_agreement(slice.size(), negative, tie);
    wire::Message& message = exchange_.open_downlink(shard.shard, down, 0);
    wire::WireWriter writer(message.bytes);
    if (rules_.tie == TieRule::kZero) {
      for (std::size_t w = 0; w < words; ++w)
        tie[w] = ~tie[w] & valid_bits(slice.size(), w);  // now the mask
      writer.words(tie);
      message.payload_bits += slice.size();
    } else if (rules_.tie == TieRule::kRandom) {
      const rng::Stream stream(setup_.seed, {rng::Purpose::kTie, 0, round.index, 0});
      for (std::size_t w = 0; w < words; ++w) {
        if (tie[w] != 0) negative[w] |= tie[w] & random_word(stream, slice.begin / 64 + w);
      }
    }
    writer.words(negative);
    message.payload_bits += slice.size();
    exchange_.close_downlink();
  }

  void decide(std::size_t bits, std::span<std::uint64_t> negative, std::span<std::uint64_t> tie) {
    const kernels::VotePlanes out = {.negative = negative, .tie = tie};
    if (signs_of_.empty()) {  // every ballot was refused: all coordinates are tied
      std::fill(negative.begin(), negative.end(), 0);
      for (std::size_t w = 0; w < tie.size(); ++w) tie[w] = valid_bits(bits, w);
      return;
    }
    if (!abstains() && rules_.quorum == 0) {
      kernels::majority(signs_of_, bits, out);
      return;
    }
    if (!abstains()) {  // a quorum counts margins: everybody votes everywhere
      const std::span<std::uint64_t> ones = everybody_.take(kernels::words_for(bits));
      for (std::size_t w = 0; w < ones.size(); ++w) ones[w] = valid_bits(bits, w);
      masks_of_.assign(signs_of_.size(), ones.data());
    }
    kernels::masked_majority({.signs = signs_of_, .masks = masks_of_, .quorum = rules_.quorum},
                             bits, out);
  }

  void count_agreement(std::size_t bits, std::span<const std::uint64_t> negative,
                       std::span<const std::uint64_t> tie) {
    RoundReport& report = exchange_.report();
    for (std::size_t voter = 0; voter < signs_of_.size(); ++voter) {
      for (std::size_t w = 0; w < negative.size(); ++w) {
        const std::uint64_t cast = masks_of_.empty() ? valid_bits(bits, w) : masks_of_[voter][w];
        report.votes += static_cast<std::uint64_t>(std::popcount(cast));
        report.agreeing_votes += static_cast<std::uint64_t>(
            std::popcount(~(signs_of_[voter][w] ^ negative[w]) & cast & ~tie[w]));
      }
    }
  }

  void read_result(std::size_t s, std::span<T> direction) {
    const Shard& shard = exchange_.plan()[s];
    const std::span<T> slice = direction.subspan(shard.begin, shard.size());
    const std::size_t words = kernels::words_for(shard.size());
    wire::WireReader reader(exchange_.result(s));
    const std::span<std::uint64_t> mask = std::span<std::uint64_t>(mask_).first(words);
    const std::span<std::uint64_t> signs = std::span<std::uint64_t>(signs_).first(words);
    const bool masked = rules_.tie == TieRule::kZero;
    if (masked) {
      wire::read_masked_signs(reader, shard.size(), {.mask = mask, .signs = signs});
    } else {
      wire::read_plane(reader, shard.size(), signs);
    }
    if (Status status = reader.finish(); !status) exchange_.bad_result(s, status);
    if (masked) {
      kernels::unpack_masked_signs<T>(signs, mask, T{1}, slice);
    } else {
      kernels::unpack_signs<T>(signs, T{1}, slice);
    }
  }

  AggregatorSetup setup_;
  Rules rules_;
  ShardedExchange exchange_;
  KeptMessages<T> kept_;
  std::size_t words_;
  std::vector<AlignedVector<T>> momentum_;  // by hosted worker
  AlignedVector<std::uint64_t> signs_;
  AlignedVector<std::uint64_t> mask_;
  Scratch<std::uint64_t> ballots_;
  Scratch<std::uint64_t> negative_;
  Scratch<std::uint64_t> tie_;
  Scratch<std::uint64_t> everybody_;
  std::vector<const std::uint64_t*> signs_of_;
  std::vector<const std::uint64_t*> masks_of_;
};

}  // namespace

const Card& vote_card() {
  static const Card card = {
      .kind = "aggregator",
      .name = "vote",
      .summary = "signSGD / Signum with majority vote: one bit per coordinate up and down",
      .formula =
          "v_i <- beta v_i + (1 - beta) g_i; message sign(v_i)\n"
          "direction = sign(sum of the messages); quorum=q: 0 where |sum| < q\n"
          "warmup=true: message sign(g_i) in the first rounds",
      .paper =
          "Bernstein, Zhao, Azizzadenesheli, Anandkumar: signSGD with Majority Vote is "
          "Communication Efficient and "
          "Fault Tolerant, ICLR 2019, arXiv 1810.05291",
      .params =
          {{.key = "beta",
            .type = ParamType::kReal,
            .default_text = "0",
            .help = "the momentum of each worker, whose sign is sent; 0 is signSGD, 0.9 the usual "
                    "Signum",
            .min = 0,
            .max = 1,
            .max_open = true},
           {.key = "zero",
            .type = ParamType::kChoice,
            .default_text = "pos",
            .help = "what a worker sends for a zero: pos (+1), random, or abstain (a second bit "
                    "plane). Sparse "
                    "data needs random or abstain, else absent features drift",
            .choices = {"pos", "random", "abstain"}},
           {.key = "tie",
            .type = ParamType::kChoice,
            .default_text = "pos",
            .help =
                "the outcome of a tied vote: pos (+1), random, or zero (a second bit plane down)",
            .choices = {"pos", "random", "zero"}},
           {.key = "quorum",
            .type = ParamType::kInteger,
            .default_text = "0",
            .help = "the margin below which the outcome is zero; needs tie=zero",
            .min = 0,
            .max = 1e9},
           {.key = "warmup",
            .type = ParamType::kFlag,
            .default_text = "false",
            .help = "vote with the gradient's signs while the momentum fills, for the rounds of "
                    "the theorem"},
           shards_param()},
      .promises = "direction in {-1, 0, +1}; equal to the sign of the sum of the workers' signs",
  };
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_vote(const Args& args, const AggregatorSetup& setup) {
  Rules rules;
  rules.beta = args.real("beta");
  const std::string& zero = args.text("zero");
  rules.zero = zero == "pos"      ? ZeroRule::kPositive
               : zero == "random" ? ZeroRule::kRandom
                                  : ZeroRule::kAbstain;
  const std::string& tie = args.text("tie");
  rules.tie = tie == "pos"      ? TieRule::kPositive
              : tie == "random" ? TieRule::kRandom
                                : TieRule::kZero;
  rules.quorum = static_cast<std::uint32_t>(args.integer("quorum"));
  if (args.flag("warmup")) rules.warmup_rounds = signum_warmup_rounds(rules.beta);
  rules.shards = shard_count(args, setup.workers);
  return std::make_unique<Vote<T>>(setup, rules);
}
template std::unique_ptr<Aggregator<float>> make_vote(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_vote(const Args&, const AggregatorSetup&);

std::vector<std::string> vote_problems(const Args& args, std::uint32_t workers, const Layout*) {
  std::vector<std::string> out = shards_problems(args, workers);
  if (args.integer("quorum") > 0 && args.text("tie") != "zero") {
    out.push_back(fmt::format(
        "vote: quorum={} needs tie=zero, because an outcome without quorum is zero; add tie=zero",
        args.integer("quorum")));
  }
  if (args.integer("quorum") > static_cast<std::int64_t>(workers)) {
    out.push_back(
        fmt::format("vote: quorum={} can never be reached with {} workers; use at most {}",
                    args.integer("quorum"), workers, workers));
  }
  if (args.flag("warmup") && args.real("beta") == 0) {
    out.push_back(
        "vote: warmup=true has no meaning with beta=0; leave it out or give a momentum such as "
        "beta=0.9");
  }
  return out;
}

std::optional<StepTheory> vote_theory(const Args&, const AggregatorSetup&) { return std::nullopt; }

AggregatorNeeds vote_needs(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::aggregate
