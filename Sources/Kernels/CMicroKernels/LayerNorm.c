#include "LayerNorm.h"

#include <math.h>
#include <string.h>

#include "Pick.h"

// Pixels at a time: their sums stay in registers or the nearest cache while the channels pass by.
enum { block = 64 };

#define BODY "LayerNormBody.h"
#include "EachInstructionSet.h"

void restormer_layer_norm(
    const float *x, ptrdiff_t x_plane, const float *w, const float *b, float *y, ptrdiff_t y_plane,
    float *mean, float *rstd, long pixels, long channels, float epsilon) {
  PICK(layer_norm)(x, x_plane, w, b, y, y_plane, mean, rstd, pixels, channels, epsilon);
}

void restormer_layer_norm_backward_input(
    const float *x, ptrdiff_t x_plane, const float *w, const float *mean, const float *rstd,
    const float *gy, ptrdiff_t gy_plane, float *gx, ptrdiff_t gx_plane, long pixels, long channels,
    int centred) {
  PICK(layer_norm_backward_input)
  (x, x_plane, w, mean, rstd, gy, gy_plane, gx, gx_plane, pixels, channels, centred);
}
