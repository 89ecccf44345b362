// SPDX-License-Identifier: Apache-2.0
// The list of compressors, and what a compressor does unless it overrides it.
#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "laconic/base/assert.hpp"
#include "laconic/compress/methods.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

template <Real T>
const CompressorRegistry<T>& compressors() {
  static const CompressorRegistry<T> registry({
#define LACONIC_COMPRESSOR(name) {&compress::name##_card(), &compress::make_##name<T>},
#include "laconic/compress/methods.def"
#undef LACONIC_COMPRESSOR
  });
  return registry;
}
template const CompressorRegistry<float>& compressors<float>();
template const CompressorRegistry<double>& compressors<double>();

namespace {

// Beyond the root the key is mixed with the path: counters have no room for it.
CompressContext at_path(CompressContext context) {
  context.seed ^= std::uint64_t{context.path} * 0x9E3779B97F4A7C15U;
  return context;
}

}  // namespace

CompressContext child(const CompressContext& context, std::uint32_t index) {
  LACONIC_EXPECTS(index < 3);
  CompressContext out = context;
  out.path = context.path * 4 + index + 1;
  return out;
}

rng::Stream own_stream(const CompressContext& context) {
  return {at_path(context).seed, {context.purpose, context.worker, context.round, context.tensor}};
}

rng::Stream shared_stream(const CompressContext& context) {
  return {at_path(context).seed, {rng::Purpose::kShared, 0, context.round, context.tensor}};
}

void add_compressor_cards(Catalog& catalog) {
  for (const auto& method : compressors<float>().methods()) catalog.add(*method.card);
}

std::vector<std::string> compressor_problems(const Spec& canonical, std::uint32_t workers) {
  const Args args(canonical);
#define LACONIC_COMPRESSOR(method)                      \
  if (canonical.name == compress::method##_card().name) \
    return compress::method##_problems(args, workers);
#include "laconic/compress/methods.def"
#undef LACONIC_COMPRESSOR
  return {};
}

std::string compressor_text(const Spec& canonical) {
  Spec out = {.name = canonical.name};
  const auto methods = compressors<double>().methods();
  const auto method = std::find_if(methods.begin(), methods.end(), [&](const auto& candidate) {
    return candidate.card->name == canonical.name;
  });
  LACONIC_EXPECTS(method != methods.end());
  for (const Spec::Param& param : canonical.params) {
    const auto card = std::find_if(method->card->params.begin(), method->card->params.end(),
                                   [&](const ParamCard& c) { return c.key == param.key; });
    const bool minor = card->type == ParamType::kFlag || card->type == ParamType::kChoice;
    if (!param.nested.empty()) {
      Spec::Param shown = {.key = param.key};
      shown.nested.push_back(parse_spec(compressor_text(param.nested.front())).value_or_throw());
      out.params.push_back(std::move(shown));
    } else if (!minor || param.text != card->default_text) {
      out.params.push_back(param);
    }
  }
  for (const Spec& inner : canonical.inner)
    out.inner.push_back(parse_spec(compressor_text(inner)).value_or_throw());
  return print(out);
}

std::string compressor_promise_text(const Spec& canonical, std::uint32_t workers, Shape shape) {
  const Traits traits = compressors<double>().make(canonical, {.workers = workers})->traits(shape);
  const std::string unbiased =
      traits.unbiased ? fmt::format("unbiased (omega={:.6g})", traits.omega.value_or(0)) : "";
  const std::string contractive =
      traits.alpha ? fmt::format("contractive (alpha={:.6g})", *traits.alpha) : "";
  const std::string text = compressor_text(canonical);
  if (traits.unbiased && traits.alpha) return unbiased + " and " + contractive;
  if (traits.unbiased) return unbiased + ", not contractive; try shrink:" + text;
  if (traits.alpha) return contractive + ", not unbiased; try randk:k=0.1";
  return "neither unbiased nor contractive; try topk:k=0.1 or randk:k=0.1";
}

template <Real T>
void Compressor<T>::encode_with_feedback(TensorView<T> g, T r, TensorSpan<T> e,
                                         const CompressContext& context, wire::Message& out) const {
  kernels::axpby<T>(T{1}, g.values, r, e.values);  // e = p
  const std::size_t start = out.bytes.size();
  encode({e.values, e.shape}, context, out);
  wire::WireReader own(std::span<const std::byte>(out.bytes).subspan(start));
  const Status decoded = decode_add(own, context, T{-1}, e);  // e = p - C(p)
  LACONIC_EXPECTS(static_cast<bool>(decoded));
}
template <Real T>
Status Compressor<T>::decode_add_wide(wire::WireReader& in, const CompressContext& context,
                                      double scale, TensorSpan<double> y) const {
  if constexpr (std::is_same_v<T, double>) {
    return decode_add(in, context, scale, y);
  } else {
    thread_local Scratch<T> decoded;  // grows to the largest tensor, then stays
    const std::span<T> values = decoded.take(y.values.size());
    std::fill(values.begin(), values.end(), T{0});
    if (Status status = decode_add(in, context, T{1}, {values, y.shape}); !status) return status;
    for (std::size_t i = 0; i < values.size(); ++i) {
      y.values[i] += scale * static_cast<double>(values[i]);
    }
    return {};
  }
}
template <Real T>
void Compressor<T>::encode_sparse(const SparseView<T>& x, const CompressContext&,
                                  wire::Message&) const {
  LACONIC_EXPECTS(traits({static_cast<std::uint32_t>(x.dim), 1}).sparse);
}
template <Real T>
Status Compressor<T>::decode_sparse(wire::WireReader& in, const CompressContext&, std::size_t dim,
                                    SparseVector<T>&) const {
  LACONIC_EXPECTS(traits({static_cast<std::uint32_t>(dim), 1}).sparse);
  return in.status();
}
template class Compressor<float>;
template class Compressor<double>;

}  // namespace laconic
