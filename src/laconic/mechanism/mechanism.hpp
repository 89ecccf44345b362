// SPDX-License-Identifier: Apache-2.0
// A mechanism is a three-point map h' = C_{h,y}(x) (3pc.md 1.2): x is a worker's new gradient, h
// what the server believes it to be, y the gradient before. It is written as bytes from which the
// server learns h' - h, or h' itself. Error feedback (EF21), lazy aggregation (LAG, CLAG) and
// MARINA are mechanisms; state lies with whoever calls them, so that it can be saved and compared.
//
// The three-point inequality: E|h' - x|^2 <= (1 - A)|h - y|^2 + B|x - y|^2.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/registry.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/mechanism/step_theory.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/wire/frame.hpp"

namespace laconic {

// What a mechanism keeps, and what it has to be told.
struct MechanismNeeds {
  bool belief = true;                // the worker's h
  bool previous = false;             // the worker's y, which the mechanism updates
  bool previous_is_gradient = true;  // y starts as the first gradient, else as zero
  // The first round sends an initial gradient estimate; otherwise it is a round like all others.
  bool initial = true;
  // What the server makes of M, the mean of the decoded messages, with its own vector s:
  //   direction = s + M,  s <- s + carry M
  // 1: messages are increments and s is the mean of all h. 0: the server keeps nothing.
  double carry = 1;
  // Messages may replace h instead of adding to it: the server keeps one h per worker.
  bool replaces = false;
  std::uint32_t scalars = 0;       // further numbers that a worker keeps, zero at the start
  std::uint32_t step_history = 0;  // how many squared steps of the past it looks at
  bool displacement = false;       // it looks at the last step itself
  bool worker_smoothness = false;  // it looks at L_i
  // Its formulas read x_{t+1} - x_t as -gamma_t times the direction.
  [[nodiscard]] bool plain_steps() const { return step_history > 0 || displacement; }
};

// A worker's memory for one tensor; spans are empty where MechanismNeeds does not ask for them.
template <Real T>
struct WorkerMemory {
  std::span<double> h = {};  // in double also in float runs: it is a sum over all rounds
  std::span<T> y = {};
  std::span<double> scalars = {};
};

// How the model has moved, as far as MechanismNeeds asks.
template <Real T>
struct Movement {
  double step_size = 0;                        // gamma of this round
  std::span<const double> squared_steps = {};  // |x_t - x_{t-1}|^2, |x_{t-1} - x_{t-2}|^2, ...
  double last_step_size = 0;                   // x_t - x_{t-1} = -last_step_size last_direction
  std::span<const T> last_direction = {};      // of this tensor; empty in the first round
};

// A number beyond the range of T came up in a message: the run diverges.
class NumberRangeError : public Error {
 public:
  using Error::Error;
};

// Stateless; const methods may run on many threads at once.
template <Real T>
class Mechanism {
 public:
  virtual ~Mechanism() = default;
  Mechanism() = default;
  Mechanism(const Mechanism&) = delete;
  Mechanism& operator=(const Mechanism&) = delete;

  [[nodiscard]] virtual MechanismNeeds needs(Shape shape) const = 0;
  // A, B and what follows for the step size; absent where no theory is known.
  [[nodiscard]] virtual std::optional<StepTheory> theory(Shape shape) const = 0;
  // Why a tensor of this shape does not suit it, in one line with the remedy; empty if it does.
  [[nodiscard]] virtual std::string misfit(Shape shape) const = 0;
  // What `init=compressed` sends in the first round; null for the plain gradient.
  [[nodiscard]] virtual const Compressor<T>* initial_compressor() const = 0;
  // Appends a self-delimiting body and updates the memory with what the receiver will decode.
  // Returns false when the worker is silent this round (h stays bit for bit what it was).
  // Preconditions: x is finite; memory is as needs(shape) says. Throws NumberRangeError.
  virtual bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>& movement,
                      const CompressContext& context, wire::Message& out) const = 0;
  // Reads one body: g += scale * (decoded message). With scale = 1 and g = h before, g is the
  // sender's h afterwards, bit for bit. A mechanism that replaces may overwrite g: then g must be
  // the sender's h and scale 1. On failure g is unchanged, or the sum of whole parts of the
  // message.
  virtual Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                            TensorSpan<double> g) const = 0;
};

struct MechanismSetup {
  std::uint32_t workers = 1;
  std::vector<double> l_worker = {};  // L_i, where MechanismNeeds asks for them
};

template <Real T>
using MechanismRegistry = Registry<Mechanism<T>, MechanismSetup>;
template <Real T>
[[nodiscard]] const MechanismRegistry<T>& mechanisms();
// What the card cannot say: promises that an inner compressor does not keep. One line per problem,
// each with a spec that would work. Precondition: canonical passed Catalog::problems.
[[nodiscard]] std::vector<std::string> mechanism_problems(const Spec& canonical,
                                                          std::uint32_t workers);
void add_mechanism_cards(Catalog& catalog);

}  // namespace laconic
