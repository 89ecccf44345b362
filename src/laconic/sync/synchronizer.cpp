// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/synchronizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/comm/background.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/sync/agreement.hpp"
#include "laconic/sync/state_file.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/state.hpp"

namespace laconic {
namespace {

// Phases of this layer's own calls, out of the way of the aggregators'.
constexpr std::uint32_t kStep = 1U << 30;
constexpr Tag kAgree = {0, kStep + 1};
constexpr Tag kOpen = {0, kStep + 2};
constexpr std::uint32_t kSave = kStep + 3;
constexpr std::uint32_t kLoad = kStep + 4;

// Nothing travels: not a method, but what one finds out by it is how much there is to gain.
constexpr std::string_view kNoop = "noop";

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

std::string text_of(const Tensor& tensor) {
  return fmt::format("'{}', {} x {}{}", tensor.name, tensor.shape.rows, tensor.shape.cols,
                     tensor.role == Role::kBias ? ", a bias" : "");
}

// Saves the tensors of the model, or throws when those that were saved are others.
void archive_tensors(std::span<const Tensor> tensors, wire::StateArchive& archive) {
  const std::uint64_t here = tensors.size();
  std::uint64_t saved = here;
  archive.number("tensors", saved);
  for (std::uint64_t i = 0; i < std::max(saved, here); ++i) {
    const std::string own = i < here ? text_of(tensors[i]) : "none";
    std::string other = i < saved ? own : "none";
    if (i < saved) archive.text(archive.numbered("tensor", i), other);
    if (other == own) continue;
    throw ConfigError(
        fmt::format("saved state: it is that of another model: tensor {} was {}, here it is {}", i,
                    other, own));
  }
}

// What all ranks must agree on, item by item.
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
    out.push_back({fmt::format("tensor {}", i), text_of(tensors[i])});
  }
  return out;
}

// What `work` throws as ConfigError; empty if nothing.
template <class Work>
std::string failure_of(Work work) {
  try {
    work();
  } catch (const ConfigError& e) {
    return e.what();
  }
  return {};
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
    agree(items_of(tensors, options, sizeof(T) == 4 ? "float" : "double"),
          "all ranks must be given the same model and options", kAgree, comm);
    check(tensors);
    travels_ = options.aggregator != kNoop;
    if (travels_) method_ = method_of(options.aggregator, comm.size());
    tensors_ = std::move(tensors);
    place_.resize(tensors_.size());
    buckets_ = plan_buckets(tensors_, options.buckets);
    for (std::size_t b = 0; b < buckets_.size(); ++b) add_bucket(b);
    if (travels_ && options.overlap) open_background();
  }
  ~State() {
    if (background_ && in_step_ && !told_) abandon_step();
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
    begin_step(true);
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
    begin_step(true);
    release_all();
    end_step(count_active(true), directions);
  }

  bool join(std::span<const std::span<T>> directions) {
    check_sizes(directions);
    expect_no_step("join");
    const std::uint32_t active = count_active(false);
    if (active == 0) return false;
    begin_step(false);
    release_all();
    end_step(active, directions);
    return true;
  }

  [[nodiscard]] std::vector<std::byte> save() const {
    expect_no_step("save");
    std::vector<std::byte> out;
    wire::StateArchive archive(out);
    Memory memory = {.report = report_};
    for (const Work& work : work_) memory.aggregators.push_back(work.aggregator.get());
    archive_all(memory, archive);
    seal(out);
    return out;
  }

  void load(std::span<const std::byte> bytes) {
    load_from([&] { return std::vector<std::byte>(bytes.begin(), bytes.end()); });
  }

  void save_file(const std::string& path) const {
    expect_no_step("save_file");
    const Tag tag = {static_cast<std::uint32_t>(report_.steps), kSave};
    std::optional<StateFile> file;
    agree_on_success(failure_of([&] { file.emplace(file_of(path), save()); }), tag, comm_);
    agree_on_success(failure_of([&] { file->publish(); }), tag, comm_);
  }

  void load_file(const std::string& path) {
    load_from([&] { return read_state_file(file_of(path)); });
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
    std::string out = fmt::format("{} tensors in {} buckets among {} ranks, {}\n", tensors_.size(),
                                  buckets_.size(), comm_.size(), way());
    for (const Bucket& bucket : buckets_) {
      out += fmt::format("  {} numbers of {} tensors from '{}': {}\n", bucket.layout.size(),
                         bucket.tensors.size(), bucket.layout.tensors()[0].name, how(bucket));
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
    // The method counts on a message of every rank: one that has joined says 0.
    bool needs_everyone = false;
    Meter uplink = {};  // of this step
    Meter downlink = {};
    std::uint64_t link_bytes = 0;
    std::uint32_t latency_steps = 0;
  };

  struct Memory {  // what is saved and loaded
    SynchronizerReport report = {};
    std::vector<Aggregator<T>*> aggregators = {};  // by bucket; null for noop
  };

  void expect_no_step(std::string_view call) const {
    if (!in_step_) return;
    throw ConfigError(
        fmt::format("synchronizer: {} was called in step {}, for which gradients were given; call "
                    "finish before",
                    call, report_.steps));
  }
  [[nodiscard]] std::string file_of(const std::string& path) const {
    return fmt::format("{}.rank{}", path, comm_.rank());
  }

  void archive_all(Memory& memory, wire::StateArchive& archive) const {
    archive.fact("format", "laconic synchronizer 1");
    archive.fact("number format", sizeof(T) == 4 ? "float" : "double");
    archive_tensors(tensors_, archive);
    archive.fact("aggregator", travels_ ? print(method_) : std::string(kNoop));
    archive.fact("seed", fmt::format("{}", options_.seed));
    archive.fact("bucket size", fmt::format("{}", options_.buckets.numbers));
    archive.fact("exempt_vectors", fmt::format("{}", options_.buckets.exempt_vectors));
    archive.fact("ranks", fmt::format("{}", comm_.size()));
    archive.fact("rank", fmt::format("{}", comm_.rank()));
    archive.number("steps", memory.report.steps);
    archive.number("link_bytes", memory.report.link_bytes);
    archive.number("latency_steps", memory.report.latency_steps);
    for (Meter* meter : {&memory.report.uplink, &memory.report.downlink}) {
      archive.number("payload_bits", meter->payload_bits);
      archive.number("wire_bits", meter->wire_bits);
      archive.number("frame_bytes", meter->frame_bytes);
    }
    for (std::size_t b = 0; b < memory.aggregators.size(); ++b) {
      archive.fact("bucket", fmt::format("{}", b));
      if (memory.aggregators[b] != nullptr) memory.aggregators[b]->state(archive);
    }
  }

  // Into new aggregators, which take the place of the old ones when all ranks have succeeded.
  template <class Read>
  void load_from(Read read) {
    expect_no_step("load");
    std::vector<std::unique_ptr<Aggregator<T>>> fresh;
    Memory memory;
    const std::string failure = failure_of([&] {
      const std::vector<std::byte> bytes = read();
      wire::StateArchive archive(unseal(bytes));
      for (std::size_t b = 0; b < work_.size(); ++b) {
        fresh.push_back(travels_ ? make_aggregator(b) : nullptr);
        memory.aggregators.push_back(fresh.back().get());
      }
      archive_all(memory, archive);
      archive.finish();
    });
    const Tag tag = {static_cast<std::uint32_t>(report_.steps), kLoad};
    agree_on_success(failure, tag, comm_);
    const Item steps = {"a state of", fmt::format("{} steps", memory.report.steps)};
    agree({&steps, 1}, "load states that were saved together", tag, comm_);
    for (std::size_t b = 0; b < work_.size(); ++b) work_[b].aggregator = std::move(fresh[b]);
    report_ = memory.report;
  }

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

  [[nodiscard]] std::string_view way() const {
    if (!travels_) return "nothing is exchanged";
    return background_ ? "exchanged behind the caller" : "exchanged in finish";
  }
  [[nodiscard]] std::string how(const Bucket& bucket) const {
    if (!travels_) return "noop: every rank keeps its own gradient";
    return bucket.exempt ? "dense (one column: exempt)" : print(method_);
  }

  [[nodiscard]] Spec method_of_bucket(std::size_t b) const {
    return buckets_[b].exempt ? canonical_aggregator("dense") : method_;
  }
  [[nodiscard]] std::unique_ptr<Aggregator<T>> make_aggregator(std::size_t b) const {
    return aggregators<T>().make(method_of_bucket(b), {.layout = &buckets_[b].layout,
                                                       .workers = comm_.size(),
                                                       .mine = {comm_.rank(), comm_.rank() + 1},
                                                       .seed = seed_of(options_.seed, b)});
  }

  void add_bucket(std::size_t b) {
    const Bucket& bucket = buckets_[b];
    for (std::size_t t = 0; t < bucket.tensors.size(); ++t) {
      place_[bucket.tensors[t]] = {.bucket = b, .offset = bucket.layout.tensors()[t].offset};
    }
    Work& work = work_.emplace_back();
    work.gradient.resize(bucket.layout.size());
    work.direction.resize(bucket.layout.size());
    if (!travels_) return;
    const Spec method = method_of_bucket(b);
    const auto problems = aggregator_problems(method, comm_.size(), &bucket.layout);
    if (!problems.empty()) throw ConfigError(problems.front());
    const AggregatorNeeds needs = aggregator_needs(method, comm_.size());
    work.needs_everyone = !needs.frames || needs.every_frame;
    work.aggregator = make_aggregator(b);
    if (work.aggregator->sends_model()) {
      throw ConfigError(fmt::format(
          "synchronizer: '{}' runs the optimizer at its server and sends the model; a synchronizer "
          "needs a direction, use down=lossless or down=quantized",
          options_.aggregator));
    }
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

  // How many ranks have gradients in this step. A rank that has left the loop is only heard here:
  // the background thread has a communicator of its own.
  std::uint32_t count_active(bool here) {
    told_ = true;
    if (!travels_) return here ? 1 : 0;
    const std::byte mine{static_cast<unsigned char>(here ? 1 : 0)};
    comm_.all_gather({static_cast<std::uint32_t>(report_.steps), kStep}, {&mine, 1}, active_);
    std::uint32_t out = 0;
    for (const std::byte rank : active_.all()) out += std::to_integer<std::uint32_t>(rank);
    return out;
  }

  // What was not ready counts as 0.
  void release_all() {
    clear_missing();
    for (std::size_t b = 0; b < work_.size(); ++b) {
      if (work_[b].missing > 0) release(b);
    }
  }

  // A rank that leaves its loop between ready and finish makes the step to its end: the buckets
  // that are under way wait for other ranks, which wait for this one to say whether it takes part.
  void abandon_step() noexcept {
    try {
      release_all();
      static_cast<void>(count_active(true));
      background_->wait();
    } catch (...) {  // the others have left, too; whoever leaves the loop says why
      return;
    }
  }

  void end_step(std::uint32_t active, std::span<const std::span<T>> directions) {
    if (background_) {
      background_->wait();
    } else {
      for (std::size_t b = 0; b < work_.size(); ++b) exchange(b, comm_);
    }
    // The mean over all ranks becomes that over those which take part.
    const T share = static_cast<T>(static_cast<double>(comm_.size()) / active);
    for (Work& work : work_) {
      if (work.needs_everyone && active < comm_.size()) kernels::scale<T>(share, work.direction);
      report_.uplink += work.uplink;
      report_.downlink += work.downlink;
      report_.link_bytes += work.link_bytes;
      report_.latency_steps += work.latency_steps;
    }
    hand_out(directions);
    ++report_.steps;
    in_step_ = false;
  }

  void clear_missing() {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const Place& place = place_[i];
      if (place.is_ready) continue;
      const std::span<T> bucket = work_[place.bucket].gradient;
      const std::span<T> part = bucket.subspan(place.offset, tensors_[i].shape.size());
      std::fill(part.begin(), part.end(), T{0});
    }
  }

  void hand_out(std::span<const std::span<T>> directions) const {
    const T scale = clipping();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const Place& place = place_[i];
      const std::span<const T> bucket = work_[place.bucket].direction;
      const std::span<const T> part = bucket.subspan(place.offset, directions[i].size());
      std::copy(part.begin(), part.end(), directions[i].begin());
      if (scale != 1) kernels::scale<T>(scale, directions[i]);
    }
  }

  // `here`: this rank has gradients in this step.
  void begin_step(bool here) {
    if (in_step_) return;
    in_step_ = true;
    if (here) told_ = false;
    takes_part_ = here;
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
    if (!travels_) {
      std::copy(work.gradient.begin(), work.gradient.end(), work.direction.begin());
      return;
    }
    const WorkerGradient<T> mine = {comm.rank(), work.gradient};
    const std::size_t counted = takes_part_ || work.needs_everyone ? 1 : 0;
    const RoundReport& report =
        work.aggregator->aggregate({.index = static_cast<std::uint32_t>(report_.steps),
                                    .step_size = 1,
                                    .previous_step_size = 1,
                                    .part = static_cast<std::uint32_t>(b)},
                                   {&mine, counted}, work.direction, comm);
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
  bool travels_ = true;
  bool in_step_ = false;
  bool takes_part_ = true;  // this rank, in this step
  bool told_ = false;       // whether it takes part, to the others
  Gathered active_ = {};    // a byte per rank
  std::mutex mutex_ = {};   // guards is_released of all buckets and leaving_
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
bool Synchronizer<T>::join(std::span<const std::span<T>> directions) {
  return state_->join(directions);
}
template <Real T>
void Synchronizer<T>::synchronize(std::span<const std::span<T>> gradients) {
  state_->check_sizes(gradients);
  for (std::size_t i = gradients.size(); i-- > 0;) state_->ready(i, gradients[i]);
  state_->finish(gradients);
}
template <Real T>
std::vector<std::byte> Synchronizer<T>::save() const {
  return state_->save();
}
template <Real T>
void Synchronizer<T>::load(std::span<const std::byte> bytes) {
  state_->load(bytes);
}
template <Real T>
void Synchronizer<T>::save_file(const std::string& path) const {
  state_->save_file(path);
}
template <Real T>
void Synchronizer<T>::load_file(const std::string& path) {
  state_->load_file(path);
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
