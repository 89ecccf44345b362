// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/synchronizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/comm/background.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic {
namespace {

// Phases of this layer's own calls, out of the way of the aggregators'.
constexpr std::uint32_t kStep = 1U << 30;
constexpr Tag kAgree = {0, kStep + 1};
constexpr Tag kOpen = {0, kStep + 2};

Spec method_of(const std::string& text, std::uint32_t workers) {
  const Spec canonical = canonical_aggregator(text);
  if (const auto problems = aggregator_problems(canonical, workers); !problems.empty()) {
    throw ConfigError(problems.front());
  }
  const AggregatorNeeds needs = aggregator_needs(canonical, workers);
  if (needs.plain_steps || needs.worker_smoothness) {
    throw ConfigError(fmt::format(
        "synchronizer: '{}' looks at the steps of the optimizer or at constants of the problem, "
        "which "
        "a synchronizer does not see; use mirror:clag:..., which looks at gradients only",
        text));
  }
  return canonical;
}

// What all ranks must agree on, item by item.
struct Item {
  std::string what = {};
  std::string value = {};
};
std::vector<Item> items_of(std::span<const Tensor> tensors, const SynchronizerOptions& options,
                           std::string_view number) {
  std::vector<Item> out = {{"number format", std::string(number)},
                           {"aggregator", options.aggregator},
                           {"seed", fmt::format("{}", options.seed)},
                           {"bucket size", fmt::format("{}", options.buckets.numbers)},
                           {"exempt_vectors", fmt::format("{}", options.buckets.exempt_vectors)},
                           {"clip_norm", fmt::format("{}", options.clip_norm)},
                           {"overlap", fmt::format("{}", options.overlap)},
                           {"number of tensors", fmt::format("{}", tensors.size())}};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    out.push_back({fmt::format("tensor {}", i),
                   fmt::format("'{}', {} x {}{}", tensor.name, tensor.shape.rows, tensor.shape.cols,
                               tensor.role == Role::kBias ? ", a bias" : "")});
  }
  return out;
}

// Collective: every rank throws the same ConfigError when items of two ranks differ.
void agree(const std::vector<Item>& items, Communicator& comm) {
  std::vector<std::byte> bytes;
  const auto put = [&](const std::string& text) {
    for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
    bytes.push_back(std::byte{0});
  };
  for (const Item& item : items) {
    put(item.what);
    put(item.value);
  }
  Gathered gathered;
  comm.all_gather(kAgree, bytes, gathered);
  const auto read = [&](std::uint32_t rank) {
    std::vector<Item> out;
    std::vector<std::string> texts(1);
    for (const std::byte b : gathered.part(rank)) {
      if (b == std::byte{0}) {
        texts.emplace_back();
      } else {
        texts.back() += static_cast<char>(b);
      }
    }
    for (std::size_t i = 0; i + 1 < texts.size(); i += 2) out.push_back({texts[i], texts[i + 1]});
    return out;
  };
  const std::vector<Item> first = read(0);
  for (std::uint32_t rank = 1; rank < comm.size(); ++rank) {
    const std::vector<Item> other = read(rank);
    for (std::size_t i = 0; i < std::min(first.size(), other.size()); ++i) {
      if (first[i].value == other[i].value && first[i].what == other[i].what) continue;
      throw ConfigError(fmt::format(
          "synchronizer: rank {} has {} {}, rank 0 has {} {}; all ranks must be given the same "
          "model and options",
          rank, other[i].what, other[i].value, first[i].what, first[i].value));
    }
  }
}

// Buckets must not share random numbers.
std::uint64_t seed_of(std::uint64_t seed, std::size_t bucket) {
  rng::Reader reader(rng::Stream(seed, {.purpose = rng::Purpose::kShared,
                                        .worker = static_cast<std::uint32_t>(bucket),
                                        .tensor = (1U << 24) - 1}));
  return reader.u64();
}

}  // namespace

template <Real T>
class Synchronizer<T>::State {
 public:
  State(std::vector<Tensor> tensors, const SynchronizerOptions& options, Communicator& comm)
      : options_(options), comm_(comm) {
    agree(items_of(tensors, options, sizeof(T) == 4 ? "float" : "double"), comm);
    check(tensors);
    method_ = method_of(options.aggregator, comm.size());
    tensors_ = std::move(tensors);
    place_.resize(tensors_.size());
    buckets_ = plan_buckets(tensors_, options.buckets);
    for (std::size_t b = 0; b < buckets_.size(); ++b) add_bucket(b);
    if (options.overlap) open_background();
  }
  ~State() {
    {
      const std::scoped_lock lock(mutex_);
      leaving_ = true;
    }
    changed_.notify_all();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void ready(std::size_t i, std::span<const T> gradient) {
    LACONIC_EXPECTS(i < tensors_.size());
    if (gradient.size() != tensors_[i].shape.size()) {
      throw ConfigError(fmt::format("synchronizer: tensor {} '{}' has {} numbers, its gradient {}",
                                    i, tensors_[i].name, tensors_[i].shape.size(),
                                    gradient.size()));
    }
    begin_step();
    Place& place = place_[i];
    if (place.is_ready) {
      throw ConfigError(
          fmt::format("synchronizer: the gradient of tensor {} '{}' was given twice in step {}; "
                      "call finish once "
                      "per step",
                      i, tensors_[i].name, report_.steps));
    }
    Work& work = work_[place.bucket];
    std::copy(gradient.begin(), gradient.end(),
              work.gradient.begin() + static_cast<std::ptrdiff_t>(place.offset));
    place.is_ready = true;
    if (--work.missing == 0) release(place.bucket);
  }

  void finish(std::span<const std::span<T>> directions) {
    check_sizes(directions);
    begin_step();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (place_[i].is_ready) continue;
      const Place& place = place_[i];
      const auto from =
          work_[place.bucket].gradient.begin() + static_cast<std::ptrdiff_t>(place.offset);
      std::fill(from, from + static_cast<std::ptrdiff_t>(tensors_[i].shape.size()), T{0});
    }
    for (std::size_t b = 0; b < work_.size(); ++b) {
      if (work_[b].missing > 0) release(b);
    }
    if (background_) {
      // A rank that has left the loop is only heard on its own thread's communicator.
      comm_.barrier({static_cast<std::uint32_t>(report_.steps), kStep});
      background_->wait();
    } else {
      for (std::size_t b = 0; b < work_.size(); ++b) exchange(b, comm_);
    }
    const T scale = clipping();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const Place& place = place_[i];
      const std::span<const T> direction = std::span<const T>(work_[place.bucket].direction)
                                               .subspan(place.offset, directions[i].size());
      std::copy(direction.begin(), direction.end(), directions[i].begin());
      if (scale != 1) kernels::scale<T>(scale, directions[i]);
    }
    for (const Work& work : work_) {
      report_.uplink += work.uplink;
      report_.downlink += work.downlink;
      report_.link_bytes += work.link_bytes;
      report_.latency_steps += work.latency_steps;
    }
    ++report_.steps;
    in_step_ = false;
  }

  void check_sizes(std::span<const std::span<T>> directions) const {
    if (directions.size() != tensors_.size()) {
      throw ConfigError(
          fmt::format("synchronizer: {} gradients for {} tensors; give one per tensor",
                      directions.size(), tensors_.size()));
    }
    for (std::size_t i = 0; i < directions.size(); ++i) {
      if (directions[i].size() == tensors_[i].shape.size()) continue;
      throw ConfigError(fmt::format("synchronizer: tensor {} '{}' has {} numbers, its gradient {}",
                                    i, tensors_[i].name, tensors_[i].shape.size(),
                                    directions[i].size()));
    }
  }

  [[nodiscard]] std::span<const Bucket> buckets() const { return buckets_; }
  [[nodiscard]] const SynchronizerReport& report() const { return report_; }
  [[nodiscard]] std::string plan() const {
    std::string out = fmt::format(
        "{} tensors in {} buckets among {} ranks, {}\n", tensors_.size(), buckets_.size(),
        comm_.size(), background_ ? "exchanged behind the caller" : "exchanged in finish");
    for (const Bucket& bucket : buckets_) {
      out += fmt::format("  {} numbers of {} tensors from '{}': {}\n", bucket.layout.size(),
                         bucket.tensors.size(), bucket.layout.tensors()[0].name,
                         bucket.exempt ? "dense (one column: exempt)" : print(method_));
    }
    return out;
  }

 private:
  struct Place {  // of a tensor
    std::size_t bucket = 0;
    std::size_t offset = 0;
    bool is_ready = false;
  };
  struct Work {  // of a bucket; the background thread's from its release to the end of the step
    std::unique_ptr<Aggregator<T>> aggregator = {};
    AlignedVector<T> gradient = {};
    AlignedVector<T> direction = {};
    std::size_t missing = 0;  // tensors that are not ready
    bool is_released = false;
    Meter uplink = {};  // of this step
    Meter downlink = {};
    std::uint64_t link_bytes = 0;
    std::uint32_t latency_steps = 0;
  };

  void check(std::span<const Tensor> tensors) const {
    if (tensors.empty()) {
      throw ConfigError("synchronizer: there is no tensor; give the parameters of the model");
    }
    std::vector<std::string> names;
    for (const Tensor& tensor : tensors) {
      if (tensor.shape.size() == 0) {
        throw ConfigError(fmt::format("synchronizer: tensor '{}' is empty ({} x {}); leave it out",
                                      tensor.name, tensor.shape.rows, tensor.shape.cols));
      }
      names.push_back(tensor.name);
    }
    std::sort(names.begin(), names.end());
    if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
      throw ConfigError(
          fmt::format("synchronizer: two tensors are called '{}'; give each its own name", *twice));
    }
    if (!std::isfinite(options_.clip_norm) || options_.clip_norm < 0) {
      throw ConfigError(
          fmt::format("synchronizer: clip_norm = {} is not 0 (no clipping) or a positive number",
                      options_.clip_norm));
    }
  }

  void add_bucket(std::size_t b) {
    const Bucket& bucket = buckets_[b];
    for (std::size_t t = 0; t < bucket.tensors.size(); ++t) {
      place_[bucket.tensors[t]] = {.bucket = b, .offset = bucket.layout.tensors()[t].offset};
    }
    const Spec method = bucket.exempt ? canonical_aggregator("dense") : method_;
    const auto problems = aggregator_problems(method, comm_.size(), &bucket.layout);
    if (!problems.empty()) throw ConfigError(problems.front());
    Work& work = work_.emplace_back();
    work.aggregator = aggregators<T>().make(method, {.layout = &bucket.layout,
                                                     .workers = comm_.size(),
                                                     .mine = {comm_.rank(), comm_.rank() + 1},
                                                     .seed = seed_of(options_.seed, b)});
    if (work.aggregator->sends_model()) {
      throw ConfigError(fmt::format(
          "synchronizer: '{}' runs the optimizer at its server and sends the model; a synchronizer "
          "needs a direction, use down=lossless or down=quantized",
          options_.aggregator));
    }
    work.gradient.resize(bucket.layout.size());
    work.direction.resize(bucket.layout.size());
  }

  // Where the transport cannot serve two threads the exchange stays in finish.
  void open_background() {
    std::unique_ptr<Communicator> second;
    try {
      second = comm_.open_second(kOpen);
    } catch (const CommError&) {
      return;
    }
    background_ = std::make_unique<Background>(std::move(second));
  }

  void begin_step() {
    if (in_step_) return;
    in_step_ = true;
    for (Place& place : place_) place.is_ready = false;
    for (std::size_t b = 0; b < work_.size(); ++b) {
      work_[b].missing = buckets_[b].tensors.size();
      work_[b].is_released = false;
    }
    if (!background_) return;
    background_->start([this](Communicator& comm) {
      for (std::size_t b = 0; b < work_.size(); ++b) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return work_[b].is_released || leaving_; });
        if (!work_[b].is_released) return;
        lock.unlock();
        exchange(b, comm);
      }
    });
  }

  void release(std::size_t b) {
    {
      const std::scoped_lock lock(mutex_);
      work_[b].is_released = true;
    }
    changed_.notify_all();
  }

  void exchange(std::size_t b, Communicator& comm) {
    Work& work = work_[b];
    const WorkerGradient<T> mine = {comm.rank(), work.gradient};
    const RoundReport& report =
        work.aggregator->aggregate({.index = static_cast<std::uint32_t>(report_.steps),
                                    .step_size = 1,
                                    .previous_step_size = 1,
                                    .part = static_cast<std::uint32_t>(b)},
                                   {&mine, 1}, work.direction, comm);
    work.uplink = report.uplink;
    work.downlink = report.downlink;
    work.link_bytes = report.link_bytes.empty() ? 0 : report.link_bytes.front();
    work.latency_steps = report.latency_steps;
  }

  [[nodiscard]] T clipping() const {
    if (options_.clip_norm == 0) return 1;
    double squares = 0;
    for (const Work& work : work_) squares += kernels::squared_norm<T>(work.direction);
    const double norm = std::sqrt(squares);
    return norm > options_.clip_norm ? static_cast<T>(options_.clip_norm / norm) : T{1};
  }

  SynchronizerOptions options_;
  Communicator& comm_;
  Spec method_ = {};
  std::vector<Tensor> tensors_ = {};
  std::vector<Bucket> buckets_ = {};
  std::vector<Place> place_ = {};  // by tensor
  std::vector<Work> work_ = {};    // by bucket
  SynchronizerReport report_ = {};
  bool in_step_ = false;
  std::mutex mutex_ = {};  // guards is_released of all buckets and leaving_
  std::condition_variable changed_ = {};
  bool leaving_ = false;
  std::unique_ptr<Background> background_ = {};  // null: exchanges happen in finish; ends first
};

template <Real T>
Synchronizer<T>::Synchronizer(std::vector<Tensor> tensors, const SynchronizerOptions& options,
                              Communicator& comm)
    : state_(std::make_unique<State>(std::move(tensors), options, comm)) {}
template <Real T>
Synchronizer<T>::~Synchronizer() = default;
template <Real T>
void Synchronizer<T>::ready(std::size_t i, std::span<const T> gradient) {
  state_->ready(i, gradient);
}
template <Real T>
void Synchronizer<T>::finish(std::span<const std::span<T>> directions) {
  state_->finish(directions);
}
template <Real T>
void Synchronizer<T>::synchronize(std::span<const std::span<T>> gradients) {
  state_->check_sizes(gradients);
  for (std::size_t i = gradients.size(); i-- > 0;) state_->ready(i, gradients[i]);
  state_->finish(gradients);
}
template <Real T>
std::span<const Bucket> Synchronizer<T>::buckets() const {
  return state_->buckets();
}
template <Real T>
std::string Synchronizer<T>::plan() const {
  return state_->plan();
}
template <Real T>
const SynchronizerReport& Synchronizer<T>::report() const {
  return state_->report();
}
template class Synchronizer<float>;
template class Synchronizer<double>;

}  // namespace laconic
