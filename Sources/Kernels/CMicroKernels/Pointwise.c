#include "Pointwise.h"

#include <math.h>
#include <string.h>

#include "Pick.h"

// Sums that go on side by side.
enum { lanes = 16 };

#define BODY "PointwiseBody.h"
#include "EachInstructionSet.h"

void restormer_gelu_gate(const float *a, const float *b, float *y, long count) { PICK(gelu_gate)(a, b, y, count); }

void restormer_gelu_gate_in_place(float *a, const float *b, long count) { PICK(gelu_gate_in_place)(a, b, count); }

void restormer_gelu_gate_backward(
    const float *a, const float *b, const float *gy, float *ga, float *gb, long count) {
  PICK(gelu_gate_backward)(a, b, gy, ga, gb, count);
}

double restormer_sum(const float *x, long count) { return PICK(sum)(x, count); }

double restormer_sum_of_squares(const float *x, long count) { return PICK(sum_of_squares)(x, count); }

void restormer_softmax(const float *x, float scale, float *y, long count) { PICK(softmax)(x, scale, y, count); }
