// The loops of depthwise convolutions, for one instruction set.

// Columns `j...` of a row and their neighbours to the left and right; outside of the image these are zero.
INLINE void NAME(neighbours)(
    const struct row row, long j, long width, int is_first, int is_last, lanes *near) {
  const float *at = row.base + (j & row.mask);
  const lanes zero = {0};
  if (width - j < 16) {
    float copy[18 + 15] = {0};
    const long count = width - j;
    if (j > 0) copy[0] = at[-1];
    for (long k = 0; k < count; ++k) copy[k + 1] = at[k];
    for (int k = 0; k < 3; ++k) near[k] = *(const lanes *)(copy + k);
    return;
  }
  near[1] = *(const lanes *)at;
  near[0] = is_first ? __builtin_shufflevector(zero, near[1], 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
                     : *(const lanes *)(at - 1);
  near[2] = is_last ? __builtin_shufflevector(near[1], zero, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
                    : *(const lanes *)(at + 1);
}

// Does `statement` for output row i of `count`, tap `tap` of nine and near[k], what that tap meets, for all pairs of both:
// what is loaded of a row serves three of them.
#define EACH_TAP(statement)                                            \
  UNROLLED for (int r = 0; r < count + 2; ++r) {                       \
    lanes near[3];                                                     \
    NAME(neighbours)(rows[r], j, width, is_first, is_last, near);      \
    UNROLLED for (int i = 0; i < count; ++i) {                         \
      if (i > r || r > i + 2) continue;                                \
      UNROLLED for (int k = 0; k < 3; ++k) {                           \
        const int tap = 3 * (r - i) + k;                               \
        statement;                                                     \
      }                                                                \
    }                                                                  \
  }

// Calls `columns` for every vector of a row, whose edges are apart from what lies between.
#define EACH_VECTOR(columns)                                           \
  long j = 0;                                                          \
  if (width > 16) {                                                    \
    columns(0, 1, 0);                                                  \
    for (j = 16; j + 16 < width; j += 16) columns(j, 0, 0);            \
  }                                                                    \
  columns(j, j == 0, 1)

// Columns `j...` of `count` rows, a constant where this is called.
INLINE void NAME(window_columns)(
    const int count, const struct row *rows, const float *t, float bias, float *out, long j, long width,
    int is_first, int is_last) {
  lanes sum[MOST_ROWS];
  UNROLLED for (int i = 0; i < count; ++i) sum[i] = (lanes){0} + bias;
  EACH_TAP(sum[i] += t[tap] * near[k])
  if (width - j >= 16) {
    UNROLLED for (int i = 0; i < count; ++i) *(lanes *)(out + i * width + j) = sum[i];
    return;
  }
  UNROLLED for (int i = 0; i < count; ++i)
    for (long k = 0; k < width - j; ++k) out[i * width + j + k] = sum[i][k];
}

INLINE void NAME(window_rows)(
    const int count, const struct row *rows, const float *t, float bias, float *out, long width) {
#define COLUMNS(j, is_first, is_last) NAME(window_columns)(count, rows, t, bias, out, j, width, is_first, is_last)
  EACH_VECTOR(COLUMNS);
#undef COLUMNS
}

// Rows `first...` and those around them of an image whose row i lies in slot i mod slots.
INLINE void NAME(find_rows)(
    const float *x, long slots, long first, long count, long height, long width, struct row *rows) {
  // Room for a vector on either side.
  static const float outside[48] = {0};
  for (long r = 0; r < count + 2; ++r) {
    const long row = first - 1 + r;
    const int exists = row >= 0 && row < height;
    rows[r] = exists ? (struct row){x + row % slots * width, -1} : (struct row){outside + 16, 0};
  }
}

static void NAME(depthwise_window)(
    const float *x, long slots, long first, long count, long height, long width, const float *taps, int turned,
    float bias, float *out) {
  float t[9];
  for (int k = 0; k < 9; ++k) t[k] = taps[turned ? 8 - k : k];
  for (long i = 0, step; i < count; i += step) {
    step = count - i >= 4 ? 4 : count - i >= 2 ? 2 : 1;
    struct row rows[MOST_ROWS + 2];
    NAME(find_rows)(x, slots, first + i, step, height, width, rows);
    float *target = out + i * width;
    if (step == 4)
      NAME(window_rows)(4, rows, t, bias, target, width);
    else if (step == 2)
      NAME(window_rows)(2, rows, t, bias, target, width);
    else
      NAME(window_rows)(1, rows, t, bias, target, width);
  }
}

// Adds columns `j...` of `count` rows of grad, a constant where this is called, to the sums of nine taps.
INLINE void NAME(sums_columns)(
    const int count, const struct row *rows, const float *grad, long j, long width, int is_first, int is_last,
    lanes *sum) {
  lanes slope[MOST_ROWS];
  UNROLLED for (int i = 0; i < count; ++i) {
    if (width - j >= 16) {
      slope[i] = *(const lanes *)(grad + i * width + j);
    } else {
      slope[i] = (lanes){0};
      for (long k = 0; k < width - j; ++k) slope[i][k] = grad[i * width + j + k];
    }
  }
  EACH_TAP(sum[tap] += slope[i] * near[k])
}

INLINE void NAME(sums_rows)(
    const int count, const struct row *rows, const float *grad, long width, lanes *sum) {
#define COLUMNS(j, is_first, is_last) NAME(sums_columns)(count, rows, grad, j, width, is_first, is_last, sum)
  EACH_VECTOR(COLUMNS);
#undef COLUMNS
}

static void NAME(depthwise_sums)(
    const float *x, const float *grad, double *sums, long height, long width) {
  // Few rows are added up as floats, so that little is lost.
  for (long first = 0; first < height; first += 16) {
    lanes sum[9] = {{0}};
    const long end = first + 16 < height ? first + 16 : height;
    for (long i = first, step; i < end; i += step) {
      step = end - i >= 4 ? 4 : 1;
      struct row rows[MOST_ROWS + 2];
      NAME(find_rows)(x, height, i, step, height, width, rows);
      if (step == 4)
        NAME(sums_rows)(4, rows, grad + i * width, width, sum);
      else
        NAME(sums_rows)(1, rows, grad + i * width, width, sum);
    }
    for (int tap = 0; tap < 9; ++tap)
      for (int k = 0; k < 16; ++k) sums[tap] += sum[tap][k];
  }
}

#undef EACH_TAP
#undef EACH_VECTOR
