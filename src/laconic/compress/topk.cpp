// SPDX-License-Identifier: Apache-2.0
// topk: the k entries of largest magnitude, all others 0 (3pc.md section 3). Contractive with alpha
// = k/d, which is reached when all entries have the same magnitude.
//
// Body: a sparse body of exactly k entries.
#include "laconic/compress/methods.hpp"
#include "laconic/compress/support.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::compress {
namespace {

template <Real T>
class TopK final : public Compressor<T> {
 public:
  TopK(Count count, wire::ValueFormat values) : count_(count), values_(values) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    const std::size_t size = shape.size();
    return {.alpha = static_cast<double>(count_.of(size)) / static_cast<double>(size),
            .selects = true};
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    return count_.misfit("topk", shape.size(), "the tensor");
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return wire::max_sparse_bytes(format(shape.size()));
  }

  void encode(TensorView<T> x, const CompressContext&, wire::Message& out) const override {
    thread_local Scratch<std::uint32_t> memory;  // grows to the largest k, then stays
    const wire::SparseFormat body = format(x.values.size());
    const std::span<std::uint32_t> indices = memory.take(body.max_count);
    kernels::select_top_k<T>(x.values, indices);
    write_sparse_selected<T>(body, x.values, indices, out.bytes);
    out.payload_bits += body.max_count * wire::bytes_per_value(values_) * 8;
  }

  Status decode_add(wire::WireReader& in, const CompressContext&, T scale,
                    TensorSpan<T> y) const override {
    return add_sparse<T, T>(format(y.values.size()), in, scale, y.values);
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext&, double scale,
                         TensorSpan<double> y) const override {
    return add_sparse<T, double>(format(y.values.size()), in, scale, y.values);
  }

 private:
  [[nodiscard]] wire::SparseFormat format(std::size_t size) const {
    return {.dim = size, .values = values_, .max_count = count_.of(size)};
  }

  Count count_;
  wire::ValueFormat values_;
};

}  // namespace

const Card& topk_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "topk",
      .summary = "the k entries of largest magnitude; of equal ones the first",
      .formula = "C(v)_j = v_j for the k largest |v_j|, else 0",
      .paper =
          "Alistarh et al.: The Convergence of Sparsified Gradient Methods, NeurIPS 2018, "
          "arXiv 1809.10505; Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {count_param(), values_param()},
      .promises = "contractive with alpha = k/d",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_topk(const Args& args, const CompressorSetup&) {
  return std::make_unique<TopK<T>>(count_of(args), values_format<T>(args));
}
template std::unique_ptr<Compressor<float>> make_topk(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_topk(const Args&, const CompressorSetup&);

std::vector<std::string> topk_problems(const Args& args, std::uint32_t) {
  return count_problems(args);
}

}  // namespace laconic::compress
