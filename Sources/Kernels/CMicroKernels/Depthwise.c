#include "Depthwise.h"

#include "Pick.h"

// Sixteen floats at any address.
typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));

// Loops whose counters index registers.
#define UNROLLED _Pragma("clang loop unroll(full)")

// Rows of a convolution's result that are computed together.
enum { MOST_ROWS = 4 };

// A row of an image, or with a mask of 0 one outside of it, where all columns are the first few zeros.
struct row {
  const float *base;
  long mask;
};

#define BODY "DepthwiseBody.h"
#include "EachInstructionSet.h"

void restormer_depthwise_window(
    const float *x, long slots, long first, long rows, long height, long width, const float *taps, int turned,
    float bias, float *out) {
  PICK(depthwise_window)(x, slots, first, rows, height, width, taps, turned, bias, out);
}

void restormer_depthwise_sums(const float *x, const float *grad, double *sums, long height, long width) {
  PICK(depthwise_sums)(x, grad, sums, height, width);
}
