#ifndef RESTORMER_LAYER_NORM_H
#define RESTORMER_LAYER_NORM_H

#include <stddef.h>

// LayerNorm over the channels of `pixels` neighbouring pixels; rows of one tensor are its plane stride apart.

/// y = (x - mean) rstd w + b, or x rstd w where b is null; stores both statistics.
void restormer_layer_norm(
    const float *x, ptrdiff_t x_plane, const float *w, const float *b, float *y, ptrdiff_t y_plane,
    float *mean, float *rstd, long pixels, long channels, float epsilon);

/// gx = r (g - mean g - h mean (g h)), g = gy w, h = (x - mu) r; not `centred`: gx = r g - r^3 (x - mu) mean (g x).
void restormer_layer_norm_backward_input(
    const float *x, ptrdiff_t x_plane, const float *w, const float *mean, const float *rstd,
    const float *gy, ptrdiff_t gy_plane, float *gx, ptrdiff_t gx_plane, long pixels, long channels,
    int centred);

#endif
