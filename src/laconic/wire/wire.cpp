// SPDX-License-Identifier: Apache-2.0
#include "laconic/wire/wire.hpp"

#include <cstring>

#include "laconic/base/assert.hpp"

namespace laconic::wire {
namespace {

template <class T>
void append(std::vector<std::byte>& out, const T* values, std::size_t count) {
  if (count == 0) return;
  const std::size_t old_size = out.size();
  out.resize(old_size + count * sizeof(T));
  std::memcpy(out.data() + old_size, values, count * sizeof(T));
}

}  // namespace

void make_room(std::vector<std::byte>& out, std::size_t bytes) {
  const std::size_t needed = out.size() + bytes;
  if (out.capacity() < needed) out.reserve(2 * needed);
}

void WireWriter::u8(std::uint8_t value) { append(out_, &value, 1); }
void WireWriter::u16(std::uint16_t value) { append(out_, &value, 1); }
void WireWriter::u32(std::uint32_t value) { append(out_, &value, 1); }
void WireWriter::u64(std::uint64_t value) { append(out_, &value, 1); }
void WireWriter::f32(float value) { append(out_, &value, 1); }
void WireWriter::f64(double value) { append(out_, &value, 1); }
void WireWriter::bytes(Bytes values) { append(out_, values.data(), values.size()); }
void WireWriter::words(std::span<const std::uint64_t> values) {
  append(out_, values.data(), values.size());
}

void WireWriter::patch_u64(std::size_t position, std::uint64_t value) {
  LACONIC_EXPECTS(position + sizeof(value) <= out_.size());
  std::memcpy(out_.data() + position, &value, sizeof(value));
}

template <class T>
T WireReader::take() {
  T value{};
  const Bytes source = bytes(sizeof(T));
  if (source.size() == sizeof(T)) std::memcpy(&value, source.data(), sizeof(T));
  return value;
}

std::uint8_t WireReader::u8() { return take<std::uint8_t>(); }
std::uint16_t WireReader::u16() { return take<std::uint16_t>(); }
std::uint32_t WireReader::u32() { return take<std::uint32_t>(); }
std::uint64_t WireReader::u64() { return take<std::uint64_t>(); }
float WireReader::f32() { return take<float>(); }
double WireReader::f64() { return take<double>(); }

Bytes WireReader::bytes(std::size_t count) {
  if (!ok()) return {};
  if (count > remaining()) {
    fail(Fault::kTruncated, remaining(), count);
    return {};
  }
  const Bytes out = bytes_.subspan(position_, count);
  position_ += count;
  return out;
}

void WireReader::words(std::span<std::uint64_t> out) {
  const Bytes source = bytes(out.size_bytes());
  if (ok() && !out.empty()) std::memcpy(out.data(), source.data(), out.size_bytes());
}

void WireReader::fail(Fault fault, std::uint64_t value, std::uint64_t expected) {
  fail_at(position_, fault, value, expected);
}

void WireReader::fail_at(std::size_t position, Fault fault, std::uint64_t value,
                         std::uint64_t expected) {
  if (ok()) status_ = Status(fault, position, value, expected);
}

Status WireReader::finish() {
  if (ok() && remaining() > 0) fail(Fault::kTrailingBytes, remaining(), 0);
  return status_;
}

}  // namespace laconic::wire
