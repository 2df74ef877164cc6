#include "CMicroKernels.h"
#include "Multiversion.h"

MULTIVERSION
void restormer_depthwise_row(const float *restrict in, const float *restrict taps,
                             float *restrict out, long width) {
  const float a = taps[0], b = taps[1], c = taps[2];
  if (width == 1) {
    out[0] += b * in[0];
    return;
  }
  out[0] += b * in[0] + c * in[1];
  for (long j = 1; j < width - 1; ++j) out[j] += a * in[j - 1] + b * in[j] + c * in[j + 1];
  out[width - 1] += a * in[width - 2] + b * in[width - 1];
}

enum { lanes = 16 };

MULTIVERSION
void restormer_depthwise_row_sums(const float *restrict in, const float *restrict grad,
                                  double *restrict sums, long width) {
  float left[lanes] = {0}, centre[lanes] = {0}, right[lanes] = {0};
  double a = 0, b = (double)grad[0] * in[0], c = width > 1 ? (double)grad[0] * in[1] : 0;
  long j = 1;
  for (; j + lanes < width; j += lanes)
    for (int k = 0; k < lanes; ++k) {
      left[k] += grad[j + k] * in[j + k - 1];
      centre[k] += grad[j + k] * in[j + k];
      right[k] += grad[j + k] * in[j + k + 1];
    }
  for (; j < width; ++j) {
    a += (double)grad[j] * in[j - 1];
    b += (double)grad[j] * in[j];
    if (j + 1 < width) c += (double)grad[j] * in[j + 1];
  }
  for (int k = 0; k < lanes; ++k) a += left[k], b += centre[k], c += right[k];
  sums[0] += a;
  sums[1] += b;
  sums[2] += c;
}
