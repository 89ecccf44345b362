// SPDX-License-Identifier: Apache-2.0
// mirror: a mechanism (three-point map) around which worker and server keep the same belief of the
// worker's gradient (3pc.md 1.3). Worker i sends what turns h_i into its new belief; the server
// keeps g = mean of all h_i. Where messages are increments that takes one vector, in double,
// however many workers there are; only a mechanism that replaces h needs one vector per worker.
//
//   round 0    every worker sends its first belief: the gradient, C of it, or nothing
//   uplink     the mechanism's message about grad f_i(x_t), one body per tensor
//   downlink   g as plain numbers, or with `down` a second mechanism's message about g (EF21-BC)
//
// A worker that is silent sends a frame all the same: its body says so. A frame that cannot be read
// ends the run, because the server's memory would drift away from the worker's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/kept_messages.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/mechanism.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

enum class Init : std::uint8_t { kFull, kCompressed, kZero };

struct MirrorOptions {
  Init init = Init::kFull;
  bool count_init = true;
  bool by_tensor = false;
  std::uint32_t shards = 1;
};

// What a mechanism is applied to: a tensor of the layout, or the whole model as one vector.
std::vector<Tensor> pieces_of(const Layout& layout, bool by_tensor) {
  const auto tensors = layout.tensors();
  if (by_tensor || tensors.size() == 1) return {tensors.begin(), tensors.end()};
  return {{.name = "model", .shape = {static_cast<std::uint32_t>(layout.size()), 1}}};
}

std::vector<Shard> shards_of(const Layout& layout, const MirrorOptions& options,
                             std::uint32_t workers) {
  if (options.by_tensor) return tensor_shards(layout, options.shards, workers);
  return {{.begin = 0, .end = layout.size(), .owner = 0, .first_tensor = 0, .last_tensor = 1}};
}

// One end's memory of everything that it sends about, tensor after tensor.
template <Real T>
class Memory {
 public:
  // `size` coordinates in `pieces` tensors.
  Memory(const MechanismNeeds& needs, std::size_t size, std::size_t pieces)
      : needs_(needs),
        h_(needs.belief ? size : 0, 0.0),
        y_(needs.previous ? size : 0, T{0}),
        scalars_(needs.scalars * pieces, 0.0) {}

  [[nodiscard]] WorkerMemory<T> piece(std::size_t at, std::size_t size, std::size_t index) {
    WorkerMemory<T> out;
    if (needs_.belief) out.h = std::span<double>(h_).subspan(at, size);
    if (needs_.previous) out.y = std::span<T>(y_).subspan(at, size);
    out.scalars = std::span<double>(scalars_).subspan(needs_.scalars * index, needs_.scalars);
    return out;
  }
  void start_previous(std::size_t at, std::span<const T> x) {
    if (!needs_.previous || !needs_.previous_is_gradient) return;
    std::copy(x.begin(), x.end(), y_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  // `whose`: "worker 3".
  void state(wire::StateArchive& archive, std::string_view whose) {
    archive.numbers(fmt::format("belief of {}", whose), std::span(h_));
    archive.numbers(fmt::format("previous of {}", whose), std::span<T>(y_));
    archive.numbers(fmt::format("scalars of {}", whose), std::span(scalars_));
  }

 private:
  MechanismNeeds needs_;
  AlignedVector<double> h_;
  AlignedVector<T> y_;
  std::vector<double> scalars_;
};

// How the model has moved, per tensor. Only kept where the mechanism looks at it.
template <Real T>
class StepRecord {
 public:
  StepRecord(const MechanismNeeds& needs, std::size_t size, std::size_t pieces)
      : needs_(needs), squares_(pieces), direction_(needs.displacement ? size : 0, T{0}) {
    for (std::vector<double>& squares : squares_) squares.reserve(needs.step_history + 1);
  }
  [[nodiscard]] Movement<T> movement(const Round& round, const Tensor& piece,
                                     std::size_t index) const {
    Movement<T> out{.step_size = round.step_size,
                    .squared_steps = squares_[index],
                    .last_step_size = round.previous_step_size};
    if (needs_.displacement && made_) {
      out.last_direction = std::span<const T>(direction_).subspan(piece.offset, piece.shape.size());
    }
    return out;
  }
  // x_{t+1} = x_t - step_size direction.
  void add(const Round& round, std::span<const Tensor> pieces, std::span<const T> direction) {
    for (std::size_t i = 0; i < pieces.size() && needs_.step_history > 0; ++i) {
      const double norm2 =
          kernels::squared_norm<T>(direction.subspan(pieces[i].offset, pieces[i].shape.size()));
      squares_[i].insert(squares_[i].begin(), round.step_size * round.step_size * norm2);
      if (squares_[i].size() > needs_.step_history) squares_[i].pop_back();
    }
    if (needs_.displacement) std::copy(direction.begin(), direction.end(), direction_.begin());
    made_ = true;
  }
  void state(wire::StateArchive& archive) {
    archive.number("step made", made_);
    archive.numbers("last direction", std::span<T>(direction_));
    for (std::size_t i = 0; i < squares_.size(); ++i) {
      archive.growing(archive.numbered("squared steps", i), squares_[i], needs_.step_history);
    }
  }

 private:
  MechanismNeeds needs_;
  std::vector<std::vector<double>> squares_;  // by piece, newest first
  AlignedVector<T> direction_;
  bool made_ = false;
};

template <Real T>
class Mirror final : public Aggregator<T> {
 public:
  // `down` is null for plain numbers.
  Mirror(const AggregatorSetup& setup, const MirrorOptions& options,
         std::unique_ptr<Mechanism<T>> up, std::unique_ptr<Mechanism<T>> down)
      : setup_(setup),
        options_(options),
        up_(std::move(up)),
        down_(std::move(down)),
        pieces_(pieces_of(*setup.layout, options.by_tensor)),
        exchange_(setup, shards_of(*setup.layout, options, setup.workers)),
        kept_(setup),
        steps_(needs(0), setup.layout->size(), pieces_.size()) {
    const std::size_t dim = setup.layout->size();
    for (std::uint32_t w = 0; w < setup.mine.size(); ++w) {
      workers_.emplace_back(needs(0), dim, pieces_.size());
      if (kept_.kept()) mirrored_.push_back(make_belief(dim));
    }
    if (down_) down_belief_.resize(dim);
    for (const OwnedShard& owned : exchange_.owned()) {
      const Shard& shard = exchange_.plan()[owned.shard];
      servers_.push_back(make_server(shard));
    }
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    exchange_.begin(round);
    const bool starts = !started_ && needs(0).initial;
    for (const WorkerGradient<T>& gradient : mine) {
      if (!exchange_.finite<T>({&gradient, 1})) continue;
      if (starts) {
        send_initial(gradient);
      } else {
        send(round, gradient);
      }
    }
    const wire::Kind up =
        starts && options_.init == Init::kFull ? wire::Kind::kValues : wire::Kind::kSegments;
    exchange_.deliver_uplink(up, mode_of(up), comm);
    const bool plain = !down_ || !started_;
    const wire::Kind down = plain ? wire::Kind::kValues : wire::Kind::kSegments;
    for (std::size_t i = 0; i < exchange_.owned().size(); ++i) {
      combine(round, exchange_.owned()[i], servers_[i], starts);
      answer(round, exchange_.owned()[i].shard, servers_[i], plain);
    }
    exchange_.deliver_downlink(down, mode_of(down), comm);
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      read_result(round, s, plain, direction);
    }
    steps_.add(round, pieces_, direction);
    started_ = true;
    return exchange_.report();
  }

  void state(wire::StateArchive& archive) override {
    archive.number("started", started_);
    steps_.state(archive);
    for (std::size_t w = 0; w < workers_.size(); ++w) {
      workers_[w].state(archive, archive.numbered("worker", w));
    }
    for (std::size_t w = 0; w < mirrored_.size(); ++w) {
      archive.numbers(archive.numbered("mirror of worker", w), std::span(mirrored_[w].sum));
    }
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      archive.numbers(archive.numbered("mean of shard", i), std::span(servers_[i].mean.sum));
      archive.rows(archive.numbered("belief of shard", i), servers_[i].beliefs);
      if (servers_[i].down) servers_[i].down->state(archive, archive.numbered("shard", i));
    }
    archive.numbers("downlink", std::span(down_belief_));
  }

  [[nodiscard]] std::span<const T> message_of(std::uint32_t worker) const override {
    return kept_.of(worker);
  }

 private:
  // What is believed of the mean of all workers, or of one.
  struct Belief {
    AlignedVector<double> sum = {};
    AlignedVector<double> message = {};  // of this round, where it is not added at once
  };
  struct BeliefPart {
    std::span<double> sum = {};
    std::span<double> message = {};
    // Where this round's messages are added.
    [[nodiscard]] std::span<double> target() const { return message.empty() ? sum : message; }
  };
  struct Server {  // of one owned shard
    Belief mean = {};
    std::vector<AlignedVector<double>> beliefs = {};  // by worker, where messages replace
    AlignedVector<T> result = {};
    std::unique_ptr<Memory<T>> down = {};
  };

  [[nodiscard]] MechanismNeeds needs(std::size_t piece) const {
    return up_->needs(pieces_[piece].shape);
  }
  [[nodiscard]] Server make_server(const Shard& shard) const {
    Server server;
    server.mean = make_belief(shard.size());
    server.result.resize(shard.size());
    if (needs(0).replaces) {
      server.beliefs.resize(setup_.workers, AlignedVector<double>(shard.size()));
    }
    if (down_) {
      server.down = std::make_unique<Memory<T>>(down_->needs(pieces_[0].shape), shard.size(),
                                                shard.last_tensor - shard.first_tensor);
    }
    return server;
  }
  [[nodiscard]] Belief make_belief(std::size_t size) const {
    const double carry = needs(0).carry;
    return {.sum = AlignedVector<double>(size),
            .message = AlignedVector<double>(carry != 0 && carry != 1 ? size : 0)};
  }
  static std::uint8_t mode_of(wire::Kind kind) {
    return kind == wire::Kind::kValues ? static_cast<std::uint8_t>(wire::native_format<T>()) : 0;
  }

  [[nodiscard]] std::span<const Tensor> pieces_in(std::size_t s) const {
    const Shard& shard = exchange_.plan()[s];
    return std::span<const Tensor>(pieces_).subspan(shard.first_tensor,
                                                    shard.last_tensor - shard.first_tensor);
  }
  [[nodiscard]] std::size_t index_of(const Tensor& piece) const {
    return static_cast<std::size_t>(&piece - pieces_.data());
  }
  [[nodiscard]] CompressContext context(const Round& round, std::uint32_t worker,
                                        const Tensor& piece, rng::Purpose purpose) const {
    return {.seed = setup_.seed,
            .worker = worker,
            .workers = setup_.workers,
            .round = round.index,
            .tensor = static_cast<std::uint32_t>(index_of(piece)),
            .purpose = purpose};
  }
  [[nodiscard]] CompressContext up_context(const Round& round, std::uint32_t worker,
                                           const Tensor& piece) const {
    return context(round, worker, piece, rng::Purpose::kCompress);
  }

  void send(const Round& round, const WorkerGradient<T>& gradient) {
    Memory<T>& memory = workers_[gradient.worker - setup_.mine.begin];
    bool silent = true;
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      wire::Message& message = exchange_.open_uplink(gradient.worker, s, wire::Kind::kSegments, 0);
      for (const Tensor& piece : pieces_in(s)) {
        const std::size_t index = index_of(piece);
        try {
          const bool said = up_->encode(view_of<T>(piece, gradient.values),
                                        memory.piece(piece.offset, piece.shape.size(), index),
                                        steps_.movement(round, piece, index),
                                        up_context(round, gradient.worker, piece), message);
          silent = silent && !said;
        } catch (const NumberRangeError&) {
          exchange_.report_divergence(
              {.worker = gradient.worker, .tensor = static_cast<std::uint32_t>(index)});
          break;
        }
      }
      keep(round, {.shard = s, .worker = gradient.worker, .payload = exchange_.close_uplink()});
    }
    if (silent) ++exchange_.report().silent_workers;
  }

  void send_initial(const WorkerGradient<T>& gradient) {
    Memory<T>& memory = workers_[gradient.worker - setup_.mine.begin];
    const bool full = options_.init == Init::kFull;
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      wire::Message& message = exchange_.open_uplink(
          gradient.worker, s, full ? wire::Kind::kValues : wire::Kind::kSegments,
          full ? mode_of(wire::Kind::kValues) : std::uint8_t{0});
      const std::uint64_t bits_before = message.payload_bits;
      for (const Tensor& piece : pieces_in(s)) {
        const TensorView<T> x = view_of<T>(piece, gradient.values);
        const auto own = memory.piece(piece.offset, x.values.size(), index_of(piece));
        memory.start_previous(piece.offset, x.values);
        if (options_.init != Init::kZero) {
          encode_initial(x, up_context(Round{}, gradient.worker, piece), message);
          decode_own_initial(message, x, up_context(Round{}, gradient.worker, piece), own.h);
        }
      }
      if (!options_.count_init) message.payload_bits = bits_before;
      keep(Round{}, {.shard = s,
                     .worker = gradient.worker,
                     .payload = exchange_.close_uplink(),
                     .initial = true});
    }
  }
  [[nodiscard]] const Compressor<T>* initial_compressor() const {
    return options_.init == Init::kCompressed ? up_->initial_compressor() : nullptr;
  }
  void encode_initial(TensorView<T> x, const CompressContext& context, wire::Message& out) {
    initial_at_ = out.bytes.size();
    if (const Compressor<T>* compressor = initial_compressor()) {
      compressor->encode(x, context, out);
    } else {
      wire::write_values<T>(wire::native_format<T>(), x.values, out.bytes);
      out.payload_bits += x.values.size_bytes() * 8;
    }
  }
  // The worker believes what the server reads.
  void decode_own_initial(const wire::Message& message, TensorView<T> x,
                          const CompressContext& context, std::span<double> h) {
    wire::WireReader own(std::span<const std::byte>(message.bytes).subspan(initial_at_));
    const Status status = add_initial(own, context, 1, {h, x.shape});
    if (!status) {
      exchange_.report_divergence({.worker = context.worker, .tensor = context.tensor});
    }
  }
  Status add_initial(wire::WireReader& in, const CompressContext& context, double scale,
                     TensorSpan<double> g) {
    if (options_.init == Init::kZero) return {};
    if (const Compressor<T>* compressor = initial_compressor()) {
      return compressor->decode_add_wide(in, context, scale, g);
    }
    const std::span<T> values = values_.take(g.values.size());
    wire::read_values<T>(wire::native_format<T>(), in, values);
    if (!in.ok()) return in.status();
    for (std::size_t i = 0; i < values.size(); ++i) {
      g.values[i] += scale * static_cast<double>(values[i]);
    }
    return {};
  }

  // Adds what all workers say about a shard to the server's memory; result = the direction.
  void combine(const Round& round, const OwnedShard& owned, Server& server, bool starts) {
    const bool replaces = !server.beliefs.empty();
    const BeliefPart mean = {.sum = server.mean.sum, .message = server.mean.message};
    open(mean);
    const double share = 1.0 / setup_.workers;
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (owned.inbox.present[worker] == 0) {
        exchange_.bad_message(owned.shard, worker, exchange_.refusals().first);
      }
      const Sent sent = {.shard = owned.shard,
                         .worker = worker,
                         .payload = owned.inbox.payloads[worker],
                         .initial = starts};
      const Status status = decode(round, sent, replaces ? 1.0 : share,
                                   replaces ? server.beliefs[worker] : mean.target());
      if (!status) exchange_.bad_message(owned.shard, worker, status);
    }
    if (replaces) average(server);
    close(owned.shard, mean, server.result);
  }

  struct Sent {  // a worker's payload for a shard
    std::size_t shard = 0;
    std::uint32_t worker = 0;
    wire::Bytes payload = {};
    bool initial = false;
  };
  Status decode(const Round& round, const Sent& sent, double scale, std::span<double> target) {
    wire::WireReader reader(sent.payload);
    for (const Tensor& piece : pieces_in(sent.shard)) {
      const TensorSpan<double> part = local<double>(piece, sent.shard, target);
      const Status status =
          sent.initial
              ? add_initial(reader, up_context(Round{}, sent.worker, piece), scale, part)
              : up_->decode_add(reader, up_context(round, sent.worker, piece), scale, part);
      if (!status) return status;
    }
    return reader.finish();
  }
  // What the server believes of a hosted worker alone, where somebody looks at it.
  void keep(const Round& round, const Sent& sent) {
    if (!kept_.kept()) return;
    const Shard& shard = exchange_.plan()[sent.shard];
    Belief& belief = mirrored_[sent.worker - setup_.mine.begin];
    const BeliefPart part = {
        .sum = std::span(belief.sum).subspan(shard.begin, shard.size()),
        .message = belief.message.empty()
                       ? std::span<double>{}
                       : std::span(belief.message).subspan(shard.begin, shard.size())};
    open(part);
    if (!decode(round, sent, 1, part.target())) {
      exchange_.report_divergence({.worker = sent.worker});
    }
    close(sent.shard, part, kept_.of(sent.worker, shard));
  }

  void open(const BeliefPart& belief) const {
    if (needs(0).carry == 0) std::fill(belief.sum.begin(), belief.sum.end(), 0.0);
    std::fill(belief.message.begin(), belief.message.end(), 0.0);
  }
  // result = what is believed after the round's messages; what of them is carried goes on.
  void close(std::size_t s, const BeliefPart& belief, std::span<T> result) const {
    const bool at_once = belief.message.empty();
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = static_cast<T>(at_once ? belief.sum[i] : belief.sum[i] + belief.message[i]);
    }
    if (at_once) return;
    for (const Tensor& piece : pieces_in(s)) {
      const double carry = up_->needs(piece.shape).carry;
      const std::size_t begin = piece.offset - exchange_.plan()[s].begin;
      for (std::size_t i = begin; i < begin + piece.shape.size(); ++i) {
        belief.sum[i] += carry * belief.message[i];
      }
    }
  }
  void average(Server& server) const {
    const double share = 1.0 / setup_.workers;
    for (std::size_t i = 0; i < server.mean.sum.size(); ++i) {
      double sum = 0;
      for (const AlignedVector<double>& belief : server.beliefs) sum += belief[i];
      server.mean.sum[i] = sum * share;
    }
  }

  // The tensor's part of a vector that holds just the shard's slice.
  template <class U>
  [[nodiscard]] TensorSpan<U> local(const Tensor& piece, std::size_t s, std::span<U> slice) const {
    return {slice.subspan(piece.offset - exchange_.plan()[s].begin, piece.shape.size()),
            piece.shape};
  }

  // Writes the server's result.
  void answer(const Round& round, std::size_t s, Server& server, bool plain) {
    const wire::Kind kind = plain ? wire::Kind::kValues : wire::Kind::kSegments;
    wire::Message& message = exchange_.open_downlink(s, kind, mode_of(kind));
    const std::span<const T> result = server.result;
    if (plain) {
      wire::write_values<T>(wire::native_format<T>(), result, message.bytes);
      message.payload_bits += result.size_bytes() * 8;
    }
    std::size_t index = 0;
    for (const Tensor& piece : pieces_in(s)) {
      if (!down_) break;
      const std::size_t at = piece.offset - exchange_.plan()[s].begin;
      const std::span<const T> x = result.subspan(at, piece.shape.size());
      const WorkerMemory<T> memory = server.down->piece(at, x.size(), index++);
      if (plain) {
        server.down->start_previous(at, x);
        for (std::size_t i = 0; i < x.size(); ++i) memory.h[i] = static_cast<double>(x[i]);
      } else {
        down_->encode({x, piece.shape}, memory, Movement<T>{.step_size = round.step_size},
                      context(round, 0, piece, rng::Purpose::kServer), message);
      }
    }
    exchange_.close_downlink();
  }

  void read_result(const Round& round, std::size_t s, bool plain, std::span<T> direction) {
    const Shard& shard = exchange_.plan()[s];
    const std::span<T> slice = direction.subspan(shard.begin, shard.size());
    wire::WireReader reader(exchange_.result(s));
    if (plain) {
      wire::read_values<T>(wire::native_format<T>(), reader, slice);
    } else {
      for (const Tensor& piece : pieces_in(s)) {
        const Status status =
            down_->decode_add(reader, context(round, 0, piece, rng::Purpose::kServer), 1,
                              span_of<double>(piece, down_belief_));
        if (!status) exchange_.bad_result(s, status);
      }
    }
    if (const Status status = reader.finish(); status.fault() == Fault::kNonFinite) {
      // A mean of finite beliefs beyond the numbers: nobody in particular, so the first is named.
      throw_diverged(std::vector<Divergence>(1), *setup_.layout, round);
    } else if (!status) {
      exchange_.bad_result(s, status);
    }
    if (!down_) return;
    const std::span<double> belief = std::span(down_belief_).subspan(shard.begin, shard.size());
    for (std::size_t i = 0; i < slice.size(); ++i) {
      if (plain) {
        belief[i] = static_cast<double>(slice[i]);
      } else {
        slice[i] = static_cast<T>(belief[i]);
      }
    }
  }

  AggregatorSetup setup_;
  MirrorOptions options_;
  std::unique_ptr<Mechanism<T>> up_;
  std::unique_ptr<Mechanism<T>> down_;
  std::vector<Tensor> pieces_;
  ShardedExchange exchange_;
  KeptMessages<T> kept_;
  StepRecord<T> steps_;
  std::vector<Memory<T>> workers_;     // by hosted worker
  std::vector<Belief> mirrored_;       // likewise, as the server decodes it, for kept_
  std::vector<Server> servers_;        // by owned shard
  AlignedVector<double> down_belief_;  // what every rank believes g to be, with `down`
  Scratch<T> values_;
  std::size_t initial_at_ = 0;
  bool started_ = false;
};

MirrorOptions options_of(const Args& args, std::uint32_t workers) {
  MirrorOptions options;
  if (args.text("init") == "compressed") options.init = Init::kCompressed;
  if (args.text("init") == "zero") options.init = Init::kZero;
  options.count_init = args.flag("count_init");
  options.by_tensor = args.text("by") == "tensor";
  options.shards = shard_count(args, workers);
  return options;
}

MechanismSetup mechanism_setup(const AggregatorSetup& setup) {
  return {.workers = setup.workers, .l_worker = setup.l_worker};
}

// For questions that do not depend on L_i.
MechanismSetup any_setup(std::uint32_t workers) {
  return {.workers = workers, .l_worker = std::vector<double>(workers, 1.0)};
}

bool is_plain(const Spec& down) { return down.name == "gd"; }

std::vector<std::string> down_problems(const Spec& down, std::uint32_t workers) {
  if (is_plain(down)) return {};
  std::vector<std::string> out = mechanism_problems(down, workers);
  if (!out.empty()) return out;
  const MechanismNeeds needs =
      mechanisms<double>().make(down, any_setup(workers))->needs({1000, 1});
  const bool increments = needs.belief && needs.carry == 1 && !needs.replaces;
  if (!increments || needs.plain_steps() || needs.worker_smoothness) {
    out.push_back(
        fmt::format("mirror: down={} has no meaning for the server, which sends "
                    "increments to one belief; use gd, ef21, clag or a 3pc method",
                    down.name));
  }
  return out;
}

}  // namespace

const Card& mirror_card() {
  static const Card card = {
      .kind = "aggregator",
      .name = "mirror",
      .summary = "a mechanism (EF21, LAG, MARINA, ...): the server mirrors what workers believe",
      .formula =
          "h_i <- M(h_i, y_i, g_i), M the inner mechanism, y_i the last gradient\n"
          "direction = mean of h_i\n"
          "down=M2: b <- M2(b, last mean of h_i, mean of h_i); direction = b",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {{.key = "init",
                  .type = ParamType::kChoice,
                  .default_text = "full",
                  .help = "what round 0 sends: the gradient, its compression, or nothing",
                  .choices = {"full", "compressed", "zero"}},
                 {.key = "count_init",
                  .type = ParamType::kFlag,
                  .default_text = "true",
                  .help = "whether payload_bits counts round 0; the bytes are counted anyway"},
                 {.key = "by",
                  .type = ParamType::kChoice,
                  .default_text = "model",
                  .help = "what is compressed as one vector: the whole model as in the papers, or "
                          "every tensor on its own",
                  .choices = {"model", "tensor"}},
                 {.key = "down",
                  .type = ParamType::kSpec,
                  .default_text = "gd",
                  .help = "the mechanism of the downlink: gd for plain numbers; a compressed one "
                          "such as ef21:topk:k=0.01 is EF21-BC",
                  .spec_kind = "mechanism"},
                 shards_param()},
      .inner_kind = "mechanism",
      .promises =
          "direction = mean of the workers' beliefs, which it reconstructs from bytes alone",
  };
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_mirror(const Args& args, const AggregatorSetup& setup) {
  const Spec& down = args.nested("down");
  return std::make_unique<Mirror<T>>(
      setup, options_of(args, setup.workers),
      mechanisms<T>().make(args.inner(), mechanism_setup(setup)),
      is_plain(down) ? nullptr : mechanisms<T>().make(down, mechanism_setup(setup)));
}
template std::unique_ptr<Aggregator<float>> make_mirror(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_mirror(const Args&, const AggregatorSetup&);

std::vector<std::string> mirror_problems(const Args& args, std::uint32_t workers,
                                         const Layout* layout) {
  std::vector<std::string> out = shards_problems(args, workers);
  if (args.text("by") == "model" && args.integer("shards") > 1) {
    out.push_back(
        fmt::format("mirror: shards={} needs by=tensor; a model that is compressed as one "
                    "vector has one server",
                    args.integer("shards")));
  }
  for (std::string& problem : mechanism_problems(args.inner(), workers)) {
    out.push_back(std::move(problem));
  }
  for (std::string& problem : down_problems(args.nested("down"), workers)) {
    out.push_back(std::move(problem));
  }
  if (!out.empty() || layout == nullptr) return out;
  for (const Spec* spec : {&args.inner(), &args.nested("down")}) {
    const auto mechanism = mechanisms<double>().make(*spec, any_setup(workers));
    for (const Tensor& piece : pieces_of(*layout, args.text("by") == "tensor")) {
      if (const std::string misfit = mechanism->misfit(piece.shape); !misfit.empty()) {
        out.push_back(fmt::format("tensor {}: {}", piece.name, misfit));
      }
    }
  }
  return out;
}

// Of several tensors the worst A and B hold for the whole. A compressed downlink has no step size
// of its own here: published codes reuse that of the uplink (3pc.md 4, EF21-BC).
std::optional<StepTheory> mirror_theory(const Args& args, const AggregatorSetup& setup) {
  const auto mechanism = mechanisms<double>().make(args.inner(), any_setup(setup.workers));
  std::optional<StepTheory> worst;
  for (const Tensor& piece : pieces_of(*setup.layout, args.text("by") == "tensor")) {
    const auto theory = mechanism->theory(piece.shape);
    if (!theory) return std::nullopt;
    if (!worst) worst = theory;
    worst->a = std::min(worst->a, theory->a);
    worst->b = std::max(worst->b, theory->b);
    worst->plus = std::max(worst->plus, theory->plus);
    worst->plus_minus = std::max(worst->plus_minus, theory->plus_minus);
  }
  return worst;
}

AggregatorNeeds mirror_needs(const Args& args, std::uint32_t workers) {
  const MechanismNeeds needs =
      mechanisms<double>().make(args.inner(), any_setup(workers))->needs({1000, 1});
  return {.plain_steps = needs.plain_steps(),
          .worker_smoothness = needs.worker_smoothness,
          .every_frame = true};
}

}  // namespace laconic::aggregate
