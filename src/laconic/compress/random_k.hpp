// SPDX-License-Identifier: Apache-2.0
// The entries of a uniform random k-subset, times a factor: what randk and crandk share.
#pragma once

#include "laconic/compress/methods.hpp"
#include "laconic/compress/subset.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

// Body: the k numbers in increasing order of their index; the receiver derives the indices from the
// context. With `indices` a sparse body of exactly k entries instead. The factor is not sent.
struct RandomKOptions {
  std::string_view method = {};
  Count count = Count(1);
  wire::ValueFormat values = wire::ValueFormat::kF32;
  bool scaled = false;  // times d/k: unbiased; else contractive
  bool indices = false;
  bool correlated = false;  // all workers draw the same subset
  std::uint32_t workers = 1;
};

template <Real T>
class RandomK final : public Compressor<T> {
 public:
  explicit RandomK(const RandomKOptions& options) : options_(options) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    const double size = static_cast<double>(shape.size());
    const double count = static_cast<double>(options_.count.of(shape.size()));
    Traits out = {.alpha = count / size, .randomized = true, .selects = true};
    if (options_.scaled) {
      const double omega = size / count - 1;
      out =
          options_.correlated ? correlated_traits(omega) : unbiased_traits(omega, options_.workers);
    }
    if (options_.correlated && !options_.indices) out.combine = Combine::kSumPayloads;
    return out;
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    return options_.count.misfit(options_.method, shape.size(), "the tensor");
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    const wire::SparseFormat body = format(shape.size());
    return options_.indices ? wire::max_sparse_bytes(body)
                            : body.max_count * wire::bytes_per_value(body.values);
  }

  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    const wire::SparseFormat body = format(x.values.size());
    const auto indices = subset(context, body);
    if (options_.indices) {
      write_sparse_selected<T>(body, x.values, indices, out.bytes);
    } else {
      write_selected<T>(body.values, x.values, indices, out.bytes);
    }
    out.payload_bits += body.max_count * wire::bytes_per_value(body.values) * 8;
  }

  Status decode_add(wire::WireReader& in, const CompressContext& context, T scale,
                    TensorSpan<T> y) const override {
    return add<T>(in, context, scale, y.values);
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext& context, double scale,
                         TensorSpan<double> y) const override {
    return add<double>(in, context, scale, y.values);
  }

 private:
  [[nodiscard]] wire::SparseFormat format(std::size_t size) const {
    return {.dim = size, .values = options_.values, .max_count = options_.count.of(size)};
  }
  [[nodiscard]] std::span<const std::uint32_t> subset(const CompressContext& context,
                                                      const wire::SparseFormat& body) const {
    return random_subset(options_.correlated ? shared_stream(context) : own_stream(context),
                         body.dim, body.max_count);
  }
  template <class Sum>
  Status add(wire::WireReader& in, const CompressContext& context, Sum scale,
             std::span<Sum> y) const {
    const wire::SparseFormat body = format(y.size());
    if (options_.scaled) {
      scale *=
          static_cast<Sum>(static_cast<double>(body.dim) / static_cast<double>(body.max_count));
    }
    if (options_.indices) return add_sparse<T, Sum>(body, in, scale, y);
    return add_selected<T, Sum>(body.values, in, subset(context, body), scale, y);
  }

  RandomKOptions options_;
};

[[nodiscard]] std::vector<ParamCard> random_k_params();
template <Real T>
[[nodiscard]] RandomKOptions random_k_options(const Args& args, const CompressorSetup& setup) {
  return {.count = count_of(args),
          .values = values_format<T>(args),
          .indices = args.flag("indices"),
          .correlated = args.flag("correlated"),
          .workers = setup.workers};
}

}  // namespace laconic::compress
