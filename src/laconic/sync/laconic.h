/* SPDX-License-Identifier: Apache-2.0
 * The gradient exchange of laconic (sync/synchronizer.hpp) for C and for languages that bind to C.
 *
 *   static int body(laconic_communicator* comm, void* context) {
 *     laconic_synchronizer* sync = laconic_create(comm, tensors, count, "ef:sign", 1);
 *     if (sync == NULL) return 1;
 *     for (each step) { ...; if (laconic_synchronize(sync, gradients) != 0) break; ... }
 *     laconic_destroy(sync);
 *     return laconic_error()[0] != '\0';
 *   }
 *   if (laconic_run(0, body, context, NULL) != 0) fprintf(stderr, "%s\n", laconic_error());
 *
 * Calls that can fail return 0 when they succeed and -1 (or NULL) when they do not; laconic_error
 * then says why, in one line, until the next call of the same thread. After a call that failed the
 * synchronizer may only be destroyed, unless said otherwise.
 */
#ifndef LACONIC_SYNC_LACONIC_H
#define LACONIC_SYNC_LACONIC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct laconic_communicator laconic_communicator;
typedef struct laconic_synchronizer laconic_synchronizer;

/* A parameter of the model: rows x cols numbers; a vector has one column. Names differ. */
typedef struct {
  const char* name;
  uint32_t rows;
  uint32_t cols;
  int is_bias; /* biases are exempt from low-rank methods */
} laconic_tensor;

/* What a rank runs. Not 0: it failed, and the run ends on all ranks. */
typedef int (*laconic_body)(laconic_communicator* comm, void* context);

/* Runs body on every rank: on `ranks` threads of this process, or, for ranks = 0, as one of the
 * MPI processes that mpirun started (alone where it was not started so). An MPI job that fails
 * ends here, after `last_words` (may be NULL) was given a line that says why. */
int laconic_run(uint32_t ranks, laconic_body body, void* context,
                void (*last_words)(const char* why));
uint32_t laconic_rank(const laconic_communicator* comm);
uint32_t laconic_size(const laconic_communicator* comm);

/* Collective. `aggregator` is a spec as in configurations ("vote:beta=0.9",
 * "mirror:ef21:topk:k=0.01"), or "noop": nothing travels. What the tensors point to is copied. */
laconic_synchronizer* laconic_create(laconic_communicator* comm, const laconic_tensor* tensors,
                                     size_t count, const char* aggregator, uint64_t seed);
void laconic_destroy(laconic_synchronizer* sync);
/* The gradient of a tensor of this step is final and may travel; it is copied. Optional. */
int laconic_ready(laconic_synchronizer* sync, size_t tensor, const float* gradient);
/* Collective, ends the step. gradients[i] holds the gradient of tensor i, and then the common
 * direction. Those for which laconic_ready was called in this step are not read. */
int laconic_synchronize(laconic_synchronizer* sync, float* const* gradients);
/* Collective with the others' laconic_synchronize, for a rank that has no more gradients: 1 when
 * others had some, and directions[i] became the common direction for tensor i; 0 when all ranks are
 * done. */
int laconic_join(laconic_synchronizer* sync, float* const* directions);
/* Collective, between steps: everything that the ranks remember goes to one file per rank,
 * PATH.rank0, PATH.rank1, ..., and comes back into a synchronizer that was created alike. A state
 * of another model, spec, seed or rank is refused, and files that are damaged or cut off; the
 * synchronizer may be used then, and is as it was. */
int laconic_save(laconic_synchronizer* sync, const char* path);
int laconic_load(laconic_synchronizer* sync, const char* path);
/* What this rank has sent so far in bytes, frames included. */
uint64_t laconic_sent_bytes(const laconic_synchronizer* sync);

/* Of the last call of this thread; "" after one that succeeded. Valid until the next call. */
const char* laconic_error(void);

#ifdef __cplusplus
}
#endif

#endif
