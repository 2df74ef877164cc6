// The loops of depthwise convolutions, for one instruction set.

// Columns `j...` of a row and their neighbours to the left and right; outside of the image these are zero.
INLINE void NAME(neighbours)(
    const struct row row, long j, long width, int is_first, int is_last, lanes *left, lanes *centre, lanes *right) {
  const float *at = row.base + (j & row.mask);
  const lanes zero = {0};
  if (width - j < 16) {
    float copy[18 + 15] = {0};
    const long count = width - j;
    if (j > 0) copy[0] = at[-1];
    for (long k = 0; k < count; ++k) copy[k + 1] = at[k];
    *left = *(const lanes *)copy;
    *centre = *(const lanes *)(copy + 1);
    *right = *(const lanes *)(copy + 2);
    return;
  }
  *centre = *(const lanes *)at;
  *left = is_first ? __builtin_shufflevector(zero, *centre, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
                   : *(const lanes *)(at - 1);
  *right = is_last ? __builtin_shufflevector(*centre, zero, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
                   : *(const lanes *)(at + 1);
}

// Columns `j...` of `count` rows, a constant where this is called: what is loaded of a row serves three of them.
INLINE void NAME(window_columns)(
    const int count, const struct row *rows, const float *t, float bias, float *out, long j, long width,
    int is_first, int is_last) {
  lanes sum[MOST_ROWS];
#pragma clang loop unroll(full)
  for (int i = 0; i < count; ++i) sum[i] = (lanes){0} + bias;
#pragma clang loop unroll(full)
  for (int r = 0; r < count + 2; ++r) {
    lanes left, centre, right;
    NAME(neighbours)(rows[r], j, width, is_first, is_last, &left, &centre, &right);
#pragma clang loop unroll(full)
    for (int i = 0; i < count; ++i) {
      if (i > r || r > i + 2) continue;
      sum[i] += t[3 * (r - i)] * left;
      sum[i] += t[3 * (r - i) + 1] * centre;
      sum[i] += t[3 * (r - i) + 2] * right;
    }
  }
  if (width - j >= 16) {
#pragma clang loop unroll(full)
    for (int i = 0; i < count; ++i) *(lanes *)(out + i * width + j) = sum[i];
    return;
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < count; ++i)
    for (long k = 0; k < width - j; ++k) out[i * width + j + k] = sum[i][k];
}

INLINE void NAME(window_rows)(
    const int count, const struct row *rows, const float *t, float bias, float *out, long width) {
  long j = 0;
  if (width > 16) {
    NAME(window_columns)(count, rows, t, bias, out, 0, width, 1, 0);
    for (j = 16; j + 16 < width; j += 16) NAME(window_columns)(count, rows, t, bias, out, j, width, 0, 0);
  }
  NAME(window_columns)(count, rows, t, bias, out, j, width, j == 0, 1);
}

static void NAME(depthwise_window)(
    const float *x, long slots, long first, long count, long height, long width, const float *taps, int turned,
    float bias, float *out) {
  // Room for a vector on either side.
  static const float outside[48] = {0};
  float t[9];
  for (int k = 0; k < 9; ++k) t[k] = taps[turned ? 8 - k : k];
  for (long i = 0, step; i < count; i += step) {
    step = count - i >= 4 ? 4 : count - i >= 2 ? 2 : 1;
    struct row rows[MOST_ROWS + 2];
    for (long r = 0; r < step + 2; ++r) {
      const long row = first + i - 1 + r;
      const int exists = row >= 0 && row < height;
      rows[r] = exists ? (struct row){x + row % slots * width, -1} : (struct row){outside + 16, 0};
    }
    float *target = out + i * width;
    if (step == 4)
      NAME(window_rows)(4, rows, t, bias, target, width);
    else if (step == 2)
      NAME(window_rows)(2, rows, t, bias, target, width);
    else
      NAME(window_rows)(1, rows, t, bias, target, width);
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
