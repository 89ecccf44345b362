// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/optim/optimizer.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::experiment {
namespace {

constexpr std::string_view kDefaultOptimizer = "sgd";
constexpr std::string_view kDefaultSchedule = "constant";
constexpr std::string_view kDefaultOrder = "reshuffle";
constexpr std::string_view kNoAdversary = "none";
constexpr std::string_view kNoEstimator = "none";
constexpr std::string_view kNoLink = "none";
constexpr Batch kDefaultBatch = {.kind = Batch::Kind::kFull, .size = 0};

// The method's own setting, else the shared one.
template <class T>
const std::optional<T>& pick(const MethodSettings& method, const MethodSettings& shared,
                             std::optional<T> MethodSettings::*field) {
  return method.*field ? method.*field : shared.*field;
}

class Validator {
 public:
  explicit Validator(const Config& config) : config_(config) {}

  Diagnostics run() {
    check_shared();
    if (config_.sweep) {
      check_sweep();
    } else {
      for (std::size_t i = 0; i < config_.methods.size(); ++i) {
        check_method(i, config_.methods[i], config_.shared);
      }
    }
    if (config_.shared.order && !any_ordered_ && !config_.methods.empty()) {
      warn("order", "no method visits single examples (batch = 'full'); order is ignored");
    }
    check_names();
    return std::move(out_);
  }

 private:
  void error(const std::string& path, std::string message) {
    add(Severity::kError, path, std::move(message));
  }
  void warn(const std::string& path, std::string message) {
    add(Severity::kWarning, path, std::move(message));
  }
  // Of the cells of a sweep the first one that has the problem reports it.
  void add(Severity severity, const std::string& path, std::string message) {
    if (cell_ != nullptr) {
      if (!reported_.emplace(path, message).second) return;
      if (!cell_->empty()) message += fmt::format(" (at {})", text_of(*cell_));
    }
    out_.push_back({severity, config_.place(path), std::move(message)});
  }

  // The canonical spec, or nothing after reporting what is wrong with it. A spec that several
  // methods share is reported once.
  std::optional<Spec> spec(const std::string& path, std::string_view text, std::string_view kind) {
    const auto [at, is_new] = specs_.try_emplace(fmt::format("{} {}", path, text));
    if (!is_new) return at->second;
    const auto parsed = parse_spec(text);
    if (!parsed) {
      error(path, parsed.error());
      return std::nullopt;
    }
    for (std::string& problem : all_cards().problems(*parsed, kind))
      error(path, std::move(problem));
    if (!all_cards().problems(*parsed, kind).empty()) return std::nullopt;
    at->second = all_cards().canonical(*parsed, kind);
    for (std::string& problem : problems_beyond_card(*at->second, kind)) {
      error(path, std::move(problem));
    }
    return at->second;
  }

  // What is wrong between the parameters of a method. Of aggregators it depends on the workers, see
  // check_method.
  static std::vector<std::string> problems_beyond_card(const Spec& canonical,
                                                       std::string_view kind) {
    if (kind == "optimizer") return optimizer_problems(canonical);
    if (kind == "schedule") return schedule_problems(canonical);
    if (kind == "order") return order_problems(canonical);
    return {};
  }

  void check_shared() {
    if (!config_.given("name")) error("name", "name is missing; it names the output folder");
    check_problem();
    check_shared_specs();
    if (config_.methods.empty() && !config_.given("method")) {
      error("method", "there is no [[method]]; write at least one, with aggregator = \"...\"");
    }
    if (!config_.given("workers")) {
      error("workers", "workers is missing; it is the number of workers of the experiment");
    }
  }

  // Even a shared setting that every method overrides must be right.
  void check_shared_specs() {
    const MethodSettings& shared = config_.shared;
    if (config_.sweep) return;  // texts with placeholders; the cells are checked
    if (shared.aggregator) spec("aggregator", *shared.aggregator, "aggregator");
    if (shared.optimizer) spec("optimizer", *shared.optimizer, "optimizer");
    if (shared.schedule) spec("schedule", *shared.schedule, "schedule");
    if (shared.order) spec("order", *shared.order, "order");
    if (shared.adversary && *shared.adversary != kNoAdversary) {
      spec("adversary", *shared.adversary, "adversary");
    }
    if (shared.estimator && *shared.estimator != kNoEstimator) {
      spec("estimator", *shared.estimator, "estimator");
    }
    if (shared.link && *shared.link != kNoLink) spec("link", *shared.link, "link");
  }

  void check_problem() {
    if (!config_.given("problem")) {
      error("problem", fmt::format("problem is missing; use {}", names_of("problem")));
    } else if (config_.problem) {
      if (const auto problem = spec("problem", *config_.problem, "problem")) {
        traits_ = problem_traits(problem->name);
        problem_name_ = problem->name;
      }
    }
    if (config_.data) spec("data", *config_.data, "data");
    spec("shard", config_.shard, "shard");
    if (!traits_) return;
    if (traits_->needs_dataset && !config_.given("data")) {
      error("data", fmt::format("problem '{}' needs data, but data is missing; use {}",
                                problem_name_, names_of("data")));
    }
    if (!traits_->needs_dataset && config_.given("data")) {
      error("data",
            fmt::format("problem '{}' makes its own data; remove this line", problem_name_));
    }
    if (!traits_->needs_dataset && config_.record_each_epoch) {
      error("record_every",
            fmt::format("problem '{}' has no examples, so there are no epochs; use a number of "
                        "rounds",
                        problem_name_));
    }
    if (!traits_->needs_dataset && config_.given("shard")) {
      warn("shard", fmt::format("problem '{}' has no examples to distribute; shard is ignored",
                                problem_name_));
    }
  }

  static std::string names_of(std::string_view kind) {
    std::vector<std::string_view> names;
    for (const Card* card : all_cards().of_kind(kind)) names.push_back(card->name);
    return join_or(names);
  }

  // Where a setting of method i is written: in the method, else among the shared settings if it is
  // there, else in the method (where it is missing).
  [[nodiscard]] std::string path_of(std::size_t i, std::string_view key) const {
    std::string own = fmt::format("method[{}].{}", i + 1, key);
    const bool shared = !config_.given(own) && config_.given(key);
    return shared ? std::string(key) : own;
  }
  [[nodiscard]] bool given(std::size_t i, std::string_view key) const {
    return config_.given(fmt::format("method[{}].{}", i + 1, key)) || config_.given(key);
  }

  std::optional<Spec> method_spec(std::size_t i, std::string_view key,
                                  std::optional<std::string> MethodSettings::*field,
                                  std::string_view fallback) {
    const auto& text = pick(*method_, *shared_, field);
    if (!text && given(i, key)) return std::nullopt;  // refused when it was read
    if (!text && fallback.empty()) {
      error(path_of(i, key), fmt::format("{} is missing; use {}", key, names_of(key)));
      return std::nullopt;
    }
    return spec(path_of(i, key), text ? std::string_view(*text) : fallback, key);
  }

  // The settings of method i, its own and shared ones.
  void check_method(std::size_t i, const MethodSettings& method, const MethodSettings& shared) {
    method_ = &method;
    shared_ = &shared;
    const auto aggregator = method_spec(i, "aggregator", &MethodSettings::aggregator, "");
    const auto optimizer =
        method_spec(i, "optimizer", &MethodSettings::optimizer, kDefaultOptimizer);
    method_spec(i, "schedule", &MethodSettings::schedule, kDefaultSchedule);
    const auto order = method_spec(i, "order", &MethodSettings::order, kDefaultOrder);
    const auto& adversary_text = pick(method, shared, &MethodSettings::adversary);
    if (adversary_text && *adversary_text != kNoAdversary) check_adversary(i);
    if (!given(i, "step")) {
      error(path_of(i, "step"), "step is missing; use a number, 'theory', 'pl' or 'theory*FACTOR'");
    }
    if (!given(i, "rounds") && !given(i, "epochs")) {
      error(path_of(i, "rounds"), "rounds is missing (or epochs); one of them says when to stop");
    }
    check_batch(i, order && order_observes(*order));
    check_unit(i);
    check_order_from(i, order && order_observes(*order), aggregator);
    check_estimator(i);
    if (aggregator) {
      const auto& workers = pick(method, shared, &MethodSettings::workers);
      if (workers) {
        auto problems = aggregator_problems(*aggregator, *workers);
        if (problems.empty() && optimizer) check_steps(i, *aggregator, *workers, *optimizer);
        for (std::string& problem : problems) {
          error(path_of(i, "aggregator"), std::move(problem));
        }
      }
      if (optimizer) check_combination(i, *aggregator, *optimizer);
      check_link(i, *aggregator);
    }
  }

  void check_link(std::size_t i, const Spec& aggregator) {
    const auto& text = pick(*method_, *shared_, &MethodSettings::link);
    if (!text || *text == kNoLink) return;
    const auto link = method_spec(i, "link", &MethodSettings::link, "");
    if (!link) return;
    for (std::string& problem : aggregator_link_problems(aggregator, *link)) {
      error(path_of(i, "link"), std::move(problem));
    }
  }

  void check_adversary(std::size_t i) {
    const auto adversary = method_spec(i, "adversary", &MethodSettings::adversary, "");
    const auto& workers = pick(*method_, *shared_, &MethodSettings::workers);
    if (!adversary || !workers) return;
    for (const Spec::Param& param : adversary->params) {
      if (param.key != "count") continue;
      const auto count = parse_integer(param.text);
      if (count && *count > *workers) {
        error(path_of(i, "adversary"),
              fmt::format("{}: count={} is more than the {} workers; use at most {}",
                          adversary->name, *count, *workers, *workers));
      }
    }
  }

  void check_estimator(std::size_t i) {
    const auto& text = pick(*method_, *shared_, &MethodSettings::estimator);
    if (!text || *text == kNoEstimator) return;
    const auto estimator = method_spec(i, "estimator", &MethodSettings::estimator, "");
    if (!estimator) return;
    const Batch batch = pick(*method_, *shared_, &MethodSettings::batch).value_or(kDefaultBatch);
    if (batch.kind != Batch::Kind::kFull) {
      error(path_of(i, "batch"),
            fmt::format("batch = '{}' has no meaning with estimator '{}', which draws its own; use "
                        "'full' and {}:batch=N",
                        text_of(batch), estimator->name, estimator->name));
    }
    if (traits_ && !traits_->needs_dataset) {
      error(path_of(i, "estimator"),
            fmt::format("problem '{}' has no examples to estimate from; remove the estimator '{}'",
                        problem_name_, estimator->name));
    }
    if (method_->epochs || (!method_->rounds && shared_->epochs)) {
      error(path_of(i, "epochs"),
            fmt::format("the passes of estimator '{}' are random; use rounds", estimator->name));
    }
  }

  void check_batch(std::size_t i, bool observes) {
    const Batch batch = pick(*method_, *shared_, &MethodSettings::batch).value_or(kDefaultBatch);
    const bool ordered = batch.kind == Batch::Kind::kSize;
    any_ordered_ = any_ordered_ || ordered || observes;
    if (observes) {
      check_observed(i, batch);
    } else if (!ordered && method_->order) {
      warn(path_of(i, "order"),
           fmt::format("batch = '{}' visits no single examples; order is ignored", text_of(batch)));
    }
    if (!traits_) return;
    if (batch.kind == Batch::Kind::kSize && !traits_->needs_dataset) {
      error(path_of(i, "batch"),
            fmt::format("problem '{}' has no examples, so there are no batches of {}; use 'full'{}",
                        problem_name_, batch.size, traits_->synthetic_noise ? " or 'noisy'" : ""));
    }
    if (batch.kind == Batch::Kind::kNoisy && !traits_->synthetic_noise) {
      error(path_of(i, "batch"),
            fmt::format("problem '{}' has no noise of its own; use {}", problem_name_,
                        traits_->needs_dataset ? "a number of examples or 'full'" : "'full'"));
    }
    const MethodSettings& method = *method_;
    const bool by_epochs = method.epochs || (!method.rounds && shared_->epochs);
    if (by_epochs && !traits_->needs_dataset) {
      error(path_of(i, "epochs"),
            fmt::format("problem '{}' has no examples, so there are no epochs; use rounds",
                        problem_name_));
    }
  }

  // An order that looks at the gradients of single units.
  void check_observed(std::size_t i, const Batch& batch) {
    const std::string order = *pick(*method_, *shared_, &MethodSettings::order);
    if (traits_ && !traits_->unit_gradients) {  // whatever the batch
      error(path_of(i, "order"),
            fmt::format("order '{}' needs the gradients of single examples, which problem '{}' "
                        "does not give; use order = 'reshuffle'",
                        order, problem_name_));
    } else if (batch.kind != Batch::Kind::kSize) {
      error(path_of(i, "order"),
            fmt::format("order '{}' needs the gradients of single examples, which batch = '{}' "
                        "does not visit; use a number of examples such as batch = 16, or order = "
                        "'reshuffle'",
                        order, text_of(batch)));
    }
  }

  void check_unit(std::size_t i) {
    const auto& unit = pick(*method_, *shared_, &MethodSettings::unit);
    if (!unit) return;
    const Batch batch = pick(*method_, *shared_, &MethodSettings::batch).value_or(kDefaultBatch);
    if (batch.kind != Batch::Kind::kSize) {
      if (method_->unit) {
        warn(
            path_of(i, "unit"),
            fmt::format("batch = '{}' visits no single examples; unit is ignored", text_of(batch)));
      }
    } else if (batch.size % *unit != 0) {
      error(path_of(i, "unit"),
            fmt::format("unit = {} does not divide batch = {}; a batch is made of whole units, use "
                        "batch = {}",
                        *unit, batch.size, (batch.size / *unit + 1) * *unit));
    }
  }

  // A unit is then the worker's batch, about which it sends one message per round.
  void check_order_from(std::size_t i, bool observes, const std::optional<Spec>& aggregator) {
    const auto from = pick(*method_, *shared_, &MethodSettings::order_from);
    if (!from || *from == OrderFrom::kGradients) return;
    const std::string place = path_of(i, "order_from");
    if (!observes) {
      if (method_->order_from) {
        warn(place, fmt::format("order '{}' looks at nothing; order_from is ignored",
                                pick(*method_, *shared_, &MethodSettings::order)
                                    .value_or(std::string(kDefaultOrder))));
      }
      return;
    }
    const Batch batch = pick(*method_, *shared_, &MethodSettings::batch).value_or(kDefaultBatch);
    const std::uint32_t unit = pick(*method_, *shared_, &MethodSettings::unit).value_or(1);
    if (batch.kind == Batch::Kind::kSize && batch.size != unit) {
      error(place,
            fmt::format("order_from = 'messages' needs batches of one unit, because a worker "
                        "sends one message per batch; use unit = {} (batch = {}, unit = {})",
                        batch.size, batch.size, unit));
    }
    const auto& workers = pick(*method_, *shared_, &MethodSettings::workers);
    if (aggregator && workers && aggregator_problems(*aggregator, *workers).empty() &&
        !aggregator_needs(*aggregator, *workers).frames) {
      error(place, fmt::format("'{}' sums the messages of workers on their way, so that none of "
                               "them is known on its own; use order_from = 'gradients'",
                               print(*aggregator)));
    }
    const auto& link = pick(*method_, *shared_, &MethodSettings::link);
    if (link && *link != kNoLink) {
      error(place, fmt::format("over link '{}' a worker does not know what of its message arrives; "
                               "use order_from = 'gradients' or link = 'none'",
                               *link));
    }
  }

  static std::string_view text_of_param(const Spec& spec, std::string_view key) {
    for (const Spec::Param& param : spec.params) {
      if (param.key == key) return param.text;
    }
    return {};
  }

  // What runs, but is hardly meant.
  void check_combination(std::size_t i, const Spec& aggregator, const Spec& optimizer) {
    const bool votes = aggregator.name == "vote";
    const std::string name = fmt::format("method[{}]", i + 1);
    if (votes && optimizer.name.starts_with("adam")) {
      warn(path_of(i, "optimizer"),
           fmt::format("{}: a vote is a vector of signs, of which '{}' learns no scale; sgd is the "
                       "usual choice",
                       name, optimizer.name));
    }
    if (votes && problem_name_ == "logistic" && text_of_param(aggregator, "zero") == "pos") {
      warn(path_of(i, "aggregator"),
           fmt::format("{}: with zero=pos a feature that is absent from a batch drifts by one step "
                       "per round; use vote:zero=abstain for sparse data",
                       name));
    }
    const auto& step = pick(*method_, *shared_, &MethodSettings::step);
    if (votes && step && step->kind == StepSize::Kind::kTheory) {
      warn(path_of(i, "step"),
           fmt::format("{}: the theory step 1/L is made for gradients, a vote has length sqrt(d); "
                       "give a number such as 0.001",
                       name));
    }
  }

  // Precondition: aggregator_problems has none.
  void check_steps(std::size_t i, const Spec& aggregator, std::uint32_t workers,
                   const Spec& optimizer) {
    if (aggregator_needs(aggregator, workers).matrix && !builds_matrix(optimizer)) {
      error(path_of(i, "optimizer"),
            fmt::format("method[{}]: matrix=raw is about the matrix of AdaGrad, which optimizer "
                        "'{}' does not have; use adagrad-cmd or adagrad-rda, or leave out matrix",
                        i + 1, print(optimizer)));
    }
    const bool decays = text_of_param(optimizer, "lambda") != "0";
    if ((optimizer.name == "sgd" && !decays) ||
        !aggregator_needs(aggregator, workers).plain_steps) {
      return;
    }
    warn(path_of(i, "optimizer"),
         fmt::format("method[{}]: the trigger of '{}' takes the model's step for step size times "
                     "direction, which optimizer '{}' does not make; use sgd, or clag, which looks "
                     "at gradients only",
                     i + 1, print(aggregator), print(optimizer)));
  }

  void check_sweep() {
    const SweepPlan sweep = plan_sweep(config_);
    const bool readable = config_.refused == 0;
    const bool named = check_placeholders(sweep);
    const std::uint64_t cells = sweep.cells();
    if (cells > kMaxCells) {
      error("sweep", fmt::format("the sweep has more than {} cells; give fewer values or sweep "
                                 "fewer keys at once",
                                 kMaxCells));
    }
    check_criterion(sweep);
    if (!readable || !named || cells > kMaxCells) return;
    const MethodSettings nothing_shared;
    for (std::uint64_t index = 0; index < cells; ++index) {
      const Cell cell = sweep.cell(index);
      const Instance instance = instantiate(sweep.methods[cell.method], cell.values);
      cell_ = &cell.values;
      for (const auto& [key, problem] : instance.problems) {
        error(path_of(cell.method, key), problem);
      }
      check_method(cell.method, instance.settings, nothing_shared);
      cell_ = nullptr;
    }
  }

  // Every name in braces is a key, and every key has a name in braces.
  bool check_placeholders(const SweepPlan& plan) {
    std::vector<std::string_view> keys;
    for (const SweepKey& key : plan.sweep.keys) keys.push_back(key.name);
    const std::size_t before = out_.size();
    std::set<std::string, std::less<>> used;
    const auto check = [&](const std::string& path, std::string_view text) {
      for (const std::string_view name : placeholders(text)) {
        used.emplace(name);
        if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
        error(path,
              fmt::format("{{{}}} is not a key of [sweep]; {}", name,
                          keys.empty() ? std::string("there are none") : "use " + join_or(keys)));
      }
    };
    for (const auto& [key, text] : texts_of(config_.shared)) check(key, text);
    for (std::size_t i = 0; i < config_.methods.size(); ++i) {
      for (const auto& [key, text] : texts_of(config_.methods[i])) {
        check(fmt::format("method[{}].{}", i + 1, key), text);
      }
    }
    for (const SweepKey& key : plan.sweep.keys) {
      if (used.contains(key.name)) continue;
      error("sweep." + key.name,
            fmt::format("no text of a method holds {{{}}}; write it where the values belong, or "
                        "remove the key",
                        key.name));
    }
    return out_.size() == before;
  }

  void check_criterion(const SweepPlan& plan) {
    if (!counts_to_target(plan.sweep.criterion)) return;
    for (std::size_t i = 0; i < plan.methods.size(); ++i) {
      const MethodSettings& settings = plan.methods[i].settings;
      if (settings.until || settings.templates.contains("until") || given(i, "until")) continue;
      error("sweep.criterion",
            fmt::format("{} counts up to a target, but method {} has no until; give it one, e.g. "
                        "until = 'grad_norm2 <= 1e-8', or choose by grad_norm2, loss or "
                        "test_accuracy",
                        criterion_name(plan.sweep.criterion), i + 1));
    }
  }

  // Two methods must not share a name; the name of a method without one is its spec.
  void check_names() {
    std::map<std::string, std::size_t> first;
    const bool complete = !has_errors(out_) && config_.refused == 0;
    const Plan plan = complete ? make_plan(config_) : Plan();
    for (std::size_t i = 0; i < config_.methods.size(); ++i) {
      const auto& given_name = config_.methods[i].name;
      if (!given_name && !complete) continue;
      const std::string name = given_name ? *given_name : plan.methods[i].name;
      const auto [at, is_new] = first.emplace(name, i);
      if (!is_new) {
        error(fmt::format("method[{}].name", i + 1),
              fmt::format("'{}' is also the name of method {}; give every method a name of its own",
                          name, at->second + 1));
      }
    }
  }

  const Config& config_;
  Diagnostics out_ = {};
  std::optional<ProblemTraits> traits_ = {};
  std::string problem_name_ = {};
  bool any_ordered_ = false;
  std::map<std::string, std::optional<Spec>> specs_ = {};  // by path and text
  const MethodSettings* method_ = nullptr;                 // that is being checked
  const MethodSettings* shared_ = nullptr;
  const Assignment* cell_ = nullptr;  // of the sweep, that is being checked
  std::set<std::pair<std::string, std::string>> reported_ = {};  // path and message, of cells
};

Spec canonical_spec(std::string_view text, std::string_view kind) {
  return all_cards().canonical(parse_spec(text).value_or_throw(), kind);
}

MethodPlan plan_method(const MethodSettings& own, const MethodSettings& shared) {
  const auto spec = [&](std::string_view kind, std::optional<std::string> MethodSettings::*field,
                        std::string_view fallback) {
    const auto& text = pick(own, shared, field);
    return canonical_spec(text ? std::string_view(*text) : fallback, kind);
  };
  MethodPlan method;
  method.aggregator = spec("aggregator", &MethodSettings::aggregator, "");
  method.optimizer = spec("optimizer", &MethodSettings::optimizer, kDefaultOptimizer);
  method.schedule = spec("schedule", &MethodSettings::schedule, kDefaultSchedule);
  method.order = spec("order", &MethodSettings::order, kDefaultOrder);
  method.order_from =
      pick(own, shared, &MethodSettings::order_from).value_or(OrderFrom::kGradients);
  const auto& adversary = pick(own, shared, &MethodSettings::adversary);
  if (adversary && *adversary != kNoAdversary) {
    method.adversary = canonical_spec(*adversary, "adversary");
  }
  const auto& estimator = pick(own, shared, &MethodSettings::estimator);
  if (estimator && *estimator != kNoEstimator) {
    method.estimator = canonical_spec(*estimator, "estimator");
  }
  const auto& link = pick(own, shared, &MethodSettings::link);
  if (link && *link != kNoLink) method.link = canonical_spec(*link, "link");
  method.step = *pick(own, shared, &MethodSettings::step);
  method.batch = pick(own, shared, &MethodSettings::batch).value_or(kDefaultBatch);
  method.unit = pick(own, shared, &MethodSettings::unit).value_or(1);
  method.workers = *pick(own, shared, &MethodSettings::workers);
  const MethodSettings& length = own.rounds || own.epochs ? own : shared;
  method.rounds = length.rounds;
  method.epochs = length.epochs;
  method.until = pick(own, shared, &MethodSettings::until);
  method.budget = pick(own, shared, &MethodSettings::budget);
  method.allow_divergence = pick(own, shared, &MethodSettings::allow_divergence).value_or(false);
  method.name = own.name.value_or(spec_text(method));
  return method;
}

}  // namespace

Diagnostics validate(const Config& config) { return Validator(config).run(); }

Plan make_plan(const Config& config) {
  Plan plan;
  plan.name = config.name;
  plan.seed = config.seed;
  plan.repeats = config.repeats;
  plan.precision = config.precision;
  plan.workers = *config.shared.workers;
  plan.problem = canonical_spec(*config.problem, "problem");
  if (config.data) plan.data = canonical_spec(*config.data, "data");
  plan.shard = canonical_spec(config.shard, "shard");
  plan.record_every = config.record_every;
  plan.record_each_epoch = config.record_each_epoch;
  plan.record_gradient = config.record_gradient;
  plan.record_excess = config.record_excess;
  plan.sparse = config.sparse;
  plan.network = config.network;
  if (config.sweep) {
    plan.sweep = plan_sweep(config);
    std::uint64_t first = 0;
    for (std::size_t m = 0; m < config.methods.size(); ++m) {
      plan.methods.push_back(plan_cell(*plan.sweep, plan.sweep->cell(first)));
      first += plan.sweep->cells_of(m);
    }
    return plan;
  }
  for (const MethodSettings& method : config.methods) {
    plan.methods.push_back(plan_method(method, config.shared));
  }
  return plan;
}

MethodPlan plan_cell(const SweepPlan& sweep, const Cell& cell) {
  const MethodTemplate& method = sweep.methods[cell.method];
  MethodPlan out = plan_method(instantiate(method, cell.values).settings, {});
  out.name = method.title;
  if (!cell.values.empty()) out.name += ' ' + text_of(cell.values);
  return out;
}

std::string text_of(const StepSize& step) {
  if (step.kind == StepSize::Kind::kNumber) return shortest(step.factor);
  const std::string name = step.kind == StepSize::Kind::kTheory ? "theory" : "pl";
  return step.factor == 1 ? name : name + "*" + shortest(step.factor);
}

std::string text_of(const Batch& batch) {
  switch (batch.kind) {
    case Batch::Kind::kSize:
      return fmt::format("{}", batch.size);
    case Batch::Kind::kFull:
      return "full";
    case Batch::Kind::kNoisy:
      return "noisy";
  }
  return {};
}

std::string text_of(OrderFrom from) {
  return from == OrderFrom::kGradients ? "gradients" : "messages";
}

std::string spec_text(const MethodPlan& method) {
  std::string out = fmt::format("{} | {} | {}", print(method.aggregator), print(method.optimizer),
                                print(method.schedule));
  if (method.batch.kind == Batch::Kind::kSize) out += " | " + print(method.order);
  if (method.order_from == OrderFrom::kMessages) out += " | order_from=messages";
  if (method.adversary) out += " | " + print(*method.adversary);
  if (method.estimator) out += " | " + print(*method.estimator);
  if (method.link) out += " | " + print(*method.link);
  out += fmt::format(" | step={} | batch={} | workers={}", text_of(method.step),
                     text_of(method.batch), method.workers);
  if (method.batch.kind == Batch::Kind::kSize && method.unit > 1) {
    out += fmt::format(" | unit={}", method.unit);
  }
  out += method.rounds ? fmt::format(" | rounds={}", *method.rounds)
                       : fmt::format(" | epochs={}", method.epochs.value_or(0));
  if (method.until) out += fmt::format(" | until={}", text_of(*method.until));
  if (method.budget) out += fmt::format(" | budget={}", text_of(*method.budget));
  return out;
}

std::uint32_t fewest_workers(const Plan& plan) {
  std::uint32_t fewest = plan.workers;
  for (const MethodPlan& method : plan.methods) fewest = std::min(fewest, method.workers);
  return fewest;
}

}  // namespace laconic::experiment
