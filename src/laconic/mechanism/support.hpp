// SPDX-License-Identifier: Apache-2.0
// What mechanisms share: temporary vectors, the step h <- h + C(x - h), flags, constants of the
// three-point inequality, and the refusal of compressors that do not promise enough. Private to
// this layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "laconic/mechanism/mechanism.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::mechanism {

// Temporary vectors of this thread. Mechanisms are nested, so each use takes the next one and gives
// it back at its end; memory only grows.
template <class U>
class Temporary {
 public:
  explicit Temporary(std::size_t count) {
    if (pool().used == pool().buffers.size()) pool().buffers.emplace_back();
    AlignedVector<U>& buffer = pool().buffers[pool().used++];
    if (buffer.size() < count) buffer.resize(count);
    span_ = std::span<U>(buffer).first(count);
  }
  ~Temporary() { --pool().used; }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  [[nodiscard]] std::span<U> span() const { return span_; }

 private:
  struct Pool {
    std::vector<AlignedVector<U>> buffers = {};
    std::size_t used = 0;
  };
  static Pool& pool() {
    thread_local Pool pool;
    return pool;
  }
  std::span<U> span_ = {};
};

// A message of this thread that is thrown away, taken in the same way.
class TemporaryMessage {
 public:
  TemporaryMessage();
  ~TemporaryMessage();
  TemporaryMessage(const TemporaryMessage&) = delete;
  TemporaryMessage& operator=(const TemporaryMessage&) = delete;
  [[nodiscard]] wire::Message& message() const { return *message_; }

 private:
  wire::Message* message_ = nullptr;
};

// out = x - h, rounded to T; returns |out|^2, which is infinite when a square is. Throws
// NumberRangeError when an element of out is not finite.
template <Real T>
double difference(std::span<const T> x, std::span<const double> h, std::span<T> out);

// Throws NumberRangeError when an element is not finite.
template <Real T>
void expect_finite(std::span<const T> v);

// rest = step - delta, where step was x - h and delta is what has been sent of it: what is left is
// exactly zero where a number was sent as it is, which x - (h + delta) need not be.
template <Real T>
void leave(std::span<const T> step, std::span<const double> delta, std::span<T> rest);

// Appends C(v) and adds what the receiver decodes to h. Throws NumberRangeError.
template <Real T>
void send(const Compressor<T>& compressor, TensorView<T> v, const CompressContext& context,
          std::span<double> h, wire::Message& out, double scale = 1);
// The same for the numbers themselves.
template <Real T>
void send_plain(std::span<const T> v, std::span<double> h, wire::Message& out);
template <Real T>
Status add_plain(wire::WireReader& in, double scale, std::span<double> g);

// A mechanism around one compressor, that behind the colon.
template <Real T>
class WithCompressor : public Mechanism<T> {
 public:
  explicit WithCompressor(std::unique_ptr<Compressor<T>> compressor)
      : compressor_(std::move(compressor)) {}
  [[nodiscard]] std::string misfit(Shape shape) const override {
    return compressor_->misfit(shape);
  }
  [[nodiscard]] const Compressor<T>* initial_compressor() const override {
    return compressor_.get();
  }

 protected:
  [[nodiscard]] const Compressor<T>& compressor() const { return *compressor_; }

 private:
  std::unique_ptr<Compressor<T>> compressor_;
};

// One byte, 0 or 1.
void write_flag(bool flag, wire::Message& out);
bool read_flag(wire::WireReader& in);

// A = 1 - u and B = u^2 / (1 - u) with u = sqrt(1 - alpha): the best s of 3pc.md 2.2.
struct Contraction {
  double a = 1;
  double b = 0;
};
[[nodiscard]] Contraction young(double alpha);
[[nodiscard]] StepTheory theory_of(Contraction contraction);

template <Real T>
std::unique_ptr<Compressor<T>> make_compressor(const Spec& spec, const MechanismSetup& setup);
template <Real T>
double alpha_of(const Compressor<T>& compressor, Shape shape);
template <Real T>
double omega_of(const Compressor<T>& compressor, Shape shape);

// Nothing when `compressor`, a part of `method`, promises what is needed; else a line that names
// the promise, the need and a spec that works.
enum class Need : std::uint8_t { kContractive, kDeterministicContractive, kUnbiased };
[[nodiscard]] std::vector<std::string> unmet(Need need, const Spec& method, const Spec& compressor,
                                             std::uint32_t workers);
// Likewise for a mechanism inside another: its messages must be increments of h. `inner` itself
// must be without problems.
[[nodiscard]] std::vector<std::string> unmet_increments(const Spec& method, const Spec& inner,
                                                        std::uint32_t workers);
void append(std::vector<std::string>& all, std::vector<std::string> more);

// Without the switches and choices that have their default value.
[[nodiscard]] std::string brief(const Spec& mechanism);

// The parameters that several cards share.
[[nodiscard]] ParamCard zeta_param();

}  // namespace laconic::mechanism
