#include "Ceilings.h"

#include "Pick.h"

#pragma STDC FP_CONTRACT ON

// Ten sums cover the latency of two multiply-adds a cycle and fit, with both factors, into 16 registers.
#define SUMS 10

#define MULTIPLY_ADDS(NAME, TARGET, WIDTH)                                     \
  TARGET static double NAME(long rounds, float *sink) {                        \
    typedef float vector __attribute__((vector_size(4 * WIDTH)));              \
    const vector factor = (vector){0} + *sink, addend = (vector){0} + 1.0f;    \
    vector sum[SUMS];                                                          \
    for (int i = 0; i < SUMS; ++i) sum[i] = addend * (float)i;                 \
    for (long round = 0; round < rounds; ++round)                              \
      for (int i = 0; i < SUMS; ++i) sum[i] = sum[i] * factor + addend;        \
    for (int i = 1; i < SUMS; ++i) sum[0] += sum[i];                           \
    *sink = sum[0][0];                                                         \
    return 2.0 * SUMS * WIDTH * (double)rounds;                                \
  }

MULTIPLY_ADDS(multiply_adds_portable, , 4)

#if defined(__x86_64__)
MULTIPLY_ADDS(multiply_adds_avx2, __attribute__((target("avx2,fma"))), 8)
MULTIPLY_ADDS(multiply_adds_avx512, __attribute__((target("avx512f,fma"))), 16)
#endif

double restormer_multiply_adds(long rounds, float *sink) {
  return PICK(multiply_adds)(rounds, sink);
}
