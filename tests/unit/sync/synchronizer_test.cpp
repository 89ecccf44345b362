// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/synchronizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <mutex>
#include <numeric>

#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/contract/allocations.hpp"

namespace laconic {
namespace {

std::vector<Tensor> model() {
  return {{.name = "w", .shape = {13, 17}},
          {.name = "b", .shape = {17, 1}, .role = Role::kBias},
          {.name = "v", .shape = {17, 9}},
          {.name = "c", .shape = {9, 1}, .role = Role::kBias},
          {.name = "u", .shape = {9, 40}}};
}

constexpr const char* kSpecs[] = {"dense",
                                  "vote:beta=0.9",
                                  "ef:sign",
                                  "mirror:ef21:topk:k=0.1",
                                  "mirror:by=tensor:diana:natural",
                                  "quantized:down=lossless:thr-unb",
                                  "quantized:down=sum:vaninf:levels=7",
                                  "krum:f=1",
                                  "lowrank:rank=2",
                                  "laser:power=1e5"};

// Normal gradients of a rank and step.
template <Real T>
std::vector<std::vector<T>> gradients_of(std::uint32_t rank, std::uint32_t step) {
  std::vector<std::vector<T>> out;
  std::uint32_t i = 0;
  for (const Tensor& tensor : model()) {
    out.emplace_back(tensor.shape.size());
    rng::fill_normal(rng::Stream(7, {.worker = rank, .round = step, .tensor = i++}), {},
                     std::span<T>(out.back()));
  }
  return out;
}

template <Real T>
std::vector<std::span<T>> spans_of(std::vector<std::vector<T>>& values) {
  return {values.begin(), values.end()};
}

using Feed = void (*)(std::uint32_t rank, std::uint32_t step, std::vector<std::uint32_t>& order);

// The directions of all steps on all ranks: [rank][step] one after the other.
template <Real T>
std::vector<std::vector<T>> run(const SynchronizerOptions& options, std::uint32_t ranks,
                                std::uint32_t steps, Feed feed = nullptr) {
  std::vector<std::vector<T>> out(ranks);
  run_on_threads(ranks, [&](Communicator& comm) {
    Synchronizer<T> sync(model(), options, comm);
    for (std::uint32_t step = 0; step < steps; ++step) {
      auto gradients = gradients_of<T>(comm.rank(), step);
      const auto spans = spans_of(gradients);
      if (feed == nullptr) {
        sync.synchronize(spans);
      } else {
        std::vector<std::uint32_t> order(gradients.size());
        std::iota(order.begin(), order.end(), 0U);
        feed(comm.rank(), step, order);
        for (const std::uint32_t i : order) sync.ready(i, gradients[i]);
        sync.finish(spans);
      }
      for (const auto& direction : gradients) {
        out[comm.rank()].insert(out[comm.rank()].end(), direction.begin(), direction.end());
      }
    }
    EXPECT_EQ(sync.report().steps, steps);
    EXPECT_GT(
        sync.report().uplink.frame_bytes + (options.aggregator.starts_with("laser") ? 1U : 0U), 0U);
  });
  return out;
}

class SynchronizerSpecs : public testing::TestWithParam<const char*> {};

template <Real T>
void check_directions(const std::string& spec) {
  const SynchronizerOptions options = {.aggregator = spec, .buckets = {.numbers = 300}};
  const std::uint32_t ranks = 4;
  const auto expected = run<T>(options, ranks, 6);
  for (std::uint32_t r = 1; r < ranks; ++r) EXPECT_EQ(expected[r], expected[0]) << r;
  SynchronizerOptions beside = options;
  beside.overlap = false;
  EXPECT_EQ(run<T>(beside, ranks, 6), expected);
  // Every rank learns its gradients in an order of its own.
  EXPECT_EQ(run<T>(options, ranks, 6,
                   [](std::uint32_t rank, std::uint32_t step, std::vector<std::uint32_t>& order) {
                     rng::permute(rng::Stream(3, {.worker = rank, .round = step}),
                                  std::span(order));
                   }),
            expected);
}

TEST_P(SynchronizerSpecs, GivesEveryRankTheSameBitsWhateverTheTiming) {
  check_directions<float>(GetParam());
  check_directions<double>(GetParam());
}

std::string name_of(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(Specs, SynchronizerSpecs, testing::ValuesIn(kSpecs), name_of);

TEST(Synchronizer, DenseIsTheMeanRoundedOnce) {
  const std::uint32_t ranks = 3;
  const auto out = run<float>({}, ranks, 2);
  std::size_t at = 0;
  for (std::uint32_t step = 0; step < 2; ++step) {
    for (std::size_t i = 0; i < model().size(); ++i) {
      for (std::size_t j = 0; j < model()[i].shape.size(); ++j) {
        double sum = 0;
        for (std::uint32_t r = 0; r < ranks; ++r) {
          sum += static_cast<double>(gradients_of<float>(r, step)[i][j]);
        }
        EXPECT_EQ(out[0][at++], static_cast<float>(sum * (1.0 / ranks)));
      }
    }
  }
}

TEST(Synchronizer, ExemptsVectorsUnlessToldOtherwise) {
  run_on_threads(2, [](Communicator& comm) {
    for (const bool exempt : {true, false}) {
      Synchronizer<float> sync(model(),
                               {.aggregator = "vote", .buckets = {.exempt_vectors = exempt}}, comm);
      auto values = gradients_of<float>(comm.rank(), 0);
      sync.synchronize(spans_of(values));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const bool signs = std::all_of(values[i].begin(), values[i].end(),
                                       [](float x) { return std::fabs(x) == 1; });
        EXPECT_EQ(signs, !exempt || model()[i].shape.cols > 1) << i;
      }
    }
  });
}

TEST(Synchronizer, TakesWhatWasNotReadyAsZero) {
  run_on_threads(2, [](Communicator& comm) {
    Synchronizer<double> sync(model(), {}, comm);
    for (std::uint32_t step = 0; step < 2; ++step) {  // also after a step in which it was given
      auto values = gradients_of<double>(comm.rank(), step);
      const auto own = gradients_of<double>(0, step);
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (step == 0 || comm.rank() == 0 || i != 2) sync.ready(i, values[i]);
      }
      sync.finish(spans_of(values));
      if (step == 0) continue;
      for (std::size_t j = 0; j < own[2].size(); ++j) EXPECT_EQ(values[2][j], own[2][j] / 2);
    }
  });
}

// Rank r has 1 + 2 r batches. directions[rank][step], of all tensors one after the other.
template <Real T>
std::vector<std::vector<std::vector<T>>> uneven(const SynchronizerOptions& options,
                                                std::uint32_t ranks, std::uint32_t epochs) {
  std::vector<std::vector<std::vector<T>>> out(ranks);
  run_on_threads(ranks, [&](Communicator& comm) {
    Synchronizer<T> sync(model(), options, comm);
    std::uint32_t step = 0;
    const auto keep = [&](const std::vector<std::vector<T>>& values) {
      auto& all = out[comm.rank()].emplace_back();
      for (const auto& part : values) all.insert(all.end(), part.begin(), part.end());
      ++step;
    };
    for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
      for (std::uint32_t batch = 0; batch < 1 + 2 * comm.rank(); ++batch) {
        auto values = gradients_of<T>(comm.rank(), step);
        sync.synchronize(spans_of(values));
        keep(values);
      }
      auto values = gradients_of<T>(0, 0);  // overwritten
      while (sync.join(spans_of(values))) keep(values);
    }
    EXPECT_EQ(sync.report().steps, step);
  });
  return out;
}

TEST(Synchronizer, RanksThatHaveJoinedGetTheDirectionsOfTheOthers) {
  for (const char* spec : kSpecs) {
    if (std::string_view(spec).starts_with("krum")) continue;  // needs three workers of four
    for (const bool overlap : {true, false}) {
      const auto out = uneven<float>({.aggregator = spec, .overlap = overlap}, 3, 2);
      EXPECT_EQ(out[0].size(), 10U) << spec;  // twice what rank 2 has
      EXPECT_EQ(out[1], out[0]) << spec;
      EXPECT_EQ(out[2], out[0]) << spec;
    }
  }
}

TEST(Synchronizer, AMeanIsThatOfTheRanksThatTakePart) {
  const auto out = uneven<float>({}, 3, 1);
  for (std::uint32_t step = 0; step < 5; ++step) {
    const std::uint32_t first = (step + 1) / 2;  // the lowest rank that has a batch
    std::size_t at = 0;
    for (std::size_t i = 0; i < model().size(); ++i) {
      for (std::size_t j = 0; j < model()[i].shape.size(); ++j) {
        double sum = 0;
        for (std::uint32_t r = first; r < 3; ++r) {
          sum += static_cast<double>(gradients_of<float>(r, step)[i][j]);
        }
        ASSERT_EQ(out[0][step][at++], static_cast<float>(sum * (1.0 / (3 - first)))) << step;
      }
    }
  }
  // Beliefs of identity are the gradients themselves: the same mean, up to rounding.
  const auto mirrored = uneven<double>({.aggregator = "mirror:ef21:identity"}, 3, 1);
  const auto plain = uneven<double>({}, 3, 1);
  for (std::uint32_t step = 0; step < 5; ++step) {
    for (std::size_t k = 0; k < plain[0][step].size(); ++k) {
      ASSERT_NEAR(mirrored[0][step][k], plain[0][step][k], 1e-12);
    }
  }
}

TEST(Synchronizer, RefusesToJoinWithinAStep) {
  const auto comm = make_self_communicator();
  Synchronizer<float> sync(model(), {}, *comm);
  auto values = gradients_of<float>(0, 0);
  EXPECT_FALSE(sync.join(spans_of(values)));
  sync.ready(1, values[1]);
  EXPECT_THROW(static_cast<void>(sync.join(spans_of(values))), ConfigError);
}

TEST(Synchronizer, NoopKeepsWhatEveryRankHas) {
  run_on_threads(2, [](Communicator& comm) {
    Synchronizer<float> sync(model(), {.aggregator = "noop"}, comm);
    EXPECT_NE(sync.plan().find("noop: every rank keeps its own gradient"), std::string::npos);
    const auto sent = comm.traffic();
    for (std::uint32_t step = 0; step < 2 + comm.rank(); ++step) {
      auto values = gradients_of<float>(comm.rank(), step);
      sync.synchronize(spans_of(values));
      EXPECT_EQ(values, gradients_of<float>(comm.rank(), step));
      EXPECT_FALSE(sync.join(spans_of(values)));
    }
    EXPECT_EQ(comm.traffic(), sent);
    EXPECT_EQ(sync.report().uplink, Meter{});
  });
}

template <Real T>
void check_saved(const SynchronizerOptions& options) {
  const std::uint32_t ranks = 4;
  const auto expected = run<T>(options, ranks, 6);
  std::vector<std::vector<T>> out(ranks);
  run_on_threads(ranks, [&](Communicator& comm) {
    auto sync = std::make_unique<Synchronizer<T>>(model(), options, comm);
    for (std::uint32_t step = 0; step < 6; ++step) {
      if (step % 2 == 1) {
        const auto bytes = sync->save();
        const auto report = sync->report();
        sync = std::make_unique<Synchronizer<T>>(model(), options, comm);
        sync->load(bytes);
        EXPECT_EQ(sync->report().steps, step);
        EXPECT_EQ(sync->report().uplink, report.uplink);
        EXPECT_EQ(sync->save(), bytes);
      }
      auto gradients = gradients_of<T>(comm.rank(), step);
      sync->synchronize(spans_of(gradients));
      for (const auto& part : gradients) {
        out[comm.rank()].insert(out[comm.rank()].end(), part.begin(), part.end());
      }
    }
  });
  EXPECT_EQ(out, expected);
}

TEST_P(SynchronizerSpecs, GoOnFromASavedState) {
  for (const bool overlap : {true, false}) {
    const SynchronizerOptions options = {
        .aggregator = GetParam(), .buckets = {.numbers = 300}, .overlap = overlap};
    check_saved<float>(options);
    check_saved<double>(options);
  }
}

// What both ranks say when they load what was saved by a synchronizer of other tensors or options,
// and that a refusal changes nothing.
template <class Change>
std::string refusal_of_state(Change change) {
  std::vector<std::string> texts(2);
  run_on_threads(2, [&](Communicator& comm) {
    auto tensors = model();
    SynchronizerOptions options = {.aggregator = "ef:sign"};
    Synchronizer<float> sync(tensors, options, comm);
    change(tensors, options);
    const auto bytes = Synchronizer<float>(tensors, options, comm).save();
    auto values = gradients_of<float>(comm.rank(), 0);
    sync.synchronize(spans_of(values));
    const auto before = sync.save();
    try {
      sync.load(bytes);
    } catch (const ConfigError& e) {
      texts[comm.rank()] = e.what();
      EXPECT_EQ(sync.save(), before);
    }
  });
  EXPECT_EQ(texts[0], texts[1]);
  return texts[0];
}

TEST(Synchronizer, RefusesTheStateOfAnotherModelNamingTheFirstTensorThatDiffers) {
  EXPECT_EQ(refusal_of_state([](auto& tensors, auto&) { tensors[2].shape.cols = 8; }),
            "rank 0: saved state: it is that of another model: tensor 2 was 'v', 17 x 8, here it "
            "is 'v', 17 x 9");
  EXPECT_EQ(refusal_of_state([](auto& tensors, auto&) { tensors.pop_back(); }),
            "rank 0: saved state: it is that of another model: tensor 4 was none, here it is 'u', "
            "9 x 40");
  EXPECT_NE(refusal_of_state([](auto& tensors, auto&) {
              tensors.push_back({.name = "z", .shape = {2, 2}});
            }).find("tensor 5 was 'z', 2 x 2, here it is none"),
            std::string::npos);
  EXPECT_NE(refusal_of_state([](auto&, auto& options) {
              options.aggregator = "vote";
            }).find("saved with aggregator vote:"),
            std::string::npos);
  EXPECT_NE(refusal_of_state([](auto&, auto& options) {
              options.seed = 2;
            }).find("saved with seed 2, here it is 1"),
            std::string::npos);
  EXPECT_NE(refusal_of_state([](auto&, auto& options) {
              options.buckets.numbers = 9;
            }).find("bucket size"),
            std::string::npos);
  EXPECT_EQ(refusal_of_state([](auto&, auto& options) { options.clip_norm = 9; }), "");
}

TEST(Synchronizer, RefusesStatesThatAreDamagedOrOfAnotherRank) {
  std::vector<std::vector<std::byte>> bytes(2);
  const auto refusal = [&](auto change) {
    std::vector<std::string> texts(2);
    run_on_threads(2, [&](Communicator& comm) {
      Synchronizer<float> sync(model(), {.aggregator = "vote:beta=0.9"}, comm);
      auto values = gradients_of<float>(comm.rank(), 0);
      sync.synchronize(spans_of(values));
      bytes[comm.rank()] = sync.save();
      comm.barrier({0, 0});
      auto own = bytes[comm.rank()];
      if (comm.rank() == 1) change(own);
      try {
        sync.load(own);
      } catch (const ConfigError& e) {
        texts[comm.rank()] = e.what();
      }
    });
    EXPECT_EQ(texts[0], texts[1]);
    return texts[0];
  };
  const std::string damaged = "rank 1: saved state: the checksum of its ";
  EXPECT_TRUE(refusal([](auto& own) { own.resize(own.size() - 1); }).starts_with(damaged));
  EXPECT_TRUE(refusal([](auto& own) { own.resize(3); }).starts_with(damaged));
  EXPECT_TRUE(refusal([](auto& own) { own.clear(); }).starts_with(damaged));
  EXPECT_TRUE(refusal([](auto& own) { own[40] ^= std::byte{4}; }).starts_with(damaged));
  EXPECT_NE(refusal([&](auto& own) { own = bytes[0]; }).find("rank 0, here it is 1"),
            std::string::npos);
  EXPECT_EQ(refusal([](auto&) {}), "");
}

TEST(Synchronizer, RefusesStatesOfDifferentSteps) {
  std::vector<std::string> texts(2);
  run_on_threads(2, [&](Communicator& comm) {
    Synchronizer<float> sync(model(), {}, comm);
    const auto early = sync.save();
    auto values = gradients_of<float>(comm.rank(), 0);
    sync.synchronize(spans_of(values));
    const auto late = sync.save();
    try {
      sync.load(comm.rank() == 0 ? late : early);
    } catch (const ConfigError& e) {
      texts[comm.rank()] = e.what();
    }
    EXPECT_EQ(sync.report().steps, 1U);
  });
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_NE(texts[0].find("rank 1 has a state of 0 steps, rank 0 has a state of 1 steps"),
            std::string::npos)
      << texts[0];
}

// Rank 1 cannot write: rank 0's old file stays, and nothing else lies around.
TEST(Synchronizer, WritesTheFilesOfAllRanksOrNone) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "laconic_sync_state";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "state").string();
  run_on_threads(2, [&](Communicator& comm) {
    Synchronizer<float> sync(model(), {.aggregator = "ef:sign"}, comm);
    auto values = gradients_of<float>(comm.rank(), 0);
    sync.synchronize(spans_of(values));
    sync.save_file(path);
    const auto first = sync.save();
    sync.synchronize(spans_of(values));
    comm.barrier({0, 0});
    // A folder stands where the unfinished file would.
    if (comm.rank() == 1) std::filesystem::create_directory(path + ".rank1.part");
    try {
      sync.save_file(path);
      ADD_FAILURE() << "written";
    } catch (const ConfigError& e) {
      EXPECT_NE(std::string(e.what()).find("rank 1: saved state: "), std::string::npos);
      EXPECT_NE(std::string(e.what()).find("cannot be written"), std::string::npos) << e.what();
    }
    comm.barrier({0, 1});
    EXPECT_FALSE(std::filesystem::exists(path + ".rank0.part"));
    sync.load_file(path);
    EXPECT_EQ(sync.save(), first);
    comm.barrier({0, 2});
    if (comm.rank() == 1) std::filesystem::remove(path + ".rank1");
    EXPECT_THROW(sync.load_file(path), ConfigError);
  });
  std::filesystem::remove_all(folder);
}

TEST(Synchronizer, RefusesToSaveWithinAStep) {
  const auto comm = make_self_communicator();
  Synchronizer<float> sync(model(), {}, *comm);
  const auto bytes = sync.save();
  auto values = gradients_of<float>(0, 0);
  sync.ready(1, values[1]);
  EXPECT_THROW(static_cast<void>(sync.save()), ConfigError);
  EXPECT_THROW(sync.load(bytes), ConfigError);
  EXPECT_THROW(sync.save_file("x"), ConfigError);
}

TEST(Synchronizer, ClipsTheNormOfTheWholeDirection) {
  run_on_threads(2, [](Communicator& comm) {
    Synchronizer<double> plain(model(), {}, comm);
    Synchronizer<double> clipped(model(), {.clip_norm = 0.5}, comm);
    Synchronizer<double> wide(model(), {.clip_norm = 1e6}, comm);
    auto a = gradients_of<double>(comm.rank(), 0);
    auto b = a;
    auto c = a;
    plain.synchronize(spans_of(a));
    clipped.synchronize(spans_of(b));
    wide.synchronize(spans_of(c));
    EXPECT_EQ(a, c);
    double squares = 0;
    double dot = 0;
    double other = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = 0; j < a[i].size(); ++j) {
        squares += b[i][j] * b[i][j];
        other += a[i][j] * a[i][j];
        dot += a[i][j] * b[i][j];
      }
    }
    EXPECT_NEAR(std::sqrt(squares), 0.5, 1e-12);
    EXPECT_NEAR(dot, std::sqrt(squares * other), 1e-9);
  });
}

TEST(Synchronizer, SaysWhatItExchangesHow) {
  const auto comm = make_self_communicator();
  const Synchronizer<float> sync(model(), {.aggregator = "ef:sign", .buckets = {.numbers = 300}},
                                 *comm);
  const std::string plan = sync.plan();
  EXPECT_NE(plan.find("5 tensors in 3 buckets among 1 ranks"), std::string::npos) << plan;
  EXPECT_NE(plan.find("360 numbers of 1 tensors from 'u': ef:"), std::string::npos) << plan;
  EXPECT_NE(plan.find("26 numbers of 2 tensors from 'c': dense (one column: exempt)"),
            std::string::npos)
      << plan;
}

// What the construction throws on every rank when rank 1 is given something else.
template <class Change>
std::vector<std::string> refusals(Change change) {
  std::vector<std::string> out(3);
  run_on_threads(3, [&](Communicator& comm) {
    std::vector<Tensor> tensors = model();
    SynchronizerOptions options;
    if (comm.rank() == 1) change(tensors, options);
    try {
      const Synchronizer<float> sync(tensors, options, comm);
    } catch (const ConfigError& e) {
      out[comm.rank()] = e.what();
    }
  });
  return out;
}

TEST(Synchronizer, AllRanksSayWhichOneDiffersInWhat) {
  const auto expect = [](const std::vector<std::string>& texts, const std::string& part) {
    for (const std::string& text : texts) {
      EXPECT_EQ(text, texts[0]);
      EXPECT_NE(text.find("rank 1 has " + part), std::string::npos) << text;
    }
  };
  expect(refusals([](auto& tensors, auto&) { tensors[2].shape.cols = 8; }),
         "tensor 2 'v', 17 x 8, rank 0 has tensor 2 'v', 17 x 9");
  expect(refusals([](auto& tensors, auto&) { tensors[0].name = "x"; }), "tensor 0 'x', 13 x 17");
  expect(refusals([](auto& tensors, auto&) { tensors.pop_back(); }),
         "number of tensors 4, rank 0 has number of tensors 5");
  expect(refusals([](auto&, auto& options) { options.aggregator = "vote"; }),
         "aggregator vote, rank 0 has aggregator dense");
  expect(refusals([](auto&, auto& options) { options.seed = 9; }), "seed 9, rank 0 has seed 1");
}

TEST(Synchronizer, RefusesWhatDoesNotSuitIt) {
  const auto comm = make_self_communicator();
  const auto refusal = [&](std::vector<Tensor> tensors, const SynchronizerOptions& options) {
    try {
      const Synchronizer<float> sync(std::move(tensors), options, *comm);
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(refusal({}, {}).find("there is no tensor"), std::string::npos);
  EXPECT_NE(refusal({{.name = "a", .shape = {0, 3}}}, {}).find("'a' is empty"), std::string::npos);
  EXPECT_NE(refusal({{.name = "a", .shape = {1, 1}}, {.name = "a", .shape = {1, 1}}}, {})
                .find("two tensors are called 'a'"),
            std::string::npos);
  EXPECT_NE(refusal(model(), {.aggregator = "votes"}).find("votes"), std::string::npos);
  EXPECT_NE(refusal(model(), {.aggregator = "quantized:van2"}).find("down=lossless"),
            std::string::npos);
  EXPECT_NE(refusal(model(), {.aggregator = "mirror:lag-wk"}).find("clag"), std::string::npos);
  EXPECT_NE(refusal(model(), {.clip_norm = -1}).find("clip_norm = -1"), std::string::npos);
  Synchronizer<float> sync(model(), {}, *comm);
  std::vector<float> five(5);
  EXPECT_THROW(sync.ready(0, five), ConfigError);
  std::vector<float> right(13 * 17);
  sync.ready(0, right);
  EXPECT_THROW(sync.ready(0, right), ConfigError);
}

TEST(Synchronizer, NamesTheTensorOfAGradientThatIsNotFinite) {
  for (const bool overlap : {true, false}) {
    std::mutex mutex;
    std::vector<std::string> texts;
    EXPECT_THROW(run_on_threads(3,
                                [&](Communicator& comm) {
                                  Synchronizer<float> sync(
                                      model(), {.aggregator = "ef:sign", .overlap = overlap}, comm);
                                  auto values = gradients_of<float>(comm.rank(), 0);
                                  if (comm.rank() == 2) values[2][5] = std::nanf("");
                                  try {
                                    sync.synchronize(spans_of(values));
                                  } catch (const DivergedError& e) {
                                    const std::scoped_lock lock(mutex);
                                    texts.emplace_back(e.what());
                                    EXPECT_EQ(e.place().tensor, "v");
                                    EXPECT_EQ(e.place().worker, 2U);
                                    throw;
                                  }
                                }),
                 DivergedError);
    ASSERT_EQ(texts.size(), 3U);
    EXPECT_EQ(texts[0], texts[1]);
    EXPECT_EQ(texts[0], texts[2]);
  }
}

TEST(Synchronizer, RanksThatMakeDifferentNumbersOfStepsEndWithAMessage) {
  for (const bool overlap : {true, false}) {
    EXPECT_THROW(run_on_threads(2,
                                [&](Communicator& comm) {
                                  Synchronizer<float> sync(model(), {.overlap = overlap}, comm);
                                  for (std::uint32_t step = 0; step < 2 + comm.rank(); ++step) {
                                    auto values = gradients_of<float>(comm.rank(), step);
                                    sync.synchronize(spans_of(values));
                                  }
                                }),
                 CommError);
  }
}

// A loop that fails between ready and finish leaves nobody waiting.
TEST(Synchronizer, AFailingLoopReleasesTheOthers) {
  EXPECT_THROW(run_on_threads(2,
                              [&](Communicator& comm) {
                                Synchronizer<float> sync(model(), {}, comm);
                                auto values = gradients_of<float>(comm.rank(), 0);
                                sync.ready(4, values[4]);
                                if (comm.rank() == 1) throw std::runtime_error("out of data");
                                sync.synchronize(spans_of(values));
                              }),
               std::exception);
}

// The bucket of the failing rank is under way, and waits for a rank that waits to hear who takes
// part.
TEST(Synchronizer, AFailingLoopReleasesARankThatHasJoined) {
  for (const char* spec : {"dense", "ef:sign", "lowrank:rank=2"}) {
    EXPECT_THROW(run_on_threads(3,
                                [&](Communicator& comm) {
                                  Synchronizer<float> sync(
                                      model(), {.aggregator = spec, .buckets = {.numbers = 300}},
                                      comm);
                                  auto values = gradients_of<float>(comm.rank(), 0);
                                  if (comm.rank() == 0) {
                                    while (sync.join(spans_of(values))) {
                                    }
                                    return;
                                  }
                                  sync.ready(4, values[4]);
                                  if (comm.rank() == 1) throw std::runtime_error("out of data");
                                  sync.finish(spans_of(values));
                                  sync.synchronize(spans_of(values));
                                }),
                 std::exception);
  }
}

TEST(Synchronizer, AFailingLoopReleasesARankWhoseTensorsWereNotReady) {
  EXPECT_THROW(run_on_threads(2,
                              [&](Communicator& comm) {
                                Synchronizer<float> sync(model(), {.buckets = {.numbers = 300}},
                                                         comm);
                                auto values = gradients_of<float>(comm.rank(), 0);
                                if (comm.rank() == 1) {
                                  for (std::size_t i = 0; i < 5; ++i) sync.ready(i, values[i]);
                                  throw std::runtime_error("out of data");
                                }
                                for (int step = 0; step < 2; ++step) sync.finish(spans_of(values));
                              }),
               std::exception);
}

TEST(Synchronizer, DoesNotAllocateAfterWarmUp) {
  for (const char* spec : kSpecs) {
    if (std::string_view(spec).starts_with("krum")) continue;  // needs more than one worker
    const auto comm = make_self_communicator();
    Synchronizer<float> sync(model(), {.aggregator = spec, .overlap = false}, *comm);
    auto values = gradients_of<float>(0, 0);
    const auto spans = spans_of(values);
    for (int step = 0; step < 3; ++step) sync.synchronize(spans);
    const auto before = test::allocations();
    for (int step = 0; step < 5; ++step) sync.synchronize(spans);
    EXPECT_EQ(test::allocations() - before, 0U) << spec;
  }
}

}  // namespace
}  // namespace laconic
