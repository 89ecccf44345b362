// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/torch/gradient_synchronizer.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <cstring>
#include <limits>
#include <mutex>
#include <ostream>
#include <span>
#include <unordered_map>

#include "laconic/base/error.hpp"

namespace laconic::torch {
namespace {

namespace autograd = ::torch::autograd;

// Of this layer's own calls, out of the way of those of laconic::Synchronizer.
constexpr Tag kStart = {0, (1U << 30) + 64};

struct Parameter {
  at::Tensor tensor = {};
  std::string name = {};
};

// Those that are exchanged, in their order. Refuses what cannot be.
std::vector<Parameter> parameters_of(std::vector<at::Tensor> tensors, const Options& options) {
  if (!options.names.empty() && options.names.size() != tensors.size()) {
    throw ConfigError(fmt::format("synchronizer: {} names for {} parameters; give one for each",
                                  options.names.size(), tensors.size()));
  }
  std::vector<Parameter> out;
  std::unordered_map<const void*, std::string> seen;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Parameter p = {
        .tensor = std::move(tensors[i]),
        .name = options.names.empty() ? fmt::format("parameter {}", i) : options.names[i]};
    if (!p.tensor.defined()) {
      throw ConfigError(fmt::format("synchronizer: '{}' is an undefined tensor", p.name));
    }
    if (!p.tensor.requires_grad()) continue;
    if (!p.tensor.is_leaf()) {
      throw ConfigError(fmt::format(
          "synchronizer: '{}' is computed from other tensors; give the parameters themselves",
          p.name));
    }
    const auto place = seen.emplace(p.tensor.unsafeGetTensorImpl(), p.name);
    if (!place.second) {
      throw ConfigError(fmt::format("synchronizer: '{}' and '{}' are the same tensor; give it once",
                                    place.first->second, p.name));
    }
    out.push_back(std::move(p));
  }
  return out;
}

// A vector has one column; more dimensions than two are columns together, as for the rows of a
// convolution's weights.
Tensor tensor_of(const Parameter& parameter) {
  const at::Tensor& t = parameter.tensor;
  const std::int64_t rows = t.dim() < 2 ? t.numel() : t.size(0);
  const std::int64_t cols = t.dim() < 2 || rows == 0 ? 1 : t.numel() / rows;
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (rows > kMost || cols > kMost) {
    throw ConfigError(fmt::format("synchronizer: '{}' is {} x {}, which is more than 2^32 - 1",
                                  parameter.name, rows, cols));
  }
  return {.name = parameter.name,
          .shape = {static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(cols)},
          .role = t.dim() < 2 ? Role::kBias : Role::kWeight};
}

}  // namespace

class GradientSynchronizer::State {
 public:
  virtual ~State() = default;
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  virtual void start_alike() = 0;
  virtual void synchronize() = 0;
  virtual bool join() = 0;
  virtual void save_file(const std::string& path) const = 0;
  virtual void load_file(const std::string& path) = 0;
  [[nodiscard]] virtual std::string plan() const = 0;
  [[nodiscard]] virtual const SynchronizerReport& report() const = 0;
  [[nodiscard]] int* depth() { return &depth_; }

 protected:
  [[nodiscard]] bool held_back() const { return depth_ > 0; }

 private:
  int depth_ = 0;  // of NoSync scopes
};

template <Real T>
class GradientSynchronizer::Engine final : public State {
 public:
  Engine(std::vector<Parameter> parameters, std::size_t frozen, std::string_view aggregator,
         Communicator& comm, const Options& options)
      : parameters_(std::move(parameters)),
        frozen_(frozen),
        every_gradient_(options.every_gradient),
        comm_(comm),
        sync_(tensors(),
              {.aggregator = std::string(aggregator),
               .seed = options.seed,
               .buckets = options.buckets,
               .clip_norm = options.clip_norm,
               .overlap = options.overlap},
              comm),
        ready_(parameters_.size()),
        staged_(parameters_.size()),
        directions_(parameters_.size()) {
    if (options.hooks) add_hooks();
  }
  ~Engine() override {
    for (const Hook& hook : hooks_) hook.node->del_post_hook(hook.key);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void start_alike() override {
    const at::NoGradGuard no_grad;
    std::vector<std::byte> bytes;
    for (const Parameter& parameter : parameters_) {
      at::Tensor plain = plain_of(parameter.tensor);
      const std::span<T> values = span_of(plain);
      const auto own = std::as_bytes(values);
      bytes.assign(own.begin(), own.end());
      comm_.broadcast(kStart, 0, bytes);
      std::memcpy(values.data(), bytes.data(), values.size_bytes());
      at::Tensor(parameter.tensor).copy_(plain);
    }
  }

  void synchronize() override {
    const std::scoped_lock lock(mutex_);
    const at::NoGradGuard no_grad;
    std::size_t missing = 0;
    for (std::size_t i = parameters_.size(); i-- > 0;) {
      if (ready_[i] != 0) continue;
      if (parameters_[i].tensor.grad().defined()) {
        give(i);
      } else {
        ++missing;
        if (every_gradient_) refuse_undefined(i, "it has");
      }
    }
    if (missing == parameters_.size()) refuse_undefined(0, "no parameter has");
    open_directions();
    sync_.finish(directions_);
    close_directions();
  }

  bool join() override {
    const std::scoped_lock lock(mutex_);
    const at::NoGradGuard no_grad;
    open_directions();
    if (!sync_.join(directions_)) return false;
    close_directions();
    return true;
  }

  void save_file(const std::string& path) const override { sync_.save_file(path); }
  void load_file(const std::string& path) override { sync_.load_file(path); }

  [[nodiscard]] std::string plan() const override {
    std::string out = sync_.plan();
    out += fmt::format("  gradients are taken {}\n",
                       hooks_.empty() ? "in synchronize" : "during the backward pass");
    if (frozen_ > 0) {
      out += fmt::format("  {} tensors do not require gradients and are left alone\n", frozen_);
    }
    return out;
  }
  [[nodiscard]] const SynchronizerReport& report() const override { return sync_.report(); }

 private:
  // Keeps the node alive: libtorch itself only holds it weakly, and the hook dies with it.
  struct Hook {
    std::shared_ptr<autograd::Node> node = {};
    std::uintptr_t key = 0;
  };

  [[nodiscard]] std::vector<Tensor> tensors() const {
    std::vector<Tensor> out;
    for (const Parameter& parameter : parameters_) out.push_back(tensor_of(parameter));
    return out;
  }
  static constexpr at::ScalarType kType = sizeof(T) == 4 ? at::kFloat : at::kDouble;

  void add_hooks() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      auto node = autograd::impl::grad_accumulator(parameters_[i].tensor);
      auto hook = std::make_unique<autograd::utils::LambdaPostHook>(
          [this, i](const autograd::variable_list& outputs, const autograd::variable_list&) {
            on_gradient(i);
            return outputs;
          });
      const std::uintptr_t key = node->add_post_hook(std::move(hook));
      hooks_.push_back({.node = std::move(node), .key = key});
    }
  }

  void on_gradient(std::size_t i) {
    const std::scoped_lock lock(mutex_);
    if (held_back() || !parameters_[i].tensor.grad().defined()) return;
    if (ready_[i] != 0) {
      throw ConfigError(fmt::format(
          "synchronizer: '{}' got a second gradient in step {}, when the first had been sent; put "
          "all backward passes of a step but the last into a no_sync scope, or set hooks = false",
          parameters_[i].name, sync_.report().steps));
    }
    const at::NoGradGuard no_grad;
    give(i);
  }

  // Whether the numbers of a gradient lie in memory as the exchange wants them.
  static bool is_plain(const at::Tensor& gradient) {
    return gradient.layout() == at::kStrided && gradient.device().is_cpu() &&
           gradient.scalar_type() == kType && gradient.is_contiguous();
  }
  static std::span<T> span_of(const at::Tensor& plain) {
    return {plain.data_ptr<T>(), static_cast<std::size_t>(plain.numel())};
  }
  static at::Tensor plain_of(const at::Tensor& gradient) {
    const at::Tensor dense = gradient.layout() == at::kStrided ? gradient : gradient.to_dense();
    return dense.to(at::kCPU, kType).contiguous();
  }

  void give(std::size_t i) {
    const at::Tensor& gradient = parameters_[i].tensor.grad();
    const at::Tensor plain = is_plain(gradient) ? gradient : plain_of(gradient);
    ready_[i] = 1;
    sync_.ready(i, span_of(plain));
  }

  // Where directions go: the gradients themselves, or tensors that become them.
  void open_directions() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor& parameter = parameters_[i].tensor;
      at::Tensor target = parameter.grad();
      if (!target.defined() || !is_plain(target)) {
        if (!staged_[i].defined()) {
          staged_[i] = at::empty(parameter.sizes(), at::TensorOptions(kType));
        }
        target = staged_[i];
      }
      directions_[i] = span_of(target);
    }
  }
  void close_directions() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      ready_[i] = 0;
      at::Tensor& gradient = parameters_[i].tensor.mutable_grad();
      if (gradient.defined() && is_plain(gradient)) continue;
      if (gradient.defined() && gradient.layout() == at::kStrided) {
        gradient.copy_(staged_[i]);
      } else {
        gradient = at::empty_like(parameters_[i].tensor).copy_(staged_[i]);
      }
    }
  }

  [[noreturn]] void refuse_undefined(std::size_t i, std::string_view what) const {
    throw ConfigError(fmt::format(
        "synchronizer: the gradient of '{}' is undefined in step {}: {} no gradient; call backward "
        "before synchronize, or join on a rank without a batch",
        parameters_[i].name, sync_.report().steps, what));
  }

  std::vector<Parameter> parameters_;
  std::size_t frozen_;
  bool every_gradient_;
  Communicator& comm_;
  std::mutex mutex_ = {};  // guards what follows: hooks may run on threads of libtorch
  Synchronizer<T> sync_;
  std::vector<std::uint8_t> ready_;  // by parameter, in this step
  std::vector<at::Tensor> staged_;   // by parameter, where its gradient is not plain
  std::vector<std::span<T>> directions_;
  std::vector<Hook> hooks_ = {};
};

GradientSynchronizer::GradientSynchronizer(std::vector<at::Tensor> parameters,
                                           std::string_view aggregator, Communicator& comm,
                                           const Options& options) {
  const std::size_t given = parameters.size();
  std::vector<Parameter> own = parameters_of(std::move(parameters), options);
  const std::size_t frozen = given - own.size();
  const at::ScalarType type = own.empty() ? at::kFloat : own[0].tensor.scalar_type();
  for (const Parameter& parameter : own) {
    const at::ScalarType other = parameter.tensor.scalar_type();
    if (other == type && (type == at::kFloat || type == at::kDouble)) continue;
    throw ConfigError(
        fmt::format("synchronizer: '{}' is of type {}, and '{}' of type {}; parameters must be all "
                    "float or all double",
                    parameter.name, c10::toString(other), own[0].name, c10::toString(type)));
  }
  if (type == at::kDouble) {
    state_ = std::make_unique<Engine<double>>(std::move(own), frozen, aggregator, comm, options);
  } else {
    state_ = std::make_unique<Engine<float>>(std::move(own), frozen, aggregator, comm, options);
  }
  if (options.plan_to != nullptr && comm.rank() == 0) *options.plan_to << plan();
}

GradientSynchronizer::~GradientSynchronizer() = default;
void GradientSynchronizer::start_alike() { state_->start_alike(); }
void GradientSynchronizer::synchronize() { state_->synchronize(); }
GradientSynchronizer::NoSync GradientSynchronizer::no_sync() { return NoSync(state_->depth()); }
bool GradientSynchronizer::join() { return state_->join(); }
void GradientSynchronizer::save_file(const std::string& path) const { state_->save_file(path); }
void GradientSynchronizer::load_file(const std::string& path) { state_->load_file(path); }
std::string GradientSynchronizer::plan() const { return state_->plan(); }
const SynchronizerReport& GradientSynchronizer::report() const { return state_->report(); }

}  // namespace laconic::torch
