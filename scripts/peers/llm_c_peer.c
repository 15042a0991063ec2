// The trainer of llm.c (train_gpt2.c of a folder that -I names) as a peer: llm_c_peer MODEL BATCHES SIZES. A line on stdin with the number
// of steps is answered by a line of JSON: milliseconds of a step and the losses. BATCHES holds 32-bit ids, then labels, of each batch.
#define TESTING
#include "train_gpt2.c"

#include <time.h>

static double now(int wall) {
  struct timespec time;
  clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &time);
  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc != 9) return 2;
  const size_t batch = atoi(argv[3]), length = atoi(argv[4]), batches = atoi(argv[5]);
  const float rate = atof(argv[6]), decay = atof(argv[7]);
  const int wall = atoi(argv[8]);
  const size_t count = batch * length;
  int* ids = mallocCheck(2 * batches * count * sizeof(int));
  FILE* file = fopenCheck(argv[2], "rb");
  freadCheck(ids, sizeof(int), 2 * batches * count, file);
  fcloseCheck(file);
  GPT2 model;
  gpt2_build_from_checkpoint(&model, argv[1]);
  int done = 0, steps;
  while (scanf("%d", &steps) == 1) {
    double* losses = mallocCheck(steps * sizeof(double));
    const double start = now(wall);
    for (int i = 0; i < steps; ++i) {
      int* own = ids + 2 * (done % batches) * count;
      gpt2_forward(&model, own, own + count, batch, length);
      gpt2_zero_grad(&model);
      gpt2_backward(&model);
      gpt2_update(&model, rate, 0.9f, 0.999f, 1e-8f, decay, ++done);
      losses[i] = model.mean_loss;
    }
    printf("{\"milliseconds\": %.6f, \"losses\": [", (now(wall) - start) / steps);
    for (int i = 0; i < steps; ++i) printf("%s%.9g", i ? ", " : "", losses[i]);
    printf("]}\n");
    fflush(stdout);
    free(losses);
  }
  gpt2_free(&model);
  free(ids);
  return 0;
}
