// SPDX-License-Identifier: Apache-2.0
// The methods of one kind. A layer keeps a list in its methods.def (one line per method); its
// registry.cpp turns the list into a Registry. There is no registration at start-up: what is not in
// the list does not exist, and no linker can drop it.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/base/assert.hpp"

namespace laconic {

// Product: the interface, e.g. Aggregator<float>. Setup: what every constructor of the kind is
// given besides its own parameters, e.g. the layout and the number of workers.
template <class Product, class Setup>
struct Method {
  const Card* card = nullptr;
  std::unique_ptr<Product> (*make)(const Args&, const Setup&) = nullptr;
};

template <class Product, class Setup>
class Registry {
 public:
  explicit Registry(std::vector<Method<Product, Setup>> methods) : methods_(std::move(methods)) {}
  [[nodiscard]] std::span<const Method<Product, Setup>> methods() const { return methods_; }
  // Precondition: canonical was returned by Catalog::canonical for this kind.
  [[nodiscard]] std::unique_ptr<Product> make(const Spec& canonical, const Setup& setup) const {
    const auto it = std::find_if(methods_.begin(), methods_.end(), [&](const auto& method) {
      return method.card->name == canonical.name;
    });
    LACONIC_EXPECTS(it != methods_.end());
    return it->make(Args(canonical), setup);
  }

 private:
  std::vector<Method<Product, Setup>> methods_;
};

}  // namespace laconic
