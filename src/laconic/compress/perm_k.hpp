// SPDX-License-Identifier: Apache-2.0
// What permk, cpermk, randperm_block and randperm_global share: every worker sends coordinates of
// its own share of a division that all workers know (3pc.md sections 2.4 and 3).
//
// Body: the numbers alone; the receiver derives the indices and the factor from the context. In
// the order of the shuffled coordinates (all of the share), of the drawn places in it (block), or
// of the index (global).
#pragma once

#include "laconic/compress/division.hpp"
#include "laconic/compress/methods.hpp"
#include "laconic/compress/subset.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

enum class Thinning : std::uint8_t {
  kNone,    // the whole share is sent
  kBlock,   // k random coordinates of the share
  kGlobal,  // those of k random coordinates of the tensor that lie in the share
};

struct PermKOptions {
  std::string_view method = {};
  Thinning thinning = Thinning::kNone;
  Count count = Count(1);  // k of the thinning
  bool scaled = true;
  bool drop = false;
  wire::ValueFormat values = wire::ValueFormat::kF32;
  std::uint32_t workers = 1;
};

// The promise of these methods; the formulas are derived in perm_k.cpp.
[[nodiscard]] Traits perm_k_traits(const PermKOptions& options, std::size_t size);

// The entries that a worker sends in a round, and what the receiver multiplies them by.
struct Selection {
  std::span<const std::uint32_t> indices = {};
  double factor = 1;
};
// The span is valid until the thread's next call.
[[nodiscard]] Selection perm_k_selection(const PermKOptions& options, std::size_t size,
                                         const CompressContext& context);
// How many coordinates the thinning draws: k.
[[nodiscard]] std::size_t perm_k_draws(const PermKOptions& options, std::size_t size);
[[nodiscard]] std::size_t perm_k_max_entries(const PermKOptions& options, std::size_t size);
[[nodiscard]] std::string perm_k_misfit(const PermKOptions& options, std::size_t size);

[[nodiscard]] ParamCard ragged_param();

template <Real T>
class PermK final : public Compressor<T> {
 public:
  explicit PermK(const PermKOptions& options) : options_(options) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    return perm_k_traits(options_, shape.size());
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    return perm_k_misfit(options_, shape.size());
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return perm_k_max_entries(options_, shape.size()) * width();
  }

  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    const Selection selection = perm_k_selection(options_, x.values.size(), context);
    write_selected<T>(options_.values, x.values, selection.indices, out.bytes);
    // Papers count k numbers for the global thinning, however many of them lie in the share.
    const std::size_t counted = options_.thinning == Thinning::kGlobal
                                    ? perm_k_draws(options_, x.values.size())
                                    : selection.indices.size();
    out.payload_bits += counted * width() * 8;
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
  [[nodiscard]] std::size_t width() const { return wire::bytes_per_value(options_.values); }
  template <class Sum>
  Status add(wire::WireReader& in, const CompressContext& context, Sum scale,
             std::span<Sum> y) const {
    const Selection selection = perm_k_selection(options_, y.size(), context);
    return add_selected<T, Sum>(options_.values, in, selection.indices,
                                scale * static_cast<Sum>(selection.factor), y);
  }

  PermKOptions options_;
};

}  // namespace laconic::compress
