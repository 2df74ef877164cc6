#include "GEMM.h"

#include <string.h>

#include "Pick.h"

#pragma STDC FP_CONTRACT ON

typedef float vector __attribute__((vector_size(64), aligned(4)));
typedef float eight __attribute__((vector_size(32), aligned(4)));

// Rows in the block of sums that registers hold.
#define ROWS 6
// The largest blocks of any set.
#define MOST_ROWS 12
#define MOST_VECTORS 4
// Channels gathered at a time: with a few rows of the weight they stay in the nearest caches.
#define DEPTH 256
// Pixels turned over at a time: a panel that leaves the second-level cache room for the other factor.
#define RUN 256

#define NAME(x) x##_portable
#define TARGET
#define VECTORS 1
#include "GEMMBody.h"
#undef NAME
#undef TARGET

#if defined(__x86_64__)
// 16 registers of 8 floats: a block of 6 rows by 16 columns.
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "GEMMBody.h"
#undef NAME
#undef TARGET
#undef VECTORS

// 32 registers of 16 floats: four times the columns.
#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define VECTORS 4
#include "GEMMBody.h"
#undef NAME
#undef TARGET
#endif
#undef VECTORS

void restormer_gemm(
    const float *x, ptrdiff_t x_plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_column,
    const float *bias, const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane,
    int pixels, int in_channels, int out_channels) {
  PICK(gemm)
  (x, x_plane, w, w_row, w_column, bias, residual, residual_plane, y, y_plane, pixels, in_channels,
   out_channels);
}

void restormer_outer(
    const float *g, ptrdiff_t g_plane, const float *x, ptrdiff_t x_plane, float *sum, ptrdiff_t sum_row,
    int pixels, int in_channels, int out_channels) {
  PICK(outer)(g, g_plane, x, x_plane, sum, sum_row, pixels, in_channels, out_channels);
}

void restormer_transpose(
    const float *x, ptrdiff_t x_plane, float *out, ptrdiff_t out_row, int pixels, int channels) {
  PICK(transpose)(x, x_plane, channels, pixels, out, out_row);
}
