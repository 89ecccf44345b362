// SPDX-License-Identifier: Apache-2.0
#include "laconic/mechanism/support.hpp"

#include <fmt/format.h>

#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::mechanism {
namespace {

struct MessagePool {
  std::vector<std::unique_ptr<wire::Message>> messages = {};
  std::size_t used = 0;
};
MessagePool& message_pool() {
  thread_local MessagePool pool;
  return pool;
}

const Catalog& catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_compressor_cards(c);
    add_mechanism_cards(c);
    return c;
  }();
  return catalog;
}

// Traits at two sizes, so that what depends on the size is not printed as a fact.
struct Promise {
  Traits traits = {};
  bool omega_is_fixed = false;
};
Promise promise_of(const Spec& compressor, std::uint32_t workers) {
  const auto made = compressors<double>().make(compressor, {.workers = workers});
  Promise out{.traits = made->traits({1000, 1})};
  out.omega_is_fixed = out.traits.omega == made->traits({2000, 1}).omega;
  return out;
}

std::string promise_text(const Promise& promise) {
  if (promise.traits.unbiased) {
    return promise.omega_is_fixed && promise.traits.omega
               ? fmt::format("unbiased (omega={})", shortest(*promise.traits.omega))
               : std::string("unbiased");
  }
  if (promise.traits.alpha) return "contractive, but biased";
  return "neither contractive nor unbiased";
}

// A spec that keeps the promise, as close to the one given as there is.
Spec remedy(Need need, const Spec& compressor, const Traits& traits) {
  if (need == Need::kUnbiased) {
    Spec out{.name = "randk"};
    for (const Spec::Param& param : compressor.params) {
      if (param.key == "k") out.params.push_back(param);
    }
    if (out.params.empty()) out.params.push_back({.key = "k", .text = "0.01"});
    return out;
  }
  if (need == Need::kContractive && traits.unbiased) {
    return {.name = "shrink", .params = {}, .inner = {compressor}};
  }
  return {.name = "topk", .params = {{.key = "k", .text = "0.01"}}};
}

// Replaces the first part of the method that equals `part`.
bool replace(Spec& method, const Spec& part, const Spec& by) {
  for (Spec& inner : method.inner) {
    if (inner == part) {
      inner = by;
      return true;
    }
    if (replace(inner, part, by)) return true;
  }
  for (Spec::Param& param : method.params) {
    for (Spec& nested : param.nested) {
      if (nested == part) {
        nested = by;
        return true;
      }
      if (replace(nested, part, by)) return true;
    }
  }
  return false;
}

// Switches and choices are left out where they have their default; numbers stay, so that the text
// says how much is sent.
bool is_understood(const ParamCard& card, const Spec::Param& param) {
  const bool is_switch = card.type == ParamType::kFlag || card.type == ParamType::kChoice;
  return is_switch && param.text == card.default_text;
}

Spec without_defaults(const Spec& spec, std::string_view kind) {
  const Card* card = catalog().find(kind, spec.name);
  if (card == nullptr) return spec;
  Spec out{.name = spec.name};
  for (Spec::Param param : spec.params) {
    for (const ParamCard& known : card->params) {
      if (known.key != param.key || is_understood(known, param)) continue;
      if (!param.nested.empty()) {
        param.nested.front() = without_defaults(param.nested.front(), known.spec_kind);
      }
      out.params.push_back(param);
    }
  }
  for (const Spec& inner : spec.inner) {
    out.inner.push_back(without_defaults(inner, card->inner_kind));
  }
  return out;
}

}  // namespace

TemporaryMessage::TemporaryMessage() {
  MessagePool& pool = message_pool();
  if (pool.used == pool.messages.size()) pool.messages.push_back(std::make_unique<wire::Message>());
  message_ = pool.messages[pool.used++].get();
  message_->clear();
}
TemporaryMessage::~TemporaryMessage() { --message_pool().used; }

template <Real T>
void expect_finite(std::span<const T> v) {
  if (kernels::all_finite<T>(v)) return;
  throw NumberRangeError("a gradient's difference to the server's belief is beyond the numbers");
}

template <Real T>
double difference(std::span<const T> x, std::span<const double> h, std::span<T> out) {
  const double norm2 = kernels::residual<T>(x, h, out);
  // The squares may overflow where the numbers do not.
  if (!std::isfinite(norm2)) expect_finite<T>(out);
  return norm2;
}

template <Real T>
void leave(std::span<const T> step, std::span<const double> delta, std::span<T> rest) {
  for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = step[i] - static_cast<T>(delta[i]);
}

template <Real T>
void send(const Compressor<T>& compressor, TensorView<T> v, const CompressContext& context,
          std::span<double> h, wire::Message& out, double scale) {
  const std::size_t start = out.bytes.size();
  compressor.encode(v, context, out);
  wire::WireReader own(std::span<const std::byte>(out.bytes).subspan(start));
  const Status decoded = compressor.decode_add_wide(own, context, scale, {h, v.shape});
  if (decoded.fault() == Fault::kNonFinite) {
    throw NumberRangeError("a compressed gradient is beyond the numbers");
  }
  LACONIC_EXPECTS(static_cast<bool>(decoded));
}

template <Real T>
void send_plain(std::span<const T> v, std::span<double> h, wire::Message& out) {
  wire::write_values<T>(wire::native_format<T>(), v, out.bytes);
  out.payload_bits += v.size_bytes() * 8;
  for (std::size_t i = 0; i < v.size(); ++i) h[i] += static_cast<double>(v[i]);
}

template <Real T>
Status add_plain(wire::WireReader& in, double scale, std::span<double> g) {
  const Temporary<T> values(g.size());
  wire::read_values<T>(wire::native_format<T>(), in, values.span());
  if (!in.ok()) return in.status();
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] += scale * static_cast<double>(values.span()[i]);
  }
  return {};
}

void write_flag(bool flag, wire::Message& out) { wire::WireWriter(out.bytes).u8(flag ? 1 : 0); }

bool read_flag(wire::WireReader& in) {
  const std::size_t position = in.position();
  const std::uint8_t flag = in.u8();
  if (flag > 1) in.fail_at(position, Fault::kBadValue, flag, 1);
  return flag == 1;
}

Contraction young(double alpha) {
  if (alpha >= 1) return {1, 0};
  const double u = std::sqrt(1 - alpha);
  return {1 - u, (1 - alpha) / (1 - u)};
}

StepTheory theory_of(Contraction contraction) {
  return {.a = contraction.a, .b = contraction.b, .plus = contraction.b / contraction.a};
}

template <Real T>
std::unique_ptr<Compressor<T>> make_compressor(const Spec& spec, const MechanismSetup& setup) {
  return compressors<T>().make(spec, {.workers = setup.workers});
}

template <Real T>
double alpha_of(const Compressor<T>& compressor, Shape shape) {
  return compressor.traits(shape).alpha.value_or(0);
}

template <Real T>
double omega_of(const Compressor<T>& compressor, Shape shape) {
  return compressor.traits(shape).omega.value_or(0);
}

std::vector<std::string> unmet(Need need, const Spec& method, const Spec& compressor,
                               std::uint32_t workers) {
  if (auto problems = compressor_problems(compressor, workers); !problems.empty()) return problems;
  const Promise promise = promise_of(compressor, workers);
  const Traits& traits = promise.traits;
  std::string needed;
  switch (need) {
    case Need::kContractive:
      if (traits.alpha) return {};
      needed = "a contractive compressor";
      break;
    case Need::kDeterministicContractive:
      if (traits.alpha && !traits.randomized) return {};
      needed = "a contractive compressor without randomness";
      break;
    case Need::kUnbiased:
      if (traits.unbiased && traits.omega) return {};
      needed = "an unbiased compressor";
      break;
  }
  const std::string given = traits.alpha && need == Need::kDeterministicContractive
                                ? "randomized"
                                : promise_text(promise);
  Spec working = method;
  replace(working, compressor, remedy(need, compressor, traits));
  return {fmt::format("{} needs {}; {} is {}; try {}", method.name, needed,
                      compressor_text(compressor), given, brief(working))};
}

std::vector<std::string> unmet_increments(const Spec& method, const Spec& inner,
                                          std::uint32_t workers) {
  if (!mechanism_problems(inner, workers).empty()) return {};  // said already
  const auto made = mechanisms<double>().make(
      inner, {.workers = workers, .l_worker = std::vector<double>(workers, 1.0)});
  const MechanismNeeds needs = made->needs({1000, 1});
  if (needs.belief && needs.carry == 1 && !needs.replaces) return {};
  Spec working = method;
  replace(working, inner, parse_spec("ef21:topk:k=0.01").value_or_throw());
  return {
      fmt::format("{} needs an inner mechanism whose messages are increments; those of {} are "
                  "not; try {}",
                  method.name, inner.name, brief(working))};
}

void append(std::vector<std::string>& all, std::vector<std::string> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::string brief(const Spec& mechanism) { return print(without_defaults(mechanism, "mechanism")); }

ParamCard zeta_param() {
  return {
      .key = "zeta",
      .type = ParamType::kReal,
      .default_text = "1",
      .help = "the trigger: a worker is silent while |x - h|^2 <= zeta |x - y|^2; 0 always sends",
      .min = 0};
}

#define LACONIC_INSTANTIATE(T)                                                                 \
  template double difference(std::span<const T>, std::span<const double>, std::span<T>);       \
  template void expect_finite(std::span<const T>);                                             \
  template void leave(std::span<const T>, std::span<const double>, std::span<T>);              \
  template void send(const Compressor<T>&, TensorView<T>, const CompressContext&,              \
                     std::span<double>, wire::Message&, double);                               \
  template void send_plain(std::span<const T>, std::span<double>, wire::Message&);             \
  template Status add_plain<T>(wire::WireReader&, double, std::span<double>);                  \
  template std::unique_ptr<Compressor<T>> make_compressor(const Spec&, const MechanismSetup&); \
  template double alpha_of(const Compressor<T>&, Shape);                                       \
  template double omega_of(const Compressor<T>&, Shape)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::mechanism
