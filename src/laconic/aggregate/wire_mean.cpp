// SPDX-License-Identifier: Apache-2.0
// The mean by the communicator's canonical sum, in one buffer: added in order of the worker, in
// double, rounded once. No frames; the bytes are counted as a sharded server would carry them.
#include <algorithm>
#include <limits>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::aggregate {
namespace {

template <Real T>
class WireMean final : public SymbolMean<T> {
 public:
  explicit WireMean(const AggregatorSetup& setup) : setup_(setup) {
    report_.link_bytes.resize(setup.mine.size());
  }

  void begin(const Round& round, std::span<const WorkerGradient<T>> mine) override {
    round_ = round;
    mine_ = mine;
    report_.uplink = {};
    report_.downlink = {};
    report_.latency_steps = 0;
    std::fill(report_.link_bytes.begin(), report_.link_bytes.end(), 0);
  }
  [[nodiscard]] bool active(std::uint32_t) const override { return true; }
  [[nodiscard]] std::uint32_t active_count() const override { return setup_.workers; }

  void mean(const typename SymbolMean<T>::Message& message, std::span<T> received,
            Communicator& comm) override {
    LACONIC_EXPECTS(message.rows.size() == mine_.size());
    // A number that is not finite makes the sum so, and then the ranks ask each other who. The
    // message may have lost it, so it is put there.
    for (std::size_t w = 0; w < mine_.size(); ++w) {
      if (received.empty() || kernels::all_finite<T>(mine_[w].values)) continue;
      message.rows[w][0] = std::numeric_limits<T>::quiet_NaN();
    }
    rows_.assign(message.rows.begin(), message.rows.end());
    comm.all_reduce_sum<T>({round_.index, static_cast<std::uint32_t>(Phase::kSignal)},
                           Reduction::kCanonical, rows_, received);
    if (!kernels::all_finite<T>(std::span<const T>(received))) {
      blame_divergence<T>(*setup_.layout, round_, mine_, comm);
    }
    kernels::scale<T>(static_cast<T>(1.0 / setup_.workers), received);
    noiseless_ = received;
    count(received.size_bytes());
  }

  [[nodiscard]] std::span<const T> noiseless() const override { return noiseless_; }
  void state(wire::StateArchive& /*archive*/) override {}  // nothing
  [[nodiscard]] RoundReport& report() override { return report_; }

 private:
  void count(std::uint64_t bytes) {
    const std::uint64_t hosted = setup_.mine.size();
    const Meter way = {.payload_bits = bytes * 8 * hosted,
                       .wire_bits = bytes * 8 * hosted,
                       .frame_bytes = bytes * hosted};
    report_.uplink += way;
    report_.downlink += way;
    // Slices to their owners and back: (n-1)/n of the row each.
    const std::uint64_t ways = 2 * bytes * (setup_.workers - 1) / setup_.workers;
    for (std::uint64_t& link : report_.link_bytes) link += ways;
    report_.latency_steps += 2;
  }

  AggregatorSetup setup_;
  Round round_ = {};
  std::span<const WorkerGradient<T>> mine_ = {};
  std::vector<const T*> rows_ = {};
  std::span<const T> noiseless_ = {};
  RoundReport report_ = {};
};

}  // namespace

template <Real T>
std::unique_ptr<SymbolMean<T>> make_wire_mean(const AggregatorSetup& setup) {
  return std::make_unique<WireMean<T>>(setup);
}
template std::unique_ptr<SymbolMean<float>> make_wire_mean(const AggregatorSetup&);
template std::unique_ptr<SymbolMean<double>> make_wire_mean(const AggregatorSetup&);

}  // namespace laconic::aggregate
