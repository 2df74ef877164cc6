// The loops of depthwise convolutions, for one instruction set.

static void NAME(depthwise_rows)(const float *restrict in, const float *restrict taps, int turned,
                              float bias, float *restrict out, long height, long width,
                              long stride) {
  float t[9];
  for (int k = 0; k < 9; ++k) t[k] = taps[turned ? 8 - k : k];
  for (long i = 0; i < height; ++i) {
    const float *a = in + i * stride, *b = a + stride, *c = b + stride;
    float *row = out + i * width;
    for (long j = 0; j < width; ++j)
      row[j] = bias + t[0] * a[j] + t[1] * a[j + 1] + t[2] * a[j + 2] + t[3] * b[j] +
               t[4] * b[j + 1] + t[5] * b[j + 2] + t[6] * c[j] + t[7] * c[j + 1] +
               t[8] * c[j + 2];
  }
}

static void NAME(depthwise_sums)(const float *restrict in, const float *restrict grad,
                              double *restrict sums, long height, long stride) {
  const long columns = stride - 16;
  for (int ky = 0; ky < 3; ++ky) {
    lanes left = {0}, centre = {0}, right = {0};
    for (long i = 0; i < height; ++i) {
      const float *g = grad + i * stride, *x = in + (i + ky) * stride;
      for (long j = 0; j < columns; j += 16) {
        const lanes slope = *(const lanes *)(g + j);
        left += slope * *(const lanes *)(x + j);
        centre += slope * *(const lanes *)(x + j + 1);
        right += slope * *(const lanes *)(x + j + 2);
      }
    }
    for (int k = 0; k < 16; ++k) {
      sums[3 * ky] += left[k];
      sums[3 * ky + 1] += centre[k];
      sums[3 * ky + 2] += right[k];
    }
  }
}
