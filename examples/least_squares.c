/* SPDX-License-Identifier: Apache-2.0
 * The same in C: least squares through laconic.h.
 *
 *   least_squares_c 4              four ranks on threads
 *   mpirun -n 4 least_squares_c    four MPI processes
 */
#include <stdio.h>
#include <stdlib.h>

#include "laconic/sync/laconic.h"

enum { kInputs = 20, kOutputs = 8, kRows = 100, kSteps = 300 };

typedef struct {
  float inputs[kRows][kInputs];
  float outputs[kRows][kOutputs];
  float w[kInputs][kOutputs];
  float b[kOutputs];
  float gradient_w[kInputs][kOutputs];
  float gradient_b[kOutputs];
} state;

/* Numbers in [-1, 1) from a small generator. */
static float draw(uint32_t* seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return (float)(*seed >> 8) / 8388608.0f - 1.0f;
}

static void make_data(state* s, uint32_t rank) {
  uint32_t model_seed = 1;
  uint32_t seed = 1000u + rank;
  float hidden[kInputs][kOutputs];
  for (int i = 0; i < kInputs; ++i) {
    for (int j = 0; j < kOutputs; ++j) hidden[i][j] = draw(&model_seed);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kInputs; ++i) s->inputs[r][i] = draw(&seed);
    for (int j = 0; j < kOutputs; ++j) {
      s->outputs[r][j] = 0.5f + 0.05f * draw(&seed);
      for (int i = 0; i < kInputs; ++i) s->outputs[r][j] += s->inputs[r][i] * hidden[i][j];
    }
  }
}

static double gradient(state* s) {
  double loss = 0;
  for (int j = 0; j < kOutputs; ++j) {
    s->gradient_b[j] = 0;
    for (int i = 0; i < kInputs; ++i) s->gradient_w[i][j] = 0;
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kOutputs; ++j) {
      float error = s->b[j] - s->outputs[r][j];
      for (int i = 0; i < kInputs; ++i) error += s->inputs[r][i] * s->w[i][j];
      loss += 0.5 * error * error / kRows;
      for (int i = 0; i < kInputs; ++i) s->gradient_w[i][j] += error * s->inputs[r][i] / kRows;
      s->gradient_b[j] += error / kRows;
    }
  }
  return loss;
}

static int train(laconic_communicator* comm, void* context) {
  const laconic_tensor tensors[] = {{"w", kInputs, kOutputs, 0}, {"b", kOutputs, 1, 1}};
  int* learnt = context;
  double first = 0;
  double last = 0;
  int failed = 0;
  state* s = calloc(1, sizeof(state));
  laconic_synchronizer* sync = laconic_create(comm, tensors, 2, "ef:sign", 1);
  if (s == NULL || sync == NULL) {
    free(s);
    return 1;
  }
  make_data(s, laconic_rank(comm));
  for (int step = 0; step < kSteps && !failed; ++step) {
    float* const gradients[] = {&s->gradient_w[0][0], s->gradient_b};
    last = gradient(s);
    if (step == 0) first = last;
    failed = laconic_synchronize(sync, gradients) != 0;
    for (int j = 0; j < kOutputs; ++j) {
      for (int i = 0; i < kInputs; ++i) s->w[i][j] -= 0.3f * s->gradient_w[i][j];
      s->b[j] -= 0.3f * s->gradient_b[j];
    }
  }
  if (!failed && laconic_rank(comm) == 0) {
    printf("loss %.4g -> %.4g; sent %llu bytes\n", first, last,
           (unsigned long long)laconic_sent_bytes(sync));
    *learnt = last < first / 50;
  }
  laconic_destroy(sync);
  free(s);
  return failed;
}

static void say(const char* why) { fprintf(stderr, "%s\n", why); }

int main(int count, char** arguments) {
  int learnt = 1;
  const int ranks = count > 1 ? atoi(arguments[1]) : 0;
  if (laconic_run(ranks > 0 ? (uint32_t)ranks : 0, train, &learnt, say) != 0) {
    fprintf(stderr, "%s\n", laconic_error());
    return 1;
  }
  return learnt ? 0 : 1;
}
