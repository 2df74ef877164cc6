#ifndef RESTORMER_DEPTHWISE_H
#define RESTORMER_DEPTHWISE_H

/// out[j] += taps[0] in[j - 1] + taps[1] in[j] + taps[2] in[j + 1], zero outside the `width` columns.
void restormer_depthwise_row(const float *in, const float *taps, float *out, long width);

/// sums[k] += sum over j of grad[j] in[j + k - 1], zero outside the `width` columns.
void restormer_depthwise_row_sums(const float *in, const float *grad, double *sums, long width);

#endif
