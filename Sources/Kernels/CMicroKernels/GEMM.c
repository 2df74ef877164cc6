#include "GEMM.h"

#include <string.h>

#pragma STDC FP_CONTRACT ON

typedef float vector __attribute__((vector_size(64), aligned(4)));

#define ROWS 6

#define NAME(x) x##_portable
#define TARGET
#define VECTORS 1
#define OUTER 2
#include "GEMMBody.h"
#undef NAME
#undef TARGET
#undef VECTORS
#undef OUTER

#if defined(__x86_64__)
// 16 registers of 8 floats: a block of 6 rows by 16 columns; 3 by 3 for products over pixels would spill.
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VECTORS 1
#define OUTER 2
#include "GEMMBody.h"
#undef NAME
#undef TARGET
#undef VECTORS
#undef OUTER

// 32 registers of 16 floats: twice the columns.
#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define VECTORS 2
#define OUTER 4
#include "GEMMBody.h"
#undef NAME
#undef TARGET
#undef VECTORS
#undef OUTER
#endif

typedef void gemm_function(
    const float *, ptrdiff_t, const float *, ptrdiff_t, ptrdiff_t, const float *, const float *,
    ptrdiff_t, float *, ptrdiff_t, int, int, int);
typedef void outer_function(
    const float *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, int, int, int);

static gemm_function *best_gemm(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return gemm_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return gemm_avx2;
#endif
  return gemm_portable;
}

static outer_function *best_outer(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return outer_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return outer_avx2;
#endif
  return outer_portable;
}

void restormer_gemm(
    const float *x, ptrdiff_t x_plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_column,
    const float *bias, const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane,
    int pixels, int in_channels, int out_channels) {
  best_gemm()(
      x, x_plane, w, w_row, w_column, bias, residual, residual_plane, y, y_plane, pixels,
      in_channels, out_channels);
}

void restormer_outer(
    const float *g, ptrdiff_t g_plane, const float *x, ptrdiff_t x_plane, float *sum, ptrdiff_t sum_row,
    int pixels, int in_channels, int out_channels) {
  best_outer()(g, g_plane, x, x_plane, sum, sum_row, pixels, in_channels, out_channels);
}
