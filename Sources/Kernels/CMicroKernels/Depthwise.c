#include "Depthwise.h"

#include "Pick.h"

// Sixteen floats at any address.
typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));

#define BODY "DepthwiseBody.h"
#include "EachInstructionSet.h"

void restormer_depthwise_rows(
    const float *in, const float *taps, int turned, float bias, float *out, long height, long width, long stride) {
  PICK(depthwise_rows)(in, taps, turned, bias, out, height, width, stride);
}

void restormer_depthwise_sums(const float *in, const float *grad, double *sums, long height, long stride) {
  PICK(depthwise_sums)(in, grad, sums, height, stride);
}
