// SPDX-License-Identifier: Apache-2.0
// The list of compressors, and what a compressor does unless it overrides it.
#include "laconic/base/assert.hpp"
#include "laconic/compress/methods.hpp"
#include "laconic/kernels/kernels.hpp"

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

void add_compressor_cards(Catalog& catalog) {
  for (const auto& method : compressors<float>().methods()) catalog.add(*method.card);
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
template class Compressor<float>;
template class Compressor<double>;

}  // namespace laconic
