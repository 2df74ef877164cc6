#ifndef RESTORMER_DEPTHWISE_H
#define RESTORMER_DEPTHWISE_H

/// Rows `first...` of bias + the 3x3 convolution of an image of `height` rows of `width`, zeros around it, with nine
/// taps, or with them turned by 180 degrees. Row i of the image lies in slot i mod slots of `x`.
void restormer_depthwise_window(const float *x, long slots, long first, long rows, long height, long width,
                                const float *taps, int turned, float bias, float *out);

/// sums[3 ky + kx] += the sum over i, j of grad[i, j] x[i + ky - 1, j + kx - 1], zeros around x, for planes of `height`
/// rows of `width`.
void restormer_depthwise_sums(const float *x, const float *grad, double *sums, long height, long width);

#endif
