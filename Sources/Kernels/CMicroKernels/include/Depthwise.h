#ifndef RESTORMER_DEPTHWISE_H
#define RESTORMER_DEPTHWISE_H

// `in` holds `height` rows of an image inside a frame: one more row above and below, one more column left,
// zeros right. Its rows are `stride` apart: the width rounded up to 16, plus 16.

/// out = bias + the 3x3 convolution of `in` with nine taps, or with them turned by 180 degrees; rows of `width`.
void restormer_depthwise_rows(const float *in, const float *taps, int turned, float bias,
                              float *out, long height, long width, long stride);

/// sums[3 ky + kx] += sum over i, j of grad[i, j] in[i + ky, j + kx]; rows of grad are `stride` apart too,
/// with zeros behind the image. At most 16 rows keep the rounding error small.
void restormer_depthwise_sums(const float *in, const float *grad, double *sums, long height,
                              long stride);

#endif
