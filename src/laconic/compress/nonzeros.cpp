// SPDX-License-Identifier: Apache-2.0
// nonzeros: the numbers that are not 0, and where they stand. Without loss; the yardstick for
// quantizers of sparse gradients, as identity is for those of dense ones.
//
// Body: a sparse body.
#include <cmath>

#include "laconic/compress/methods.hpp"
#include "laconic/compress/support.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::compress {
namespace {

template <Real T>
class Nonzeros final : public Compressor<T> {
 public:
  [[nodiscard]] Traits traits(Shape) const override {
    return {.unbiased = true,
            .omega = 0.0,
            .alpha = 1.0,
            .joint = Joint{},
            .selects = true,
            .sparse = true};
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return wire::max_sparse_bytes(format(shape.size()));
  }

  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    thread_local SparseVector<T> numbers;  // grows to the largest tensor, then stays
    numbers.clear();
    numbers.reserve(x.values.size());  // how many there are varies; memory shall not
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      if (x.values[i] != 0) numbers.push(static_cast<std::uint32_t>(i), x.values[i]);
    }
    encode_sparse(numbers.view(x.values.size()), context, out);
  }
  void encode_sparse(const SparseView<T>& x, const CompressContext&,
                     wire::Message& out) const override {
    wire::make_room(out.bytes, wire::max_sparse_bytes(format(x.dim)));
    wire::write_sparse<T>(format(x.dim), x.indices, x.values, out.bytes);
    out.payload_bits += 8 * sizeof(T) * x.values.size();
  }

  Status decode_add(wire::WireReader& in, const CompressContext& context, T scale,
                    TensorSpan<T> y) const override {
    return add<T>(in, context, scale, y.values);
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext& context, double scale,
                         TensorSpan<double> y) const override {
    return add<double>(in, context, scale, y.values);
  }
  Status decode_sparse(wire::WireReader& in, const CompressContext&, std::size_t dim,
                       SparseVector<T>& y) const override {
    wire::read_sparse<T>(format(dim), in, y);
    return in.status();
  }

 private:
  [[nodiscard]] static wire::SparseFormat format(std::size_t size) {
    return {.dim = size, .values = wire::native_format<T>(), .max_count = size};
  }
  template <class Sum>
  Status add(wire::WireReader& in, const CompressContext& context, Sum scale,
             std::span<Sum> y) const {
    thread_local SparseVector<T> body;  // grows to the longest body, then stays
    const std::size_t start = in.position();
    if (Status status = decode_sparse(in, context, y.size(), body); !status) return status;
    if (!std::isfinite(scale * static_cast<Sum>(kernels::absmax<T>(body.values)))) {
      in.fail_at(start, Fault::kNonFinite);
      return in.status();
    }
    for (std::size_t j = 0; j < body.size(); ++j)
      y[body.indices[j]] += scale * static_cast<Sum>(body.values[j]);
    return {};
  }
};

}  // namespace

const Card& nonzeros_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "nonzeros",
      .summary = "the numbers that are not 0 and their places, without loss",
      .formula = "C(v) = v",
      .promises = "unbiased with omega = 0; contractive with alpha = 1",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_nonzeros(const Args&, const CompressorSetup&) {
  return std::make_unique<Nonzeros<T>>();
}
template std::unique_ptr<Compressor<float>> make_nonzeros(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_nonzeros(const Args&, const CompressorSetup&);

std::vector<std::string> nonzeros_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
