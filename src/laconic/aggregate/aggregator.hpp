// SPDX-License-Identifier: Apache-2.0
// The collective round: gradients of n workers go in, the same direction comes out on every rank,
// and every bit that travelled is counted. An aggregator owns the state that belongs to it
// (momentum that is signed, error memories) for the workers that its rank hosts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/base/registry.hpp"
#include "laconic/channel/link.hpp"
#include "laconic/comm/communicator.hpp"
#include "laconic/compress/error.hpp"
#include "laconic/mechanism/step_theory.hpp"
#include "laconic/optim/optimizer.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/sparse.hpp"
#include "laconic/wire/state.hpp"

namespace laconic {

// Facts of the round that methods may use.
struct Round {
  std::uint32_t index = 0;        // from 0
  double step_size = 0;           // eta_t
  double previous_step_size = 0;  // eta_{t-1}; eta_0 in round 0
  // Where parts of a model have aggregators of their own: which part this is, so that the calls of
  // a round can be told apart.
  std::uint32_t part = 0;
  bool measured = false;  // RoundReport::distortion is wanted
};

template <Real T>
struct WorkerGradient {
  std::uint32_t worker = 0;
  std::span<const T> values = {};
};

// The same without its zeros; values are not 0.
template <Real T>
struct SparseGradient {
  std::uint32_t worker = 0;
  SparseView<T> values = {};
};

struct Meter {
  // What papers count: numbers times their width; no indices, no flags, no headers, no padding.
  std::uint64_t payload_bits = 0;
  std::uint64_t wire_bits = 0;    // the encoded messages without frame headers
  std::uint64_t frame_bytes = 0;  // what a socket would carry
  Meter& operator+=(const Meter& other) {
    payload_bits += other.payload_bits;
    wire_bits += other.wire_bits;
    frame_bytes += other.frame_bytes;
    return *this;
  }
  bool operator==(const Meter&) const = default;
};

// What a round took from an analog channel (channel/analog.hpp); alike on all ranks.
struct ChannelReport {
  std::uint64_t uses = 0;     // real numbers that every active worker transmitted
  double power = 0;           // energy that a worker was allowed to spend
  double energy = 0;          // what a worker spent, the mean over all workers
  double largest_energy = 0;  // the largest of them
  std::uint32_t active = 0;   // workers that transmitted, 0 when nobody had anything to say
  // The channel influence factor (laser.md 4): squared norm of what the channel added to the
  // decoded direction (where nothing else is said: to the received message), over that of the
  // direction without it. Measured in this round, and predicted from norms and powers. 0 when the
  // direction is 0.
  double lambda = 0;
  double predicted_lambda = 0;
  bool operator==(const ChannelReport&) const = default;
};

// What happened in one round, as far as this rank knows it. Additive fields are summed over ranks
// by whoever records; the sums do not depend on the number of ranks. Traffic is counted as if every
// worker (with the server shards that it hosts) were alone on its machine.
struct RoundReport {
  Meter uplink = {};    // additive: the sum over ranks is the sum over all workers
  Meter downlink = {};  // additive, likewise
  // By hosted worker: bytes on its link, the larger of in and out per phase, summed over the
  // phases. Input of the alpha-beta model (docs/network-model.md).
  std::vector<std::uint64_t> link_bytes = {};
  std::uint32_t latency_steps = 0;  // dependent messages one after the other; alike on all ranks
  std::uint64_t refused_frames =
      0;                      // additive: frames refused here; the round went on without them
  Status first_refusal = {};  // why, for the first of them
  std::uint64_t clamped_messages = 0;  // additive: messages whose scale was clamped (ef)
  std::uint64_t votes = 0;  // additive: (worker, coordinate) votes cast, voting methods only
  std::uint64_t agreeing_votes = 0;  // additive: those equal to the outcome
  // By hosted worker, in measured rounds of methods that know it, else empty: what compression did
  // to what the worker sent, the gradient and, where there is one, the error memory.
  std::vector<Distortion> distortion = {};
  std::uint64_t silent_workers = 0;  // additive: workers that had nothing to say (lazy methods)
  std::uint64_t lost_frames = 0;     // additive: frames that the link lost for good
  std::uint64_t resent_frames = 0;   // additive: attempts of the link beyond the first of a frame
  std::optional<ChannelReport> channel = {};  // of methods over an analog channel
  // Additive: bytes that the communicator carried because a channel is simulated, and that are part
  // of no meter: signals, and side information that is free.
  std::uint64_t simulation_bytes = 0;
};

// Makes the optimizer of a part of the model: of tensors whose layout it is given, which outlives
// it.
template <Real T>
using OptimizerFactory = std::function<std::unique_ptr<Optimizer<T>>(const Layout& layout)>;

template <Real T>
class Aggregator {
 public:
  virtual ~Aggregator() = default;
  Aggregator() = default;
  Aggregator(const Aggregator&) = delete;
  Aggregator& operator=(const Aggregator&) = delete;

  // Collective. `mine` are the gradients of this rank's workers in order of worker; `direction`
  // gets the common direction, by which the optimizer steps downhill (x <- x - eta * direction).
  // Throws DivergedError (the same on every rank) when a gradient is not finite; other workers may
  // have updated their memories by then, so the aggregator must not be used afterwards. After
  // warm-up nothing is allocated. The report is valid until the next call.
  virtual const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                                       std::span<T> direction, Communicator& comm) = 0;

  // Whether aggregate_sparse may be called.
  [[nodiscard]] virtual bool takes_sparse() const { return false; }
  // As aggregate, bit for bit, with the same messages: `direction` gets the numbers that are not 0.
  // In time linear in the numbers of gradients and messages, whatever the length of the model. With
  // sends_model the optimizers have to step sparsely. A run calls aggregate or aggregate_sparse,
  // never both.
  virtual const RoundReport& aggregate_sparse(const Round& round,
                                              std::span<const SparseGradient<T>> mine,
                                              SparseVector<T>& direction, Communicator& comm) {
    static const RoundReport kNothing = {};
    static_cast<void>(round);
    static_cast<void>(mine);
    static_cast<void>(direction);
    static_cast<void>(comm);
    LACONIC_EXPECTS(takes_sparse());
    return kNothing;
  }

  // True for a method whose server runs the optimizer and sends the model
  // (quantized-adagrad.md 2.6, D0): aggregate then gives, in `direction`, the next model, which
  // takes the place of x.
  [[nodiscard]] virtual bool sends_model() const { return false; }
  // Such a method is given the model, and how to make optimizers, before the first round. Every
  // optimizer works coordinate by coordinate, so that parts of it may lie with several servers.
  // Precondition: sends_model().
  virtual void start(std::span<const T> x, const OptimizerFactory<T>& make) {
    static_cast<void>(x);
    static_cast<void>(make);
    LACONIC_EXPECTS(sends_model());
  }

  // What the optimizers of a method that sends the model have to say (Optimizer::remark), those of
  // the servers that lie here; empty if they have nothing to say.
  [[nodiscard]] virtual std::string remark() const { return {}; }

  // What it remembers from round to round, of the hosted workers and of the shards that lie here,
  // for saving and for loading into one of the same spec and setup (and start, where the server
  // steps). One that was loaded goes on, bit for bit, as the one that was saved. Between rounds.
  virtual void state(wire::StateArchive& archive) = 0;

  // What the server decodes the last message of a hosted worker to, before it combines messages:
  // the worker's contribution to the direction. Decoded here from the same bytes. Valid until the
  // next call of aggregate. Precondition: AggregatorSetup::keep_messages.
  [[nodiscard]] virtual std::span<const T> message_of(std::uint32_t worker) const {
    static_cast<void>(worker);
    constexpr bool summed_messages = true;
    LACONIC_EXPECTS(!summed_messages);
    return {};
  }
};

struct AggregatorSetup {
  const Layout* layout = nullptr;  // outlives the aggregator
  std::uint32_t workers = 1;
  WorkerBlock mine = {0, 1};  // hosted here
  std::uint64_t seed = 0;
  const DigitalLink* link = nullptr;  // what uplink frames travel over (null: a perfect one);
                                      // outlives the aggregator
  // For Aggregator::message_of: costs a decoding of every hosted worker's messages and a vector for
  // each of them. Only over a perfect link, and where no AggregatorNeeds::frames is false.
  bool keep_messages = false;
  std::vector<double> l_worker = {};  // L_i of the problem, empty when unknown (lag-ps needs it)
};

// What the theory says about the method's step size; absent: there is none for this method.
// Preconditions: setup.layout is given, aggregator_problems is empty.
[[nodiscard]] std::optional<StepTheory> aggregator_theory(const Spec& canonical,
                                                          const AggregatorSetup& setup);

template <Real T>
using AggregatorRegistry = Registry<Aggregator<T>, AggregatorSetup>;
template <Real T>
[[nodiscard]] const AggregatorRegistry<T>& aggregators();
// What the card cannot say: combinations of parameters, promises that an inner compressor does not
// keep, and, where the layout is known, tensors that do not suit it. One line per problem, each
// with a remedy. Precondition: canonical passed Catalog::problems.
[[nodiscard]] std::vector<std::string> aggregator_problems(const Spec& canonical,
                                                           std::uint32_t workers,
                                                           const Layout* layout = nullptr);
// What there is to know about the method on this model before it runs, in lines: of low-rank
// methods the lengths of messages, over the air what to expect of the channel (laser.md 4).
// Preconditions: as for aggregator_theory.
[[nodiscard]] std::vector<std::string> aggregator_notes(const Spec& canonical,
                                                        const AggregatorSetup& setup);
// Why the method cannot be run over this link (channel/link.hpp), one line each with a remedy.
// Precondition: both are canonical.
[[nodiscard]] std::vector<std::string> aggregator_link_problems(const Spec& canonical,
                                                                const Spec& link);
// What a method needs from its surroundings beyond gradients. Precondition: as above.
struct AggregatorNeeds {
  bool plain_steps = false;        // it takes x_{t+1} - x_t = -gamma_t direction for granted
  bool worker_smoothness = false;  // AggregatorSetup::l_worker
  bool every_worker = true;        // 0 from a worker is not the same as nothing
  bool matrix = false;             // the optimizer's builds_matrix
  bool frames = true;        // false: messages are summed on their way, none is a frame of its own
  bool every_frame = false;  // server and workers drift apart where one is lost or damaged
};
[[nodiscard]] AggregatorNeeds aggregator_needs(const Spec& canonical, std::uint32_t workers);
void add_aggregator_cards(Catalog& catalog);
// The cards of aggregators and of all that their specs may contain: mechanisms, compressors,
// channels, and the links under them.
[[nodiscard]] const Catalog& aggregator_catalog();
// Throws ConfigError, with the first problem that the cards know of.
[[nodiscard]] Spec canonical_aggregator(std::string_view text);

}  // namespace laconic
