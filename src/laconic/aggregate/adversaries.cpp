// SPDX-License-Identifier: Apache-2.0
// The adversaries of signsgd.md 2.11, each a few lines, with their cards and their list.
#include <algorithm>
#include <vector>

#include "laconic/aggregate/adversary.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

ParamCard count_param() {
  return {.key = "count",
          .type = ParamType::kInteger,
          .default_text = "1",
          .help = "how many workers lie: those with the lowest numbers",
          .min = 0,
          .max = 1e6};
}

Card card(std::string_view name, std::string_view summary, std::vector<ParamCard> params = {}) {
  params.insert(params.begin(), count_param());
  return {.kind = "adversary", .name = name, .summary = summary, .params = std::move(params)};
}

template <Real T>
class Counted : public Adversary<T> {
 public:
  Counted(const Args& args, const AdversarySetup& setup)
      : setup_(setup), count_(static_cast<std::uint32_t>(args.integer("count"))) {}
  [[nodiscard]] bool corrupts(std::uint32_t worker) const override { return worker < count_; }

 protected:
  [[nodiscard]] rng::Stream stream(const AdversaryInput<T>& input) const {
    return {setup_.seed, {rng::Purpose::kAdversary, input.worker, input.round.index, 0}};
  }
  AdversarySetup setup_;

 private:
  std::uint32_t count_;
};

template <Real T>
void negate_random_coordinates(const rng::Stream& stream, std::span<T> gradient) {
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    if (((stream.word(i / 32) >> (i % 32)) & 1U) != 0) gradient[i] = -gradient[i];
  }
}

template <Real T>
class Invert final : public Counted<T> {
 public:
  using Counted<T>::Counted;
  void corrupt(const AdversaryInput<T>&, std::span<T> gradient) override {
    kernels::scale<T>(T{-1}, gradient);
  }
};

template <Real T>
class Random final : public Counted<T> {
 public:
  using Counted<T>::Counted;
  void corrupt(const AdversaryInput<T>& input, std::span<T> gradient) override {
    std::fill(gradient.begin(), gradient.end(), T{1});
    negate_random_coordinates(this->stream(input), gradient);
  }
};

template <Real T>
class ZeroPos final : public Counted<T> {
 public:
  using Counted<T>::Counted;
  void corrupt(const AdversaryInput<T>&, std::span<T> gradient) override {
    std::fill(gradient.begin(), gradient.end(), T{1});
  }
};

// Sends the gradient of `lag` rounds ago; in the first rounds the oldest that there is.
template <Real T>
class Stale final : public Counted<T> {
 public:
  Stale(const Args& args, const AdversarySetup& setup)
      : Counted<T>(args, setup),
        lag_(static_cast<std::size_t>(args.integer("lag"))),
        past_(setup.mine.size()) {}
  void corrupt(const AdversaryInput<T>& input, std::span<T> gradient) override {
    std::vector<std::vector<T>>& past = past_[input.worker - this->setup_.mine.begin];
    const std::size_t round = input.round.index;
    if (past.size() <= lag_) {
      past.emplace_back(gradient.begin(), gradient.end());
      std::copy(past.front().begin(), past.front().end(), gradient.begin());
      return;
    }
    std::vector<T>& slot = past[round % (lag_ + 1)];  // holds what is about to become too old
    std::copy(gradient.begin(), gradient.end(), slot.begin());
    const std::vector<T>& old = past[(round + 1) % (lag_ + 1)];
    std::copy(old.begin(), old.end(), gradient.begin());
  }

 private:
  std::size_t lag_;
  std::vector<std::vector<std::vector<T>>> past_;  // by hosted worker, ring of lag + 1 gradients
};

template <Real T>
class Oracle final : public Counted<T> {
 public:
  using Counted<T>::Counted;
  [[nodiscard]] bool needs_true_gradient() const override { return true; }
  void corrupt(const AdversaryInput<T>& input, std::span<T> gradient) override {
    std::transform(input.true_gradient.begin(), input.true_gradient.end(), gradient.begin(),
                   [](T g) { return -g; });
  }
};

template <Real T>
class Scale final : public Counted<T> {
 public:
  Scale(const Args& args, const AdversarySetup& setup)
      : Counted<T>(args, setup),
        factor_(static_cast<T>(args.real("factor"))),
        random_signs_(args.flag("random_signs")) {}
  void corrupt(const AdversaryInput<T>& input, std::span<T> gradient) override {
    kernels::scale<T>(factor_, gradient);
    if (random_signs_) negate_random_coordinates(this->stream(input), gradient);
  }

 private:
  T factor_;
  bool random_signs_;
};

template <Real T>
class Gaussian final : public Counted<T> {
 public:
  Gaussian(const Args& args, const AdversarySetup& setup)
      : Counted<T>(args, setup), deviation_(args.real("deviation")) {}
  void corrupt(const AdversaryInput<T>& input, std::span<T> gradient) override {
    rng::fill_normal(this->stream(input), {.mean = 0, .deviation = deviation_}, gradient);
  }

 private:
  double deviation_;
};

// The cards, in the order of the list below.
const std::vector<Card>& cards() {
  static const std::vector<Card> all = {
      card("invert", "negates its gradient"),
      card("random", "sends fair random signs instead of its gradient"),
      card("zero-pos", "sends +1 everywhere"),
      card("stale", "sends its gradient of some rounds ago",
           {{.key = "lag",
             .type = ParamType::kInteger,
             .default_text = "10",
             .help = "how many rounds ago",
             .min = 1,
             .max = 10000}}),
      card("oracle", "knows the gradient of the whole objective and sends its negative"),
      card(
          "scale", "multiplies its gradient",
          {{.key = "factor", .type = ParamType::kReal, .default_text = "-10", .help = "the factor"},
           {.key = "random_signs",
            .type = ParamType::kFlag,
            .default_text = "false",
            .help = "also negates coordinates at random"}}),
      card("gaussian", "sends Gaussian noise instead of its gradient",
           {{.key = "deviation",
             .type = ParamType::kReal,
             .default_text = "1",
             .help = "the standard deviation",
             .min = 0}}),
  };
  return all;
}

template <Real T, template <Real> class A>
std::unique_ptr<Adversary<T>> make(const Args& args, const AdversarySetup& setup) {
  return std::make_unique<A<T>>(args, setup);
}

}  // namespace

template <Real T>
const AdversaryRegistry<T>& adversaries() {
  static const AdversaryRegistry<T> registry({{&cards()[0], &make<T, Invert>},
                                              {&cards()[1], &make<T, Random>},
                                              {&cards()[2], &make<T, ZeroPos>},
                                              {&cards()[3], &make<T, Stale>},
                                              {&cards()[4], &make<T, Oracle>},
                                              {&cards()[5], &make<T, Scale>},
                                              {&cards()[6], &make<T, Gaussian>}});
  return registry;
}
template const AdversaryRegistry<float>& adversaries<float>();
template const AdversaryRegistry<double>& adversaries<double>();

void add_adversary_cards(Catalog& catalog) {
  for (const Card& each : cards()) catalog.add(each);
}

}  // namespace laconic
