#ifndef RESTORMER_GEMM_H
#define RESTORMER_GEMM_H

#include <stddef.h>

/// y[o, p] = start[o] + sum_i w[o * w_row + i * w_column] * x[i * x_plane + p] (+ residual[o * residual_plane + p])
/// for p < pixels; `bias` and `residual` may be null, and `residual` may be y.
/// Up to 15 elements behind a row of x are read.
void restormer_gemm(
    const float *x, ptrdiff_t x_plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_column,
    const float *bias, const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane,
    int pixels, int in_channels, int out_channels);

/// sum[o * sum_row + i] += sum_p g[o * g_plane + p] * x[i * x_plane + p] for p < pixels.
void restormer_outer(
    const float *g, ptrdiff_t g_plane, const float *x, ptrdiff_t x_plane, float *sum, ptrdiff_t sum_row,
    int pixels, int in_channels, int out_channels);

/// out[p * out_row + c] = x[c * x_plane + p] for p < pixels. Rows of `out` have room for the channels rounded up to a
/// multiple of 8; what lies beyond them is arbitrary.
void restormer_transpose(
    const float *x, ptrdiff_t x_plane, float *out, ptrdiff_t out_row, int pixels, int channels);

#endif
