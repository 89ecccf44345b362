// SPDX-License-Identifier: Apache-2.0
// What 3pcv5 and marina have in common: with probability p everything is sent, else the compressed
// change C(x - y) (3pc.md 2.1, 2.4). They differ in what C promises and in the theory. Private to
// this layer.
//
// Body: x - h as plain numbers, or C's. The coin is derived, it does not travel.
#pragma once

#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {

enum class Coin : std::uint8_t { kShared, kWorker };

template <Real T>
class Refresh : public WithCompressor<T> {
 public:
  // p = 0: as often as makes both branches cost the same.
  Refresh(std::unique_ptr<Compressor<T>> compressor, double p, Coin coin)
      : WithCompressor<T>(std::move(compressor)), p_(p), coin_(coin) {}

  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {.previous = true}; }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const Temporary<T> step(x.values.size());
    if (refreshes(context, x.shape)) {
      difference<T>(x.values, memory.h, step.span());
      send_plain<T>(step.span(), memory.h, out);
    } else {
      for (std::size_t i = 0; i < x.values.size(); ++i) {
        step.span()[i] = x.values[i] - memory.y[i];
      }
      send<T>(this->compressor(), {step.span(), x.shape}, child(context, 0), memory.h, out);
    }
    std::copy(x.values.begin(), x.values.end(), memory.y.begin());
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    if (refreshes(context, g.shape)) return add_plain<T>(in, scale, g.values);
    return this->compressor().decode_add_wide(in, child(context, 0), scale, g);
  }

 protected:
  [[nodiscard]] double probability(Shape shape) const {
    if (p_ > 0) return p_;
    const Traits traits = this->compressor().traits(shape);
    return traits.unbiased ? 1 / (1 + traits.omega.value_or(0)) : traits.alpha.value_or(1);
  }

 private:
  // One coin per round, for all tensors alike.
  [[nodiscard]] bool refreshes(const CompressContext& context, Shape shape) const {
    CompressContext coin = child(context, 1);
    coin.tensor = 0;
    const rng::Stream stream = coin_ == Coin::kShared ? shared_stream(coin) : own_stream(coin);
    return rng::Reader(stream).unit_double() < probability(shape);
  }

  double p_;
  Coin coin_;
};

[[nodiscard]] ParamCard refresh_param();

}  // namespace laconic::mechanism
