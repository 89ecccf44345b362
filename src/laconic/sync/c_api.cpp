// SPDX-License-Identifier: Apache-2.0
// The C interface: exceptions end here. A body that fails in C throws again what it was told, so
// that its communicator is aborted and the other ranks are released.
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "laconic/sync/laconic.h"
#include "laconic/sync/synchronizer.hpp"

struct laconic_communicator {
  laconic::Communicator* comm = nullptr;
  std::exception_ptr failure = {};  // the first of this rank
};

struct laconic_synchronizer {
  laconic_synchronizer(laconic_communicator* communicator, std::vector<laconic::Tensor> tensors,
                       const laconic::SynchronizerOptions& options)
      : owner(communicator), sync(std::move(tensors), options, *communicator->comm) {}
  laconic_communicator* owner;
  laconic::Synchronizer<float> sync;
  std::vector<std::size_t> sizes = {};    // by tensor
  std::vector<unsigned char> ready = {};  // by tensor, in this step
  std::vector<std::span<float>> spans = {};
};

namespace {

thread_local std::string last_error;

// Runs work; what it throws is kept for laconic_error and, of a communicator, for laconic_run.
template <class Work>
bool guarded(laconic_communicator* comm, Work work) {
  last_error.clear();
  try {
    work();
    return true;
  } catch (const std::exception& e) {
    last_error = e.what();
    if (comm != nullptr && comm->failure == nullptr) comm->failure = std::current_exception();
  }
  if (last_error.empty()) last_error = "an error without a text";
  return false;
}

// As guarded, but what all ranks refuse alike is no failure of the run: it may go on.
template <class Work>
int unless_refused(laconic_synchronizer* sync, Work work) {
  std::string refusal;
  const bool done = guarded(sync->owner, [&] {
    try {
      work();
    } catch (const laconic::ConfigError& e) {
      refusal = e.what();
    }
  });
  if (!refusal.empty()) last_error = refusal;
  return done && refusal.empty() ? 0 : -1;
}

void run_body(laconic_body body, void* context, laconic::Communicator& comm) {
  laconic_communicator handle = {.comm = &comm};
  const int code = body(&handle, context);
  if (code == 0) return;
  if (handle.failure != nullptr) std::rethrow_exception(handle.failure);
  throw std::runtime_error("the body of rank " + std::to_string(comm.rank()) + " returned " +
                           std::to_string(code));
}

}  // namespace

extern "C" {

int laconic_run(uint32_t ranks, laconic_body body, void* context,
                void (*last_words)(const char* why)) {
  const bool done = guarded(nullptr, [&] {
    const auto run = [&](laconic::Communicator& comm) { run_body(body, context, comm); };
    if (ranks > 0) {
      laconic::run_on_threads(ranks, run);
    } else if (laconic::started_by_mpi()) {
      laconic::run_on_mpi(run, [&](std::string_view why) {
        if (last_words != nullptr) last_words(std::string(why).c_str());
      });
    } else {
      run(*laconic::make_self_communicator());
    }
  });
  return done ? 0 : -1;
}

uint32_t laconic_rank(const laconic_communicator* comm) { return comm->comm->rank(); }
uint32_t laconic_size(const laconic_communicator* comm) { return comm->comm->size(); }

laconic_synchronizer* laconic_create(laconic_communicator* comm, const laconic_tensor* tensors,
                                     size_t count, const char* aggregator, uint64_t seed) {
  std::unique_ptr<laconic_synchronizer> out;
  guarded(comm, [&] {
    std::vector<laconic::Tensor> model;
    for (size_t i = 0; i < count; ++i) {
      model.push_back(
          {.name = tensors[i].name == nullptr ? "" : tensors[i].name,
           .shape = {tensors[i].rows, tensors[i].cols},
           .role = tensors[i].is_bias != 0 ? laconic::Role::kBias : laconic::Role::kWeight});
    }
    std::vector<std::size_t> sizes;
    for (const laconic::Tensor& tensor : model) sizes.push_back(tensor.shape.size());
    out = std::make_unique<laconic_synchronizer>(
        comm, std::move(model),
        laconic::SynchronizerOptions{.aggregator = aggregator == nullptr ? "" : aggregator,
                                     .seed = seed});
    out->ready.resize(sizes.size());
    out->spans.resize(sizes.size());
    out->sizes = std::move(sizes);
  });
  return out.release();
}

void laconic_destroy(laconic_synchronizer* sync) { delete sync; }

int laconic_ready(laconic_synchronizer* sync, size_t tensor, const float* gradient) {
  const bool done = guarded(sync->owner, [&] {
    if (tensor >= sync->sizes.size()) {
      throw laconic::ConfigError("laconic_ready: there is no tensor " + std::to_string(tensor) +
                                 ", only " + std::to_string(sync->sizes.size()));
    }
    sync->sync.ready(tensor, {gradient, sync->sizes[tensor]});
    sync->ready[tensor] = 1;
  });
  return done ? 0 : -1;
}

int laconic_synchronize(laconic_synchronizer* sync, float* const* gradients) {
  const bool done = guarded(sync->owner, [&] {
    for (std::size_t i = sync->sizes.size(); i-- > 0;) {
      sync->spans[i] = {gradients[i], sync->sizes[i]};
      if (sync->ready[i] == 0) sync->sync.ready(i, sync->spans[i]);
      sync->ready[i] = 0;
    }
    sync->sync.finish(sync->spans);
  });
  return done ? 0 : -1;
}

int laconic_join(laconic_synchronizer* sync, float* const* directions) {
  bool stepped = false;
  const bool done = guarded(sync->owner, [&] {
    for (std::size_t i = 0; i < sync->sizes.size(); ++i) {
      sync->spans[i] = {directions[i], sync->sizes[i]};
    }
    stepped = sync->sync.join(sync->spans);
  });
  if (!done) return -1;
  return stepped ? 1 : 0;
}

int laconic_save(laconic_synchronizer* sync, const char* path) {
  return unless_refused(sync, [&] { sync->sync.save_file(path); });
}

int laconic_load(laconic_synchronizer* sync, const char* path) {
  return unless_refused(sync, [&] { sync->sync.load_file(path); });
}

uint64_t laconic_sent_bytes(const laconic_synchronizer* sync) {
  return sync->sync.report().uplink.frame_bytes;
}

const char* laconic_error(void) { return last_error.c_str(); }

}  // extern "C"
