// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <span>

#include "laconic/base/card.hpp"
#include "laconic/experiment/config_keys.hpp"

namespace laconic::experiment {
namespace {

constexpr std::int64_t kMaxRounds = 1'000'000'000;
constexpr std::int64_t kMaxWorkers = 100'000;
constexpr std::int64_t kMaxRepeats = 10'000;
constexpr std::int64_t kMaxBatch = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMaxMethods = 256;
constexpr std::size_t kMaxText = 4096;

constexpr std::ptrdiff_t kMaxDotsPerLine = 40;

constexpr std::string_view kStepForm =
    "a positive number, 'theory', 'pl', 'theory*FACTOR' or 'pl*FACTOR' (steps that the method's "
    "theory and the problem's constants give)";

// A piece of the user's text, fit to stand in a one-line message.
std::string shown(std::string_view text, std::size_t limit = 60) {
  std::string out(text.substr(0, limit));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c >= 0x7f; }, '?');
  if (text.size() > limit) out += "...";
  return out;
}

// The first line with more dots than any setting needs, counted from 1; 0 if there is none. A key
// a.a.a.a... of a megabyte would be a tree so deep that toml++ overflows the stack when it frees
// it.
std::size_t line_of_dots(std::string_view text) {
  std::size_t line = 1;
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view content = text.substr(0, end);
    if (std::count(content.begin(), content.end(), '.') > kMaxDotsPerLine) return line;
    if (end == std::string_view::npos) return 0;
    text.remove_prefix(end + 1);
    ++line;
  }
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string unknown_key(std::string_view key, std::vector<std::string_view> names) {
  std::string out = fmt::format("unknown key '{}'; ", shown(key));
  if (key.size() < 40) {
    const auto nearest = std::min_element(names.begin(), names.end(), [&](auto a, auto b) {
      return edit_distance(key, a) < edit_distance(key, b);
    });
    if (edit_distance(key, *nearest) <= 2) out += fmt::format("did you mean '{}'? ", *nearest);
  }
  std::sort(names.begin(), names.end());
  return out + fmt::format("valid here: {}", join_or(names));
}

// "100Mbit/s" -> 1e8, with the units given; nothing if the text is not a number and one of them.
struct Unit {
  std::string_view name;
  double factor;
};
std::optional<double> parse_quantity(std::string_view text, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (!text.ends_with(unit.name)) continue;
    std::string_view number = text.substr(0, text.size() - unit.name.size());
    while (number.ends_with(' ')) number.remove_suffix(1);
    if (const auto value = parse_real(number)) return *value * unit.factor;
  }
  return std::nullopt;
}
// Longer units first: "Mbit/s" ends with "bit/s", "ms" with "s".
constexpr std::array<Unit, 4> kBandwidthUnits = {
    {{"kbit/s", 1e3}, {"Mbit/s", 1e6}, {"Gbit/s", 1e9}, {"bit/s", 1}}};
constexpr std::array<Unit, 3> kLatencyUnits = {{{"ms", 1e-3}, {"us", 1e-6}, {"s", 1}}};

struct IntegerRange {
  std::int64_t min = 0;
  std::int64_t max = 0;
};

// Walks the TOML tables and fills the Config in. Every problem becomes a diagnostic.
class ConfigReader {
 public:
  ConfigReader(Config& config, Diagnostics& diagnostics, const std::set<std::string>& overridden)
      : config_(config), diagnostics_(diagnostics), overridden_(overridden) {}

  void read(const toml::table& root) {
    note_lines(root, "");
    check_keys(root, "", KeyTable::kExperiment);
    read_name(root, "", config_.name);
    if (const auto seed =
            integer(root, "", "seed", {0, std::numeric_limits<std::int64_t>::max()})) {
      config_.seed = static_cast<std::uint64_t>(*seed);
    }
    read_count(root, "", "repeats", {1, kMaxRepeats}, config_.repeats);
    read_precision(root);
    read_sparse(root);
    read_text(root, "", "problem", config_.problem);
    read_text(root, "", "data", config_.data);
    read_text(root, "", "shard", config_.shard);
    read_record_every(root);
    read_flag(root, "", "record_gradient", config_.record_gradient);
    read_flag(root, "", "record_excess", config_.record_excess);
    sweeping_ = root.contains("sweep");
    read_network(root);
    read_sweep(root);
    read_settings(root, "", config_.shared);
    read_methods(root);
  }

 private:
  void error(std::string_view path, std::string message) {
    diagnostics_.push_back({Severity::kError, config_.place(path), std::move(message)});
  }

  void note_lines(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, value] : table) {
      const std::string path = prefix + std::string(key.str());
      const bool from_command_line = overridden_.contains(path);
      config_.lines[path] = from_command_line ? 0 : value.source().begin.line;
    }
  }

  void check_keys(const toml::table& table, const std::string& prefix, KeyTable keys) {
    const std::vector<std::string_view> valid = valid_keys(keys);
    for (const auto& [key, value] : table) {
      const std::string_view name = key.str();
      if (std::find(valid.begin(), valid.end(), name) == valid.end()) {
        error(prefix + shown(name), unknown_key(name, valid));
      }
    }
  }

  template <class Target>
  void read_text(const toml::table& table, const std::string& prefix, std::string_view key,
                 Target& target) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const auto* text = node->as_string();
    if (text == nullptr) {
      error(prefix + std::string(key), fmt::format("{} must be text in quotes", key));
    } else if (text->get().size() > kMaxText) {
      error(prefix + std::string(key), fmt::format("{} has {} characters; the limit is {}", key,
                                                   text->get().size(), kMaxText));
    } else {
      target = text->get();
    }
  }

  // Names appear in terminals, file names and records.
  template <class Target>
  void read_name(const toml::table& table, const std::string& prefix, Target& target) {
    std::optional<std::string> name;
    read_text(table, prefix, "name", name);
    if (!name) return;
    if (const std::string problem = name_problem(*name, prefix.empty()); !problem.empty()) {
      error(prefix + "name", problem);
    } else {
      target = *name;
    }
  }

  static std::string name_problem(std::string_view name, bool is_folder) {
    if (name.empty()) return "a name must not be empty";
    if (name.size() > 80) {
      return fmt::format("a name of {} bytes is too long; the limit is 80", name.size());
    }
    for (std::size_t i = 0; i < name.size(); ++i) {
      const auto c = static_cast<unsigned char>(name[i]);
      const auto next = static_cast<unsigned char>(i + 1 < name.size() ? name[i + 1] : 0xff);
      const bool c1_control = c == 0xc2 && next < 0xa0;
      if (c < 0x20 || c == 0x7f || c1_control) {
        return fmt::format("name '{}' contains a control character; use printable characters only",
                           shown(name));
      }
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '_' || (c == '.' && i > 0);
      if (is_folder && !plain) {
        return fmt::format(
            "name '{}' also names the output folder: use letters, digits, '-', '_' and '.' (not "
            "first)",
            shown(name));
      }
    }
    return {};
  }

  std::optional<std::int64_t> integer(const toml::table& table, const std::string& prefix,
                                      std::string_view key, IntegerRange range) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return std::nullopt;
    const auto* value = node->as_integer();
    if (value == nullptr) {
      error(prefix + std::string(key),
            fmt::format("{} must be a whole number from {} to {}", key, range.min, range.max));
      return std::nullopt;
    }
    if (value->get() < range.min || value->get() > range.max) {
      error(prefix + std::string(key),
            fmt::format("{} = {} is not in [{}, {}]", key, value->get(), range.min, range.max));
      return std::nullopt;
    }
    return value->get();
  }

  // Precondition: range.max < 2^32.
  template <class Target>
  void read_count(const toml::table& table, const std::string& prefix, std::string_view key,
                  IntegerRange range, Target& target) {
    if (const auto value = integer(table, prefix, key, range)) {
      target = static_cast<std::uint32_t>(*value);
    }
  }

  template <class Target>
  void read_flag(const toml::table& table, const std::string& prefix, std::string_view key,
                 Target& target) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    if (const auto* value = node->as_boolean()) {
      target = value->get();
    } else {
      error(prefix + std::string(key), fmt::format("{} must be true or false", key));
    }
  }

  void read_precision(const toml::table& root) {
    std::optional<std::string> text;
    read_text(root, "", "precision", text);
    if (!text) return;
    if (*text != "float" && *text != "double") {
      error("precision",
            fmt::format("precision = '{}' is unknown; use 'float' or 'double'", shown(*text)));
      return;
    }
    config_.precision = *text == "float" ? Precision::kFloat : Precision::kDouble;
  }

  void read_sparse(const toml::table& root) {
    std::optional<std::string> text;
    read_text(root, "", "sparse", text);
    if (!text) return;
    if (*text != "auto" && *text != "never") {
      error("sparse", fmt::format("sparse = '{}' is unknown; use 'auto' or 'never'", shown(*text)));
      return;
    }
    config_.sparse = *text == "auto" ? Sparse::kAuto : Sparse::kNever;
  }

  void read_record_every(const toml::table& root) {
    const toml::node* node = root.get("record_every");
    if (node == nullptr || !node->is_string()) {
      read_count(root, "", "record_every", {1, kMaxRounds}, config_.record_every);
      return;
    }
    const std::string& text = node->as_string()->get();
    config_.record_each_epoch = text == "epoch";
    if (!config_.record_each_epoch) {
      error("record_every",
            fmt::format("record_every = '{}' is neither a number of rounds nor 'epoch'",
                        shown(text)));
    }
  }

  void read_network(const toml::table& root) {
    const toml::node* node = root.get("network");
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) {
      error("network", "network must be a table: [network] with bandwidth and latency");
      return;
    }
    note_lines(*table, "network.");
    check_keys(*table, "network.", KeyTable::kNetwork);
    const auto bandwidth = quantity(*table, "bandwidth", kBandwidthUnits,
                                    "a number and bit/s, kbit/s, Mbit/s or Gbit/s, e.g. "
                                    "'100Mbit/s'");
    const auto latency =
        quantity(*table, "latency", kLatencyUnits, "a number and s, ms or us, e.g. '1ms'");
    if (bandwidth && *bandwidth <= 0) {
      error("network.bandwidth", "bandwidth must be above 0");
    } else if (latency && *latency < 0) {
      error("network.latency", "latency must not be below 0");
    } else if (bandwidth && latency) {
      config_.network = {*bandwidth, *latency};
    }
  }

  void read_sweep(const toml::table& root) {
    const toml::node* node = root.get("sweep");
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) {
      error("sweep", "sweep must be a table: [sweep] with lists of values, select and criterion");
      return;
    }
    note_lines(*table, "sweep.");
    Sweep sweep;
    std::vector<std::pair<toml::source_position, SweepKey>> keys;
    const std::vector<std::string_view> own = valid_keys(KeyTable::kSweep);
    for (const auto& [key, value] : *table) {
      const std::string name(key.str());
      if (std::find(own.begin(), own.end(), name) != own.end()) continue;
      if (!is_sweep_name(name)) {
        error("sweep." + shown(name),
              fmt::format("'{}' cannot stand between braces; use a small letter, then small "
                          "letters, digits and '_'",
                          shown(name)));
        continue;
      }
      SweepKey read = {.name = name, .values = sweep_values(name, value)};
      keys.emplace_back(key.source().begin, std::move(read));
    }
    // The order of the file; what came from the command line has no place there and comes first.
    std::stable_sort(keys.begin(), keys.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [place, key] : keys) sweep.keys.push_back(std::move(key));
    if (keys.empty()) {
      error("sweep", "sweep has no key; write a list of values, e.g. k = [1, 10, 100]");
    }
    read_select(*table, sweep);
    read_criterion(*table, sweep);
    config_.sweep = std::move(sweep);
  }

  std::vector<std::string> sweep_values(const std::string& name, const toml::node& node) {
    const std::string path = "sweep." + name;
    std::vector<std::string> out;
    const auto add = [&](const toml::node& element) {
      if (const auto* number = element.as_integer()) {
        out.push_back(fmt::format("{}", number->get()));
      } else if (const auto* real = element.as_floating_point()) {
        out.push_back(shortest(real->get()));
      } else if (const auto* text = element.as_string()) {
        auto range = expand_range(text->get());
        if (!range) {
          error(path, range.error());
          return;
        }
        out.insert(out.end(), range->begin(), range->end());
      } else {
        error(path, fmt::format("{} must hold numbers and texts", name));
      }
    };
    const std::size_t problems = diagnostics_.size();
    if (const toml::array* array = node.as_array()) {
      if (array->empty()) {
        error(path, fmt::format("{} is an empty list; give at least one value", name));
      }
      for (const toml::node& element : *array) {
        if (diagnostics_.size() == problems && out.size() <= kMaxCells) add(element);
      }
    } else if (node.is_string()) {
      add(node);
    } else {
      error(path, fmt::format("{} must be a list of values, e.g. [1, 10, 100], or a range, e.g. "
                              "'2^0..2^11'",
                              name));
    }
    std::set<std::string_view> seen;
    for (const std::string& value : out) {
      if (seen.insert(value).second || diagnostics_.size() != problems) continue;
      error(path, fmt::format("{} holds {} twice; keep one of them", name, shown(value)));
    }
    return out;
  }

  void read_select(const toml::table& table, Sweep& sweep) {
    const toml::node* node = table.get("select");
    if (node == nullptr) return;
    std::vector<std::string> names;
    const toml::array* array = node->as_array();
    if (const auto* text = node->as_string()) {
      names.push_back(text->get());
    } else if (array != nullptr && (array->empty() || array->is_homogeneous<std::string>())) {
      for (const toml::node& element : *array) names.push_back(element.as_string()->get());
    } else {
      error("sweep.select", "select must be a key of the sweep in quotes, or a list of them");
      return;
    }
    for (const std::string& name : names) {
      const bool known = std::any_of(sweep.keys.begin(), sweep.keys.end(),
                                     [&](const SweepKey& key) { return key.name == name; });
      if (known) {
        sweep.select.push_back(name);
        continue;
      }
      error("sweep.select",
            fmt::format("'{}' is not a key of the sweep; {}", shown(name), keys_text(sweep)));
    }
  }

  static std::string keys_text(const Sweep& sweep) {
    std::vector<std::string_view> names;
    for (const SweepKey& key : sweep.keys) names.push_back(key.name);
    return names.empty() ? std::string("there are none") : "use " + join_or(names);
  }

  void read_criterion(const toml::table& table, Sweep& sweep) {
    std::optional<std::string> text;
    read_text(table, "sweep.", "criterion", text);
    if (!text) return;
    if (const auto criterion = parse_criterion(*text)) {
      sweep.criterion = *criterion;
    } else {
      error("sweep.criterion", criterion.error());
    }
  }

  std::optional<double> quantity(const toml::table& table, std::string_view key,
                                 std::span<const Unit> units, std::string_view expected) {
    const std::string path = fmt::format("network.{}", key);
    std::optional<std::string> text;
    read_text(table, "network.", key, text);
    if (!text) {
      if (!table.contains(key)) error(path, fmt::format("{} is missing: {}", key, expected));
      return std::nullopt;
    }
    const auto value = parse_quantity(*text, units);
    if (!value || !std::isfinite(*value)) {
      error(path, fmt::format("{} = '{}' is not {}", key, shown(*text), expected));
      return std::nullopt;
    }
    return value;
  }

  void read_settings(const toml::table& table, const std::string& prefix,
                     MethodSettings& settings) {
    settings_ = &settings;
    read_text(table, prefix, "aggregator", settings.aggregator);
    read_text(table, prefix, "optimizer", settings.optimizer);
    read_text(table, prefix, "schedule", settings.schedule);
    read_text(table, prefix, "order", settings.order);
    read_order_from(table, prefix, settings.order_from);
    read_text(table, prefix, "adversary", settings.adversary);
    read_text(table, prefix, "estimator", settings.estimator);
    read_text(table, prefix, "link", settings.link);
    read_step(table, prefix, settings.step);
    read_batch(table, prefix, settings.batch);
    read_count(table, prefix, "unit", {1, kMaxBatch}, settings.unit);
    read_count(table, prefix, "workers", {1, kMaxWorkers}, settings.workers);
    read_count(table, prefix, "rounds", {1, kMaxRounds}, settings.rounds);
    read_count(table, prefix, "epochs", {1, kMaxRounds}, settings.epochs);
    read_parsed(table, prefix, "until", &parse_until, settings.until);
    read_parsed(table, prefix, "budget", &parse_budget, settings.budget);
    read_flag(table, prefix, "allow_divergence", settings.allow_divergence);
    if (table.contains("rounds") && table.contains("epochs")) {
      error(prefix + "epochs",
            "rounds and epochs are both given; they say the same thing, keep one of them");
    }
  }

  // A text with a grammar of its own.
  template <class Value>
  void read_parsed(const toml::table& table, const std::string& prefix, std::string_view key,
                   Result<Value> (*parse)(std::string_view), std::optional<Value>& target) {
    std::optional<std::string> text;
    read_text(table, prefix, key, text);
    if (!text) return;
    if (sweeping_ && !placeholders(*text).empty()) {
      if (settings_ != nullptr) settings_->templates[std::string(key)] = *text;
      return;
    }
    if (auto value = parse(*text)) {
      target = *value;
    } else {
      error(prefix + std::string(key), value.error());
    }
  }

  void read_order_from(const toml::table& table, const std::string& prefix,
                       std::optional<OrderFrom>& target) {
    std::optional<std::string> text;
    read_text(table, prefix, "order_from", text);
    if (!text) return;
    if (*text != "gradients" && *text != "messages") {
      error(
          prefix + "order_from",
          fmt::format("order_from = '{}' is unknown; use 'gradients' or 'messages'", shown(*text)));
      return;
    }
    target = *text == "gradients" ? OrderFrom::kGradients : OrderFrom::kMessages;
  }

  // Numbers are read as such, texts by their grammar.
  void read_step(const toml::table& table, const std::string& prefix,
                 std::optional<StepSize>& target) {
    const toml::node* node = table.get("step");
    if (node == nullptr) return;
    if (node->is_string()) {
      read_parsed(table, prefix, "step", &parse_step, target);
      return;
    }
    const auto value = node->is_boolean() ? std::nullopt : node->value<double>();
    if (!value) {
      error(prefix + "step", fmt::format("step must be {}", kStepForm));
    } else if (!std::isfinite(*value) || *value <= 0) {
      error(prefix + "step", fmt::format("step = {} is not {}", shortest(*value), kStepForm));
    } else {
      target = StepSize{.kind = StepSize::Kind::kNumber, .factor = *value};
    }
  }

  void read_batch(const toml::table& table, const std::string& prefix,
                  std::optional<Batch>& target) {
    const toml::node* node = table.get("batch");
    if (node == nullptr) return;
    if (node->is_string()) {
      read_parsed(table, prefix, "batch", &parse_batch, target);
      return;
    }
    std::optional<std::uint32_t> size;
    read_count(table, prefix, "batch", {1, kMaxBatch}, size);
    if (size) target = Batch{.kind = Batch::Kind::kSize, .size = *size};
  }

  void read_methods(const toml::table& root) {
    const toml::node* node = root.get("method");
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || !array->is_array_of_tables()) {
      error("method", "methods are a list of tables: write [[method]] in front of each");
      return;
    }
    if (array->size() > kMaxMethods) {
      error("method",
            fmt::format("{} methods are too many; the limit is {}", array->size(), kMaxMethods));
      return;
    }
    for (std::size_t i = 0; i < array->size(); ++i) {
      const toml::table& table = *array->get(i)->as_table();
      const std::string path = fmt::format("method[{}]", i + 1);
      config_.lines[path] = table.source().begin.line;
      const std::string prefix = path + ".";
      note_lines(table, prefix);
      check_keys(table, prefix, KeyTable::kMethod);
      MethodSettings& settings = config_.methods.emplace_back();
      read_name(table, prefix, settings.name);
      read_settings(table, prefix, settings);
    }
  }

  Config& config_;
  Diagnostics& diagnostics_;
  const std::set<std::string>& overridden_;
  bool sweeping_ = false;               // there is a [sweep]: texts may hold placeholders
  MethodSettings* settings_ = nullptr;  // that are being read
};

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t dot = path.find('.');
    parts.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    path.remove_prefix(dot + 1);
  }
}

// The value as TOML, or the whole text as a string.
void insert_value(toml::table& table, const std::string& key, const std::string& text) {
  table.erase(key);
  if (text.find_first_of("\r\n#") == std::string::npos && line_of_dots(text) == 0) {
    try {
      const std::string line = "value = " + text;
      toml::table parsed = toml::parse(std::string_view(line));
      if (parsed.size() == 1 && parsed.contains("value")) {
        table.insert(key, std::move(*parsed.get("value")));
        return;
      }
    } catch (const toml::parse_error&) {  // not a TOML value: it is a string
    }
  }
  table.insert(key, text);
}

// Sets one path in the tree. Returns the path as diagnostics write it, or the reason of failure.
struct Applied {
  std::string path = {};
  std::string problem = {};
};
Applied apply_override(toml::table& root, const Override& setting) {
  const std::vector<std::string> parts = split(setting.path);
  if (parts.size() == 1 && parts[0] != "method" && parts[0] != "network" && parts[0] != "sweep") {
    insert_value(root, parts[0], setting.value);
    return {parts[0], {}};
  }
  if (parts.size() == 2 && (parts[0] == "network" || parts[0] == "sweep")) {
    if (root.get(parts[0]) == nullptr) root.insert(parts[0], toml::table());
    if (toml::table* table = root.get(parts[0])->as_table()) {
      insert_value(*table, parts[1], setting.value);
      return {setting.path, {}};
    }
  }
  if (parts.size() == 3 && parts[0] == "method") {
    toml::node* node = root.get("method");
    toml::array* methods = node == nullptr ? nullptr : node->as_array();
    const std::size_t count = methods == nullptr ? 0 : methods->size();
    const auto index = parse_integer(parts[1]);
    if (!index || *index < 1 || static_cast<std::uint64_t>(*index) > count) {
      return {{},
              fmt::format("there is no method {}; methods are counted from 1 to {}",
                          shown(parts[1]), count)};
    }
    if (toml::table* table = methods->get(static_cast<std::size_t>(*index - 1))->as_table()) {
      insert_value(*table, parts[2], setting.value);
      return {fmt::format("method[{}].{}", *index, parts[2]), {}};
    }
  }
  return {{},
          "cannot be set; write KEY, network.KEY, sweep.KEY or method.N.KEY with N counted from 1"};
}

}  // namespace

bool has_errors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

std::string text_of(const Diagnostic& diagnostic) {
  return fmt::format("{}: {}: {}", diagnostic.place,
                     diagnostic.severity == Severity::kError ? "error" : "warning",
                     diagnostic.message);
}

bool Config::given(std::string_view path) const { return lines.contains(path); }

std::string Config::place(std::string_view path) const {
  const auto at = lines.find(path);
  if (at != lines.end() && at->second == 0) return fmt::format("--set {}", path);
  if (at != lines.end()) return fmt::format("{}:{}: {}", source, at->second, path);
  const std::size_t dot = path.rfind('.');
  const auto around = dot == std::string_view::npos ? lines.end() : lines.find(path.substr(0, dot));
  if (around != lines.end() && around->second > 0) {
    return fmt::format("{}:{}: {}", source, around->second, path);
  }
  return fmt::format("{}: {}", source, path);
}

Result<StepSize> parse_step(std::string_view text) {
  StepSize step;
  std::string_view factor = text;
  for (const auto& [name, kind] :
       {std::pair("theory", StepSize::Kind::kTheory), std::pair("pl", StepSize::Kind::kPl)}) {
    if (!text.starts_with(name)) continue;
    step.kind = kind;
    factor.remove_prefix(std::string_view(name).size());
    if (factor.empty()) {
      factor = "1";
    } else if (factor.starts_with('*')) {
      factor.remove_prefix(1);
    } else {
      factor = {};
    }
    break;
  }
  const auto value = parse_real(factor);
  if (!value || *value <= 0) {
    return Failure{fmt::format("step = '{}' is not {}", shown(text), kStepForm)};
  }
  step.factor = *value;
  return step;
}

Result<Batch> parse_batch(std::string_view text) {
  if (text == "full") return Batch{.kind = Batch::Kind::kFull, .size = 0};
  if (text == "noisy") return Batch{.kind = Batch::Kind::kNoisy, .size = 0};
  const auto size = parse_integer(text);
  if (!size || *size < 1 || *size > kMaxBatch) {
    return Failure{fmt::format(
        "batch = '{}' is unknown; use a number of examples per worker, 'full' or 'noisy'",
        shown(text))};
  }
  return Batch{.kind = Batch::Kind::kSize, .size = static_cast<std::uint32_t>(*size)};
}

Result<double> parse_bandwidth(std::string_view text) {
  const auto value = parse_quantity(text, kBandwidthUnits);
  if (value && std::isfinite(*value) && *value > 0) return *value;
  return Failure{fmt::format(
      "bandwidth '{}' is not a positive number and bit/s, kbit/s, Mbit/s or Gbit/s, e.g. "
      "'100Mbit/s'",
      shown(text))};
}

Result<double> parse_seconds(std::string_view text) {
  const auto value = parse_quantity(text, kLatencyUnits);
  if (value && std::isfinite(*value) && *value >= 0) return *value;
  return Failure{fmt::format(
      "'{}' is not a time: a number, not below 0, and s, ms or us, e.g. '1ms'", shown(text))};
}

std::optional<Override> parse_override(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  return Override{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

ParsedConfig parse_config(std::string_view text, std::string_view source,
                          const std::vector<Override>& overrides) {
  ParsedConfig out;
  out.config.source = source;
  out.is_toml = false;
  if (text.size() > kMaxConfigBytes) {
    out.diagnostics.push_back({Severity::kError, out.config.source,
                               fmt::format("a configuration of {} bytes is too long; the limit is "
                                           "{}",
                                           text.size(), kMaxConfigBytes)});
    return out;
  }
  if (const std::size_t line = line_of_dots(text); line > 0) {
    out.diagnostics.push_back({Severity::kError, fmt::format("{}:{}", source, line),
                               fmt::format("more than {} dots in one line; the deepest key is "
                                           "network.bandwidth",
                                           kMaxDotsPerLine)});
    return out;
  }
  toml::table root;
  try {
    root = toml::parse(text, std::string_view("configuration"));
  } catch (const toml::parse_error& e) {
    out.diagnostics.push_back({Severity::kError,
                               fmt::format("{}:{}", source, e.source().begin.line),
                               fmt::format("not TOML: {}", shown(e.description(), 200))});
    return out;
  }
  out.is_toml = true;
  std::set<std::string> overridden;
  for (const Override& setting : overrides) {
    Applied applied = apply_override(root, setting);
    if (!applied.problem.empty()) {
      out.diagnostics.push_back({Severity::kError, fmt::format("--set {}", shown(setting.path)),
                                 std::move(applied.problem)});
    } else {
      overridden.insert(std::move(applied.path));
    }
  }
  ConfigReader(out.config, out.diagnostics, overridden).read(root);
  out.config.refused = out.diagnostics.size();
  return out;
}

}  // namespace laconic::experiment
