#ifndef RESTORMER_DEPTHWISE_H
#define RESTORMER_DEPTHWISE_H

/// Rows `first...` of bias + the 3x3 convolution of an image of `height` rows of `width`, zeros around it, with nine
/// taps, or with them turned by 180 degrees. Row i of the image lies in slot i mod slots of `x`.
void restormer_depthwise_window(const float *x, long slots, long first, long rows, long height, long width,
                                const float *taps, int turned, float bias, float *out);

/// `in` holds `height` rows of an image inside a frame: one more row above and below, one more column left, zeros
/// right. Its rows are `stride` apart: the width rounded up to 16, plus 16.
/// sums[3 ky + kx] += sum over i, j of grad[i, j] in[i + ky, j + kx]; rows of grad are `stride` apart too,
/// with zeros behind the image. At most 16 rows keep the rounding error small.
void restormer_depthwise_sums(const float *in, const float *grad, double *sums, long height,
                              long stride);

#endif
