// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "cli/output.hpp"

namespace laconic::cli {
namespace {

using experiment::Divergence;
using experiment::Metrics;
using experiment::Observer;
using experiment::Plan;
using experiment::Progress;
using experiment::Record;
using experiment::Stopped;

constexpr std::size_t kNameWidth = 18;
constexpr std::size_t kBarWidth = 20;
constexpr std::size_t kMaxLiveMethods = 20;  // more do not fit on a small terminal
constexpr std::uint32_t kPlainLines = 10;    // per training, at most
constexpr std::chrono::milliseconds kRedraw(100);

std::string metrics_text(const Metrics& metrics) {
  std::string out;
  if (metrics.loss) out += fmt::format("loss {:<8}", short_number(*metrics.loss));
  const auto& accuracy = metrics.test_accuracy ? metrics.test_accuracy : metrics.train_accuracy;
  if (accuracy) out += fmt::format(" {:6.2f} %", *accuracy * 100);
  if (metrics.test_perplexity) {
    out += fmt::format(" perplexity {}", short_number(*metrics.test_perplexity));
  }
  if (metrics.test_smape) out += fmt::format(" sMAPE {:.2f} %", *metrics.test_smape);
  return out;
}

// What only some methods have. Most models have no zeros.
std::vector<std::string> extras(const Metrics& metrics) {
  std::vector<std::string> out;
  if (metrics.objective) out.push_back(fmt::format("with l1 {}", short_number(*metrics.objective)));
  if (metrics.density && *metrics.density < 1)
    out.push_back(fmt::format("{:.1f} % not 0", *metrics.density * 100));
  if (metrics.snr_db && std::isfinite(*metrics.snr_db))
    out.push_back(fmt::format("SNR {:.1f} dB", *metrics.snr_db));
  return out;
}

std::string_view ending_text(const Record& record) {
  if (record.stopped == Stopped::kUntil) return ", target reached";
  return record.stopped == Stopped::kBudget ? ", budget spent" : "";
}

class PlainProgress final : public Observer {
 public:
  explicit PlainProgress(const Plan& plan) : plan_(plan) {}

  void advanced(const Progress& progress) override {
    rounds_ = progress.rounds;
    if (progress.round == 0) shown_ = 0;
  }
  void recorded(const Record& record) override {
    // The first record comes before the number of rounds is known.
    const std::uint32_t tenth = std::max(1U, rounds_ / kPlainLines);
    const bool last = record.stopped.has_value();
    if (!last && (record.round == 0 || record.round < shown_ + tenth)) return;
    shown_ = record.round;
    std::string more;
    for (const std::string& extra : extras(record.metrics)) more += ", " + extra;
    print_out(fmt::format("{}: round {} of {}, {}{}, {} up, {} down per worker{}\n",
                          title(record.method, record.repeat), record.round, rounds_,
                          metrics_text(record.metrics), more, bits_text(record.uplink.payload_bits),
                          bits_text(record.downlink.payload_bits), ending_text(record)));
  }
  void diverged(const Divergence& d) override {
    const std::string where = d.unit ? fmt::format("position {} of its order in epoch {}",
                                                   d.unit->position, d.unit->epoch)
                                     : d.tensor;
    print_out(
        fmt::format("{}: diverged in round {}: the gradient of worker {} is not finite ({})\n",
                    title(d.method, d.repeat), d.round, d.worker, where));
  }

 private:
  [[nodiscard]] std::string title(std::size_t method, std::uint32_t repeat) const {
    const std::string& name = plan_.methods[method].name;
    if (plan_.repeats == 1) return name;
    return fmt::format("{} (repeat {} of {})", name, repeat + 1, plan_.repeats);
  }

  const Plan& plan_;
  std::uint32_t rounds_ = 0;
  std::uint32_t shown_ = 0;
};

class LiveProgress final : public Observer {
 public:
  LiveProgress(const Terminal& terminal, const Plan& plan)
      : terminal_(terminal), plan_(plan), rows_(plan.methods.size()) {
    draw();
  }
  ~LiveProgress() override { draw(); }

  void advanced(const Progress& progress) override {
    Row& row = rows_[progress.method];
    const double now = progress.rounds == 0 ? 1.0
                                            : static_cast<double>(progress.round) /
                                                  static_cast<double>(progress.rounds);
    row.done = (progress.repeat + now) / plan_.repeats;
    redraw_if_due();
  }
  void recorded(const Record& record) override {
    Row& row = rows_[record.method];
    row.metrics = record.metrics;
    row.uplink_bits = record.uplink.payload_bits;
    row.downlink_bits = record.downlink.payload_bits;
    if (record.stopped) row.done = (record.repeat + 1.0) / plan_.repeats;
    redraw_if_due();
  }
  void diverged(const Divergence& divergence) override {
    rows_[divergence.method].diverged = true;
    draw();
  }

 private:
  struct Row {
    double done = 0;  // in [0, 1]
    Metrics metrics = {};
    double uplink_bits = 0;
    double downlink_bits = 0;
    bool diverged = false;
  };

  void redraw_if_due() {
    if (std::chrono::steady_clock::now() - last_ >= kRedraw) draw();
  }

  void draw() {
    std::string out;
    if (drawn_) out += fmt::format("\x1b[{}A", rows_.size());
    for (std::size_t m = 0; m < rows_.size(); ++m) {
      out += "\r\x1b[2K" + line(plan_.methods[m].name, rows_[m]) + "\n";
    }
    print_out(out);
    drawn_ = true;
    last_ = std::chrono::steady_clock::now();
  }

  [[nodiscard]] std::string line(std::string_view name, const Row& row) const {
    const auto filled = static_cast<std::size_t>(row.done * static_cast<double>(kBarWidth));
    const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
    const std::string painted = terminal_.color ? "\x1b[32m" + bar + "\x1b[0m" : bar;
    std::string out = fmt::format("{} [{}] {:3.0f} % ", left(name, kNameWidth), painted,
                                  std::min(100.0, row.done * 100));
    if (row.diverged) return out + "diverged";
    // Whole parts as far as they fit: a line that wraps would put the cursor into another row.
    std::vector<std::string> parts = {metrics_text(row.metrics)};
    if (row.uplink_bits > 0) {
      parts.push_back(" " + bits_text(row.uplink_bits));
      parts.push_back("/" + bits_text(row.downlink_bits));
    }
    for (const std::string& extra : extras(row.metrics)) parts.push_back(", " + extra);
    std::size_t used = kNameWidth + kBarWidth + 10;
    for (const std::string& part : parts) {
      used += columns(part);
      if (used > terminal_.width) break;
      out += part;
    }
    return out;
  }

  Terminal terminal_;
  const Plan& plan_;
  std::vector<Row> rows_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_ = {};
};

class Silence final : public Observer {
 public:
  void advanced(const Progress&) override {}
  void recorded(const Record&) override {}
  void diverged(const Divergence&) override {}
};

}  // namespace

std::unique_ptr<Observer> make_progress(const Terminal& terminal, const Plan& plan) {
  if (terminal.live && plan.methods.size() <= kMaxLiveMethods) {
    return std::make_unique<LiveProgress>(terminal, plan);
  }
  return std::make_unique<PlainProgress>(plan);
}

std::unique_ptr<Observer> make_silence() { return std::make_unique<Silence>(); }

void Both::advanced(const Progress& progress) {
  first_.advanced(progress);
  second_.advanced(progress);
}
void Both::recorded(const Record& record) {
  first_.recorded(record);
  second_.recorded(record);
}
void Both::diverged(const Divergence& divergence) {
  first_.diverged(divergence);
  second_.diverged(divergence);
}
void Both::trained(const experiment::TrainedModel& model) {
  first_.trained(model);
  second_.trained(model);
}

}  // namespace laconic::cli
