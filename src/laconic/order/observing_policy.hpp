// SPDX-License-Identifier: Apache-2.0
// What the policies that observe share: epochs that follow each other, checks of what is given,
// sketches, and the state. The method itself is an engine, one type for float and one for double,
// which sees checked gradients. Private to the layer. What an engine for gradients of type T has:
//
//   explicit Engine(const EngineSetup&);
//   void begin_epoch(std::uint32_t e);
//   void push(std::uint32_t position, const UnitGradient<T>&);  // in any order, each once, finite
//   void end_epoch(std::span<std::uint32_t> order);  // after all pushes; replaced by the next one
//   OrderStats stats() const;
//   void save(wire::WireWriter&) const;
//   void load(wire::WireReader&);
//   bool fits(std::uint32_t units, const SeenUnits&) const;  // whether exactly these were pushed
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "laconic/base/spec.hpp"
#include "laconic/order/balance_options.hpp"
#include "laconic/order/methods.hpp"
#include "laconic/order/sketch.hpp"
#include "laconic/order/state.hpp"
#include "laconic/order/unit_store.hpp"

namespace laconic::order {

struct EngineSetup {
  std::uint32_t units = 0;
  std::uint32_t worker = 0;
  std::size_t dim = 0;
  BalanceOptions options = {};
  std::uint32_t rounds = 0;  // herding
};

template <class FloatEngine, class DoubleEngine>
class ObservingPolicy final : public OrderPolicy {
 public:
  ObservingPolicy(const Args& args, const OrderSetup& setup, EngineSetup engine)
      : setup_(setup),
        engine_setup_(std::move(engine)),
        name_(args.spec().name),
        seen_(std::span(&setup_.units, 1)),
        order_(setup.units) {
    facts_ = {.spec = print(args.spec()),
              .dim = setup.dim,
              .seed = setup.seed,
              .first = setup.worker,
              .ranks = 0,
              .units = {setup.units}};
    engine_setup_.units = setup.units;
    engine_setup_.worker = setup.worker;
    engine_setup_.dim = setup.dim;
    if (engine_setup_.options.sketch > 0) {
      sketch_.emplace(setup.seed, setup.dim, engine_setup_.options.sketch);
      engine_setup_.dim = engine_setup_.options.sketch;
    }
    if (engine_setup_.options.random_start) {
      order_methods::fill_shuffled(setup, 0, order_);
    } else {
      order_methods::fill_identity(order_);
    }
  }

  std::span<const std::uint32_t> epoch(std::uint32_t e) override {
    if (begun_ && e == epoch_) return order_;
    const std::uint32_t next = begun_ ? epoch_ + 1 : 0;
    if (e != next) {
      throw std::logic_error(fmt::format(
          "{}: epoch {} was asked for, but epoch {} comes next; ask for the epochs one by one",
          name_, e, next));
    }
    if (begun_) end_epoch();
    begun_ = true;
    epoch_ = e;
    seen_.clear();
    std::visit([e](auto& engine) { begin(engine, e); }, engine_);
    return order_;
  }

  [[nodiscard]] bool observes() const override { return true; }
  void observe(std::uint32_t position, const UnitGradient<float>& gradient) override {
    take(position, gradient);
  }
  void observe(std::uint32_t position, const UnitGradient<double>& gradient) override {
    take(position, gradient);
  }

  [[nodiscard]] OrderStats stats() const override {
    OrderStats stats = std::visit([](const auto& engine) { return stats_of(engine); }, engine_);
    stats.memory.order_indices += order_.size();
    return stats;
  }

  void save(std::vector<std::byte>& out) const override {
    wire::WireWriter writer(out);
    save_facts(facts_, writer);
    writer.u8(begun_ ? 1 : 0);
    writer.u32(epoch_);
    save_order(writer, order_);
    seen_.save(writer);
    writer.u8(static_cast<std::uint8_t>(engine_.index()));
    std::visit([&writer](const auto& engine) { save_engine(engine, writer); }, engine_);
  }

  void load(std::span<const std::byte> state) override {
    wire::WireReader in(state);
    expect_facts(facts_, in);
    const std::uint8_t begun = in.u8();
    if (begun > 1) in.fail(Fault::kBadValue, begun, 1);
    const std::uint32_t epoch = in.u32();
    std::vector<std::uint32_t> order(order_.size());
    load_order(in, order);
    SeenUnits seen = seen_;
    seen.load(in);
    const std::size_t place = in.position();
    const std::uint8_t which = in.u8();
    Engines engine;
    switch (which) {
      case 0:
        break;
      case 1:
        load_engine<float>(engine, epoch, in);
        break;
      case 2:
        load_engine<double>(engine, epoch, in);
        break;
      default:
        in.fail(Fault::kBadValue, which, 2);
    }
    if (in.ok() && !belong_together(begun != 0, seen, engine)) {
      in.fail_at(place, Fault::kBadValue, which, begun);
    }
    expect_end(in);
    begun_ = begun != 0;
    epoch_ = epoch;
    order_ = std::move(order);
    seen_ = std::move(seen);
    engine_ = std::move(engine);
  }

 private:
  template <Real T>
  using EngineOf = std::conditional_t<std::is_same_v<T, float>, FloatEngine, DoubleEngine>;
  using Engines =
      std::variant<std::monostate, std::unique_ptr<FloatEngine>, std::unique_ptr<DoubleEngine>>;

  static void begin(std::monostate&, std::uint32_t) {}
  template <class Engine>
  static void begin(std::unique_ptr<Engine>& engine, std::uint32_t e) {
    engine->begin_epoch(e);
  }
  static OrderStats stats_of(const std::monostate&) { return {}; }
  template <class Engine>
  static OrderStats stats_of(const std::unique_ptr<Engine>& engine) {
    return engine->stats();
  }
  static void save_engine(const std::monostate&, wire::WireWriter&) {}
  template <class Engine>
  static void save_engine(const std::unique_ptr<Engine>& engine, wire::WireWriter& out) {
    engine->save(out);
  }
  template <Real T>
  void load_engine(Engines& out, std::uint32_t epoch, wire::WireReader& in) const {
    auto engine = std::make_unique<EngineOf<T>>(engine_setup_);
    engine->begin_epoch(epoch);
    if (in.ok()) engine->load(in);
    out = std::move(engine);
  }
  [[nodiscard]] bool belong_together(bool begun, const SeenUnits& seen,
                                     const Engines& engine) const {
    if (const auto* floats = std::get_if<std::unique_ptr<FloatEngine>>(&engine)) {
      return begun && (*floats)->fits(setup_.units, seen);
    }
    if (const auto* doubles = std::get_if<std::unique_ptr<DoubleEngine>>(&engine)) {
      return begun && (*doubles)->fits(setup_.units, seen);
    }
    return seen.is_empty();  // an engine comes with the first gradient
  }
  static void end(std::monostate&, std::span<std::uint32_t>) {}
  template <class Engine>
  static void end(std::unique_ptr<Engine>& engine, std::span<std::uint32_t> order) {
    engine->end_epoch(order);
  }

  void end_epoch() {
    const std::uint32_t missing = seen_.first_missing(0);
    if (missing < setup_.units) {
      throw std::logic_error(
          fmt::format("{}: worker {}: epoch {} cannot end: the gradient at position {} of {} is "
                      "missing; observe every position once",
                      name_, setup_.worker, epoch_, missing, setup_.units));
    }
    std::visit([this](auto& engine) { end(engine, order_); }, engine_);
  }

  template <Real T>
  void take(std::uint32_t position, const UnitGradient<T>& gradient) {
    if (!begun_ || position >= setup_.units || seen_.contains(0, position)) {
      throw std::logic_error(fmt::format(
          "{}: worker {}: position {} of epoch {} {}; observe every position of 0 to {} once",
          name_, setup_.worker, position, epoch_,
          !begun_                    ? "comes before the first epoch"
          : position >= setup_.units ? "lies behind the end"
                                     : "was observed before",
          std::int64_t{setup_.units} - 1));
    }
    expect_form(gradient, setup_.dim);
    if (std::holds_alternative<std::monostate>(engine_)) {
      auto engine = std::make_unique<EngineOf<T>>(engine_setup_);
      engine->begin_epoch(epoch_);
      engine_ = std::move(engine);
    }
    auto* engine = std::get_if<std::unique_ptr<EngineOf<T>>>(&engine_);
    if (engine == nullptr) {
      throw std::logic_error(fmt::format(
          "{}: gradients were of another type before; observe float or double, not both", name_));
    }
    bool is_usable = is_finite(gradient);
    UnitGradient<T> kept = gradient;
    if (is_usable && sketch_) {
      kept = sketch_->project(gradient);
      is_usable = is_finite(kept);  // sums of finite numbers may not be
    }
    if (!is_usable) {
      throw UnitDivergedError({.worker = setup_.worker, .epoch = epoch_, .position = position});
    }
    (void)seen_.insert(0, position);
    (*engine)->push(position, kept);
  }

  OrderSetup setup_;
  EngineSetup engine_setup_;
  std::string name_;
  StateFacts facts_ = {};
  std::optional<SignSketch> sketch_ = {};
  SeenUnits seen_;
  std::vector<std::uint32_t> order_;
  std::uint32_t epoch_ = 0;
  bool begun_ = false;
  Engines engine_ = {};
};

}  // namespace laconic::order
