// SPDX-License-Identifier: Apache-2.0
// Data for when there is none: seeded, the same bits on every machine, with a dial for how much the
// blocks of rows differ from each other (heterogeneity 0: rows are alike; 1: as unlike as it gets).
// The test rows are always drawn from the mixture of all blocks.
#pragma once

#include <cstdint>

#include "laconic/data/dataset.hpp"
#include "laconic/data/series.hpp"

namespace laconic::data {

// Binary labels from a random hyperplane that parts the training rows in halves, each label flipped
// with flip_probability. A
// row has between about half and three halves of `nonzeros` entries and Euclidean norm 1; feature
// frequencies fall like 1/rank, as in text. The heterogeneity is the probability that an entry is
// drawn by the ranking of features that belongs to the row's block (Blocks{rows, workers}) instead
// of the common one.
struct SparseOptions {
  std::uint32_t rows = 4000;
  std::uint32_t test_rows = 1000;
  std::uint32_t features = 200;
  std::uint32_t nonzeros = 15;  // on average; at most half the features
  double flip_probability = 0.05;
  double heterogeneity = 0;
  std::uint32_t workers = 1;
  std::uint64_t seed = 0;
};
// ConfigError if an option is out of range.
[[nodiscard]] Dataset synthetic_sparse(const SparseOptions& options);

// Ten classes of side x side pixels in [0, 1]: a prototype of smooth blobs per class and a fainter
// one of any class, both shifted by up to side/9 pixels and scaled in brightness, with noise of the
// given deviation per pixel, rounded to multiples of 1/255. The heterogeneity is the probability
// that row i has class floor(10 i / rows) instead of a uniform one: at 1 the file is sorted by
// class. With the defaults a linear model gets about 90 % of the test images right, a perceptron
// with 32 hidden units about 95 %.
struct ImageOptions {
  std::uint32_t rows = 6000;
  std::uint32_t test_rows = 1000;
  std::uint32_t side = 28;
  double noise = 0.25;
  double heterogeneity = 0;
  std::uint64_t seed = 0;
};
// ConfigError if an option is out of range.
[[nodiscard]] Dataset synthetic_images(const ImageOptions& options);

// Rows c B / rank, B rank x features and c of uniform numbers in [0, 1): without noise all rows lie
// in a space of `rank` dimensions, with values in [0, 1). Noise is normal and not cut off. The
// class is the place of the largest element of c.
struct LowRankOptions {
  std::uint32_t rows = 2000;
  std::uint32_t test_rows = 0;
  std::uint32_t features = 64;
  std::uint32_t rank = 4;  // from 2 to features
  double noise = 0;
  std::uint64_t seed = 0;
};
// ConfigError if an option is out of range.
[[nodiscard]] Dataset synthetic_low_rank(const LowRankOptions& options);

// Ten classes, each a mixture of `prototypes` points: row = R diag(v) (scale pi + noise e), with
// normal prototypes pi and e, a random rotation R and v_i proportional to i^-1/2, squares adding up
// to the number of features. With the defaults a linear model gets about 60 % of the test rows
// right, a perceptron with two hidden layers about 95 %.
struct PrototypeOptions {
  std::uint32_t rows = 20000;
  std::uint32_t test_rows = 4000;
  std::uint32_t features = 196;
  std::uint32_t prototypes = 20;  // of a class
  double scale = 0.32;
  double noise = 0.5;
  std::uint64_t seed = 0;
};
// ConfigError if an option is out of range. Cost: features^3 once, features^2 per row.
[[nodiscard]] Dataset synthetic_prototypes(const PrototypeOptions& options);

// The workload of quantized-adagrad.md section 7: feature i is in a row with probability
// min(0.5, 6 / (i + 5)), those that are have the same value, and the row has norm 1 (0 if there are
// none). The true weights w are `draws` times 2 N(0, 1), each at index floor(U U' features), where
// a later one replaces an earlier one; the label is +1 with probability sigmoid(sharpness <w, a>).
struct PresenceOptions {
  std::uint32_t rows = 8000;
  std::uint32_t test_rows = 4000;
  std::uint32_t features = 2000;
  std::uint32_t draws = 60;
  double sharpness = 3;
  std::uint64_t seed = 0;
};
// ConfigError if an option is out of range. Cost: a random number per row and feature.
[[nodiscard]] Dataset synthetic_presence(const PresenceOptions& options);

// Windows of tokens (Dataset::tokens) of a random source with a known entropy: after any `order`
// symbols the r-th of a ranking of all symbols follows with a probability proportional to
// (r + 1)^-exponent, and each such context has a ranking of its own, a random permutation. A row
// begins after `order` uniform symbols that it does not show.
struct TextSourceOptions {
  std::uint32_t rows = 2000;
  std::uint32_t test_rows = 200;
  std::uint32_t context = 32;  // tokens of a row
  std::uint32_t symbols = 16;  // from 2; symbols^(order + 1) is at most 2^24
  std::uint32_t order = 1;
  double exponent = 2;
  std::uint64_t seed = 0;
};
// ConfigError if an option is out of range.
[[nodiscard]] Dataset synthetic_text(const TextSourceOptions& options);
// Nats per token: no model has a smaller expected cross entropy at a token that `order` others of
// its row precede. The same for every context, hence the entropy rate. Precondition: in range.
[[nodiscard]] double synthetic_text_entropy(const TextSourceOptions& options);

// Windows of time series (Dataset::series_lags) as cut_windows makes them. A series is a sum of
// `waves` sines with amplitudes from 0.5 to 1.5, periods from 6 to 48 steps and any phase, plus
// normal noise of deviation `noise`, shifted and scaled at random.
struct SeriesSourceOptions {
  std::uint32_t series = 50;
  std::uint32_t length = 300;
  std::uint32_t waves = 3;
  double noise = 0.1;  // in units of a sine of amplitude 1
  WindowOptions windows = {};
  std::uint64_t seed = 0;
};
// ConfigError if an option is out of range or the series are too short for the windows.
[[nodiscard]] Dataset synthetic_series(const SeriesSourceOptions& options);

}  // namespace laconic::data
