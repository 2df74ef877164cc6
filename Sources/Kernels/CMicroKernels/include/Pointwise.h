#ifndef RESTORMER_POINTWISE_H
#define RESTORMER_POINTWISE_H

/// y = gelu(a) b over `count` numbers, gelu with the exact normal distribution function.
void restormer_gelu_gate(const float *a, const float *b, float *y, long count);

/// a = gelu(a) b over `count` numbers.
void restormer_gelu_gate_in_place(float *a, const float *b, long count);

/// The gradients of `a` and `b` for the gradient `gy` of y = gelu(a) b.
void restormer_gelu_gate_backward(const float *a, const float *b, const float *gy, float *ga,
                                  float *gb, long count);

/// y = the softmax of scale x. The largest logit is taken off before the exponential: nothing overflows, and
/// the largest share is never rounded to nothing.
void restormer_softmax(const float *x, float scale, float *y, long count);

/// The sum.
double restormer_sum(const float *x, long count);

/// The sum of squares.
double restormer_sum_of_squares(const float *x, long count);

#endif
