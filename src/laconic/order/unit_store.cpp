// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/unit_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::order {
namespace {

bool read_flag(wire::WireReader& in) {
  const std::size_t place = in.position();
  const std::uint8_t flag = in.u8();
  if (flag > 1) in.fail_at(place, Fault::kBadValue, flag, 1);
  return flag == 1;
}

}  // namespace

template <Real T>
void fill_dense(const UnitGradient<T>& sparse, std::size_t dim, AlignedVector<T>& out) {
  out.assign(dim, T{0});
  for (std::size_t e = 0; e < sparse.indices.size(); ++e) {
    out[sparse.indices[e]] = sparse.values[e];
  }
}

template <Real T>
void Row<T>::assign(const UnitGradient<T>& gradient) {
  is_sparse = gradient.is_sparse;
  values.assign(gradient.values.begin(), gradient.values.end());
  indices.assign(gradient.indices.begin(), gradient.indices.end());
}

template <Real T>
void Differences<T>::subtract(Row<T>& out, const UnitGradient<T>& b, bool reversed) {
  if (out.is_sparse && b.is_sparse) return merge(out, b, reversed);
  if (out.is_sparse) {
    fill_dense<T>(out.view(), dim_, scratch_.values);
    std::swap(out.values, scratch_.values);
    out.indices.clear();
    out.is_sparse = false;
  }
  std::span<const T> other = b.values;
  if (b.is_sparse) {
    fill_dense(b, dim_, scratch_.values);
    other = scratch_.values;
  }
  if (reversed) {
    kernels::subtract<T>(other, out.values, out.values);
  } else {
    kernels::subtract<T>(out.values, other, out.values);
  }
}

template <Real T>
void Differences<T>::merge(Row<T>& out, const UnitGradient<T>& b, bool reversed) {
  scratch_.indices.clear();
  scratch_.values.clear();
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < out.indices.size() || j < b.indices.size()) {
    const bool from_out =
        j == b.indices.size() || (i < out.indices.size() && out.indices[i] <= b.indices[j]);
    const bool from_b =
        i == out.indices.size() || (j < b.indices.size() && b.indices[j] <= out.indices[i]);
    scratch_.indices.push_back(from_out ? out.indices[i] : b.indices[j]);
    const T x = from_out ? out.values[i++] : T{0};
    const T y = from_b ? b.values[j++] : T{0};
    scratch_.values.push_back(reversed ? y - x : x - y);
  }
  std::swap(out.indices, scratch_.indices);
  std::swap(out.values, scratch_.values);
}

template <Real T>
std::unique_ptr<Row<T>> UnitStore<T>::take() {
  peak_rows_ = std::max(peak_rows_, ++rows_);
  if (free_.empty()) return std::make_unique<Row<T>>();
  auto row = std::move(free_.back());
  free_.pop_back();
  return row;
}

template <Real T>
void UnitStore<T>::give_back(std::unique_ptr<Row<T>> row) {
  --rows_;
  free_.push_back(std::move(row));
}

template <Real T>
const typename UnitStore<T>::Held* UnitStore<T>::find(std::size_t worker,
                                                      std::uint32_t position) const {
  const auto& held = held_[worker];
  const auto it =
      std::ranges::find_if(held, [position](const Held& h) { return h.position == position; });
  return it == held.end() ? nullptr : &*it;
}

template <Real T>
typename UnitStore<T>::Held* UnitStore<T>::find(std::size_t worker, std::uint32_t position) {
  auto& held = held_[worker];
  const auto it =
      std::ranges::find_if(held, [position](const Held& h) { return h.position == position; });
  return it == held.end() ? nullptr : &*it;
}

template <Real T>
std::unique_ptr<Row<T>> UnitStore<T>::release(std::size_t worker, std::uint32_t position) {
  auto& held = held_[worker];
  Held* found = find(worker, position);
  if (found == nullptr) return nullptr;
  auto row = std::move(found->row);
  if (found != &held.back()) *found = std::move(held.back());
  held.pop_back();
  return row;
}

template <Real T>
void UnitStore<T>::release_all() {
  for (auto& held : held_) {
    for (Held& h : held) give_back(std::move(h.row));
    held.clear();
  }
}

template <Real T>
std::uint64_t UnitStore<T>::numbers() const {
  std::uint64_t total = 0;
  for (const auto& held : held_) {
    for (const Held& h : held) total += h.row->values.size();
  }
  return total;
}

template <Real T>
void UnitStore<T>::save(wire::WireWriter& out) const {
  for (const auto& held : held_) {
    out.u32(static_cast<std::uint32_t>(held.size()));
    for (const Held& h : held) {
      out.u32(h.position);
      out.u8(h.is_difference ? 1 : 0);
      out.u8(h.row->is_sparse ? 1 : 0);
      out.u64(h.row->values.size());
      for (const std::uint32_t index : h.row->indices) out.u32(index);
      for (const T value : h.row->values) {
        if constexpr (std::same_as<T, float>) {
          out.f32(value);
        } else {
          out.f64(value);
        }
      }
    }
  }
}

template <Real T>
void UnitStore<T>::load(wire::WireReader& in, std::size_t dim,
                        std::span<const std::uint32_t> units) {
  release_all();
  for (std::size_t worker = 0; worker < held_.size() && in.ok(); ++worker) {
    const std::size_t place = in.position();
    const std::uint32_t count = in.u32();
    if (count > units[worker]) in.fail_at(place, Fault::kBadValue, count, units[worker]);
    for (std::uint32_t c = 0; c < count && in.ok(); ++c) {
      const std::size_t start = in.position();
      Held held{.position = in.u32()};
      held.is_difference = read_flag(in);
      if (in.ok() && (held.position >= units[worker] || find(worker, held.position) != nullptr)) {
        in.fail_at(start, Fault::kBadIndex, held.position, units[worker]);
      }
      const bool is_sparse = read_flag(in);
      const std::uint64_t size = in.u64();
      if (in.ok() && (is_sparse ? size > dim : size != dim)) {
        in.fail_at(start + 6, Fault::kBadDimension, size, dim);
      }
      if (in.ok() && size * sizeof(T) > in.remaining()) in.fail(Fault::kTruncated);
      if (!in.ok()) return;
      held.row = take();
      held.row->is_sparse = is_sparse;
      held.row->indices.resize(is_sparse ? size : 0);
      std::uint64_t lowest = 0;
      for (std::uint32_t& index : held.row->indices) {
        index = in.u32();
        if (index < lowest || index >= dim) in.fail(Fault::kBadIndex, index, dim);
        lowest = std::uint64_t{index} + 1;
      }
      held.row->values.resize(size);
      wire::read_values<T>(wire::native_format<T>(), in, held.row->values);
      hold(worker, std::move(held));
    }
  }
}

SeenUnits::SeenUnits(std::span<const std::uint32_t> units) : units_(units.begin(), units.end()) {
  std::size_t words = 0;
  for (const std::uint32_t count : units_) {
    offsets_.push_back(words);
    words += kernels::words_for(count);
  }
  words_.resize(words);
}

void SeenUnits::clear() { std::ranges::fill(words_, std::uint64_t{0}); }

bool SeenUnits::insert(std::size_t worker, std::uint32_t position) {
  std::uint64_t& word = words_[offsets_[worker] + position / 64];
  const std::uint64_t bit = std::uint64_t{1} << (position % 64);
  if ((word & bit) != 0) return false;
  word |= bit;
  return true;
}

bool SeenUnits::contains(std::size_t worker, std::uint32_t position) const {
  return ((words_[offsets_[worker] + position / 64] >> (position % 64)) & 1) != 0;
}

std::uint32_t SeenUnits::first_missing(std::size_t worker) const {
  for (std::uint32_t position = 0; position < units_[worker]; ++position) {
    if (!contains(worker, position)) return position;
  }
  return units_[worker];
}

void SeenUnits::save(wire::WireWriter& out) const { out.words(words_); }

void SeenUnits::load(wire::WireReader& in) {
  const std::size_t start = in.position();
  in.words(words_);
  for (std::size_t w = 0; w < units_.size() && in.ok(); ++w) {
    if (units_[w] % 64 == 0) continue;
    const std::size_t last = offsets_[w] + units_[w] / 64;
    if (words_[last] >> (units_[w] % 64) != 0) {
      in.fail_at(start + 8 * last, Fault::kNonZeroPadding);
    }
  }
}

template <Real T>
void expect_form(const UnitGradient<T>& gradient, std::size_t dim) {
  if (!gradient.is_sparse) {
    if (gradient.values.size() == dim) return;
    throw std::logic_error(fmt::format(
        "order: a gradient has {} numbers, but the order was made for {}; give OrderSetup "
        "the dimension of the model",
        gradient.values.size(), dim));
  }
  std::uint64_t lowest = 0;
  for (const std::uint32_t index : gradient.indices) {
    if (index < lowest || index >= dim) {
      throw std::logic_error(
          fmt::format("order: index {} of a sparse gradient does not increase or is not below {}; "
                      "sort the indices and merge equal ones",
                      index, dim));
    }
    lowest = std::uint64_t{index} + 1;
  }
  if (gradient.indices.size() != gradient.values.size()) {
    throw std::logic_error(fmt::format(
        "order: a sparse gradient has {} indices and {} values; give one value per index",
        gradient.indices.size(), gradient.values.size()));
  }
}

template <Real T>
bool is_finite(const UnitGradient<T>& gradient) {
  return kernels::all_finite(gradient.values);
}

void save_numbers(wire::WireWriter& out, std::span<const double> numbers) {
  for (const double number : numbers) out.f64(number);
}

void load_numbers(wire::WireReader& in, std::span<double> numbers) {
  wire::read_values<double>(wire::ValueFormat::kF64, in, numbers);
}

#define LACONIC_INSTANTIATE(T)                                                      \
  template struct Row<T>;                                                           \
  template class UnitStore<T>;                                                      \
  template class Differences<T>;                                                    \
  template void fill_dense(const UnitGradient<T>&, std::size_t, AlignedVector<T>&); \
  template void expect_form(const UnitGradient<T>&, std::size_t);                   \
  template bool is_finite(const UnitGradient<T>&)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::order
