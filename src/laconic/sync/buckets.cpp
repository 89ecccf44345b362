// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/buckets.hpp"

#include <array>
#include <utility>

namespace laconic {
namespace {

struct Open {
  std::vector<std::size_t> indices = {};
  std::vector<Tensor> tensors = {};
  std::size_t numbers = 0;
};

void close(Open& open, bool exempt, std::vector<Bucket>& out) {
  if (open.indices.empty()) return;
  out.push_back({.tensors = std::move(open.indices),
                 .layout = Layout(std::move(open.tensors)),
                 .exempt = exempt});
  open = {};
}

}  // namespace

std::vector<Bucket> plan_buckets(std::span<const Tensor> tensors, const BucketRules& rules) {
  std::vector<Bucket> out;
  std::array<Open, 2> open;  // compressed, exempt
  for (std::size_t i = tensors.size(); i-- > 0;) {
    const bool exempt = rules.exempt_vectors && tensors[i].shape.cols == 1;
    Open& bucket = open[exempt ? 1 : 0];
    bucket.indices.push_back(i);
    bucket.tensors.push_back(tensors[i]);
    bucket.numbers += tensors[i].shape.size();
    if (bucket.numbers >= rules.numbers) close(bucket, exempt, out);
  }
  close(open[0], false, out);
  close(open[1], true, out);
  return out;
}

}  // namespace laconic
