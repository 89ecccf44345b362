// SPDX-License-Identifier: Apache-2.0
// A text whose entropy is known, so that the perplexity of a language model has a floor to be
// compared with.
#include <algorithm>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/data/generate.hpp"
#include "laconic/data/generate_support.hpp"
#include "laconic/data/load.hpp"

namespace laconic::data {
namespace {

constexpr std::uint64_t kMaxTransitions = std::uint64_t{1} << 24;
constexpr double kMaxSymbols = 4096;
constexpr double kMaxOrder = 8;
constexpr double kMaxTokens = 65536;
constexpr double kMaxExponent = 100;

// Of the ranks, from the first to the last.
std::vector<double> probabilities(const TextSourceOptions& options) {
  std::vector<double> out(options.symbols);
  double sum = 0;
  for (std::uint32_t r = 0; r < options.symbols; ++r) {
    out[r] = exact::exp(-options.exponent * exact::log(r + 1.0));
    sum += out[r];
  }
  for (double& probability : out) probability /= sum;
  return out;
}

class SymbolSource {
 public:
  explicit SymbolSource(const TextSourceOptions& options)
      : options_(options), cumulated_(probabilities(options)) {
    std::partial_sum(cumulated_.begin(), cumulated_.end(), cumulated_.begin());
    for (std::uint32_t i = 0; i < options.order; ++i) contexts_ *= options.symbols;
    followers_.resize(std::size_t{contexts_} * options.symbols);
    for (std::uint32_t c = 0; c < contexts_; ++c) {
      const auto ranking =
          std::span(followers_).subspan(std::size_t{c} * options.symbols, options.symbols);
      std::iota(ranking.begin(), ranking.end(), 0U);
      rng::permute(common_stream(options.seed, kSourceTensor, c), ranking);
    }
  }

  [[nodiscard]] Examples generate(Split split, std::uint32_t count) const {
    Examples out;
    DenseRows rows;
    rows.features = options_.context;
    rows.values.reserve(std::size_t{count} * options_.context);
    out.classes.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      rng::Reader reader(row_stream(options_.seed, split, i));
      auto context = static_cast<std::uint32_t>(reader.below(contexts_));
      for (std::uint32_t t = 0; t < options_.context; ++t)
        rows.values.push_back(static_cast<float>(next(reader, context)));
      out.classes.push_back(next(reader, context));
    }
    out.rows = std::move(rows);
    return out;
  }

 private:
  // A context is the last `order` symbols as the digits of a number; the oldest one falls out.
  std::uint32_t next(rng::Reader& reader, std::uint32_t& context) const {
    const double target = reader.unit_double();
    const auto it = std::upper_bound(cumulated_.begin(), cumulated_.end() - 1, target);
    const auto rank = static_cast<std::size_t>(it - cumulated_.begin());
    const std::uint32_t symbol = followers_[std::size_t{context} * options_.symbols + rank];
    const std::uint64_t longer = std::uint64_t{context} * options_.symbols + symbol;
    context = static_cast<std::uint32_t>(longer % contexts_);
    return symbol;
  }

  const TextSourceOptions& options_;
  std::vector<double> cumulated_;         // probabilities of the ranks
  std::uint32_t contexts_ = 1;            // symbols^order
  std::vector<std::uint32_t> followers_;  // contexts x ranks
};

}  // namespace

double synthetic_text_entropy(const TextSourceOptions& options) {
  double entropy = 0;
  for (const double p : probabilities(options)) {
    if (p > 0) entropy -= p * exact::log(p);
  }
  return entropy;
}

Dataset synthetic_text(const TextSourceOptions& options) {
  constexpr std::string_view kName = "synthetic-text";
  check(options.rows, {kName, "rows", 1, kMaxRows});
  check(options.test_rows, {kName, "test_rows", 0, kMaxRows});
  check(options.context, {kName, "context", 1, kMaxTokens});
  check(options.symbols, {kName, "symbols", 2, kMaxSymbols});
  check(options.order, {kName, "order", 1, kMaxOrder});
  check(options.exponent, {kName, "exponent", 0, kMaxExponent});
  check_entries(kName, std::uint64_t{options.rows} + options.test_rows, options.context);
  std::uint64_t transitions = 1;
  for (std::uint32_t i = 0; i <= options.order && transitions <= kMaxTransitions; ++i)
    transitions *= options.symbols;
  if (transitions > kMaxTransitions) {
    throw ConfigError(fmt::format(
        "{}: symbols={} with order={} are more than {} transitions; take fewer symbols or a "
        "smaller order",
        kName, options.symbols, options.order, kMaxTransitions));
  }
  const SymbolSource source(options);
  Dataset out;
  out.name = kName;
  out.label_kind = LabelKind::kClasses;
  out.class_count = options.symbols;
  out.tokens = true;
  out.train = source.generate(Split::kTrain, options.rows);
  out.test = source.generate(Split::kTest, options.test_rows);
  out.description = summarize(out);
  return out;
}

DataMethod synthetic_text_method() {
  static const Card card{
      .kind = "data",
      .name = "synthetic-text",
      .summary = "Generated windows of tokens from a random source with a known entropy",
      .params = {
          {"rows", ParamType::kInteger, "2000", "the number of training rows", 1, kMaxRows},
          {"test_rows", ParamType::kInteger, "200", "the number of test rows", 0, kMaxRows},
          {"context", ParamType::kInteger, "32", "the number of tokens of a row", 1, kMaxTokens},
          {"symbols", ParamType::kInteger, "16", "the number of types of tokens", 2, kMaxSymbols},
          {"order", ParamType::kInteger, "1", "how many tokens the next one depends on", 1,
           kMaxOrder},
          {"exponent", ParamType::kReal, "2", "how fast probabilities fall; 0: pure chance", 0,
           kMaxExponent}}};
  return {&card, [](const Args& args, const DataSetup& setup) {
            return std::make_unique<Dataset>(
                synthetic_text({.rows = static_cast<std::uint32_t>(args.integer("rows")),
                                .test_rows = static_cast<std::uint32_t>(args.integer("test_rows")),
                                .context = static_cast<std::uint32_t>(args.integer("context")),
                                .symbols = static_cast<std::uint32_t>(args.integer("symbols")),
                                .order = static_cast<std::uint32_t>(args.integer("order")),
                                .exponent = args.real("exponent"),
                                .seed = setup.seed}));
          }};
}

}  // namespace laconic::data
