// SPDX-License-Identifier: Apache-2.0
// The list of mechanisms.
#include "laconic/mechanism/methods.hpp"

namespace laconic {

template <Real T>
const MechanismRegistry<T>& mechanisms() {
  static const MechanismRegistry<T> registry({
#define LACONIC_MECHANISM(name) {&mechanism::name##_card(), &mechanism::make_##name<T>},
#include "laconic/mechanism/methods.def"
#undef LACONIC_MECHANISM
  });
  return registry;
}
template const MechanismRegistry<float>& mechanisms<float>();
template const MechanismRegistry<double>& mechanisms<double>();

void add_mechanism_cards(Catalog& catalog) {
  for (const auto& method : mechanisms<float>().methods()) catalog.add(*method.card);
}

std::vector<std::string> mechanism_problems(const Spec& canonical, std::uint32_t workers) {
  const Args args(canonical);
#define LACONIC_MECHANISM(method)                        \
  if (canonical.name == mechanism::method##_card().name) \
    return mechanism::method##_problems(args, workers);
#include "laconic/mechanism/methods.def"
#undef LACONIC_MECHANISM
  return {};
}

}  // namespace laconic
