// The register-blocked loops of the matrix products, included once per instruction set with
//   NAME(x)      the function's name for that set
//   TARGET       its function attribute
//   VECTORS      vectors of 16 columns in the widest block of sums of ROWS rows that registers hold

#define COLUMNS (16 * VECTORS)

// y = start + w panel (+ residual) for a block of `all_rows` rows and `vectors` vectors of columns, of which the first
// `rows` and `pixels` are stored; rows of the panel follow each other. Both sizes are constants where this is called,
// so that the sums stay in registers.
TARGET INLINE void NAME(gemm_block)(
    const int all_rows, const int vectors, const float *panel, const float *const *w, ptrdiff_t w_column,
    const float *start, const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane,
    int rows, int pixels, int depth) {
  vector sum[MOST_ROWS][MOST_VECTORS];
  for (int i = 0; i < all_rows; ++i)
    for (int v = 0; v < vectors; ++v) sum[i][v] = (vector){0} + start[i];
  for (int k = 0; k < depth; ++k) {
    vector value[MOST_VECTORS];
    for (int v = 0; v < vectors; ++v) value[v] = *(const vector *)(panel + (k * vectors + v) * 16);
    for (int i = 0; i < all_rows; ++i) {
      const float weight = w[i][k * w_column];
      for (int v = 0; v < vectors; ++v) sum[i][v] += value[v] * weight;
    }
  }
  if (rows == all_rows && pixels >= 16 * vectors) {
    if (residual)
      for (int i = 0; i < all_rows; ++i)
        for (int v = 0; v < vectors; ++v) sum[i][v] += *(const vector *)(residual + i * residual_plane + 16 * v);
    for (int i = 0; i < all_rows; ++i)
      for (int v = 0; v < vectors; ++v) *(vector *)(y + i * y_plane + 16 * v) = sum[i][v];
    return;
  }
  float edge[MOST_ROWS][16 * MOST_VECTORS];
  for (int i = 0; i < all_rows; ++i)
    for (int v = 0; v < vectors; ++v) *(vector *)(edge[i] + 16 * v) = sum[i][v];
  for (int i = 0; i < rows; ++i)
    for (int p = 0; p < pixels && p < 16 * vectors; ++p)
      y[i * y_plane + p] = edge[i][p] + (residual ? residual[i * residual_plane + p] : 0.0f);
}

// All rows of a product for the columns of one panel.
TARGET INLINE void NAME(gemm_columns)(
    const int vectors, const float *x, ptrdiff_t x_plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_column,
    const float *bias, const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane,
    int pixels, int in_channels, int out_channels) {
  // Channels lie far apart, each in a page of its own: gathered once, they serve all rows of the weight.
  float panel[DEPTH * 16 * MOST_VECTORS] __attribute__((aligned(64)));
  for (int first = 0; first < in_channels; first += DEPTH) {
    const int depth = in_channels - first < DEPTH ? in_channels - first : DEPTH;
    for (int k = 0; k < depth; ++k)
      for (int v = 0; v < vectors; ++v)
        *(vector *)(panel + (k * vectors + v) * 16) = *(const vector *)(x + (first + k) * x_plane + 16 * v);
    // What earlier channels gave lies in y.
    const float *addend = first > 0 ? y : residual;
    const ptrdiff_t addend_plane = first > 0 ? y_plane : residual_plane;
    for (int o = 0; o < out_channels; o += ROWS) {
      const int rows = out_channels - o < ROWS ? out_channels - o : ROWS;
      const float *lines[ROWS];
      float start[ROWS];
      for (int i = 0; i < ROWS; ++i) {
        // Rows beyond the end repeat the last one and are not stored.
        const int row = o + (i < rows ? i : rows - 1);
        lines[i] = w + row * w_row + first * w_column;
        start[i] = bias && first == 0 ? bias[row] : 0.0f;
      }
      NAME(gemm_block)(
          ROWS, vectors, panel, lines, w_column, start, addend ? addend + o * addend_plane : 0, addend_plane,
          y + o * y_plane, y_plane, rows, pixels, depth);
    }
  }
}

TARGET static void NAME(gemm)(
    const float *x, ptrdiff_t x_plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_column,
    const float *bias, const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane,
    int pixels, int in_channels, int out_channels) {
#define COLUMNS_OF(vectors)                                                                                   \
  NAME(gemm_columns)                                                                                          \
  (vectors, x + p, x_plane, w, w_row, w_column, bias, residual ? residual + p : 0, residual_plane, y + p, y_plane, \
   pixels - p, in_channels, out_channels)
  int p = 0;
  for (; pixels - p > COLUMNS - 16; p += COLUMNS) COLUMNS_OF(VECTORS);
#if VECTORS > 2
  for (; pixels - p > 16; p += 32) COLUMNS_OF(2);
#endif
#if VECTORS > 1
  for (; pixels > p; p += 16) COLUMNS_OF(1);
#endif
#undef COLUMNS_OF
}

// Eight rows of eight numbers, turned over: out[p * out_row + c] = rows[c][p].
TARGET static inline void NAME(transpose_square)(
    const float *const *rows, int first, float *out, ptrdiff_t out_row) {
  eight a[8], b[8];
  for (int c = 0; c < 8; ++c) a[c] = *(const eight *)(rows[c] + first);
  for (int c = 0; c < 8; c += 2) {
    b[c] = __builtin_shufflevector(a[c], a[c + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[c + 1] = __builtin_shufflevector(a[c], a[c + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int c = 0; c < 8; c += 4) {
    for (int h = 0; h < 2; ++h) {
      a[c + 2 * h] = __builtin_shufflevector(b[c + h], b[c + 2 + h], 0, 1, 8, 9, 4, 5, 12, 13);
      a[c + 2 * h + 1] = __builtin_shufflevector(b[c + h], b[c + 2 + h], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int p = 0; p < 4; ++p) {
    *(eight *)(out + p * out_row) = __builtin_shufflevector(a[p], a[p + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(eight *)(out + (p + 4) * out_row) =
        __builtin_shufflevector(a[p], a[p + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

TARGET static void NAME(transpose)(
    const float *x, ptrdiff_t x_plane, int channels, int pixels, float *out, ptrdiff_t out_row) {
  for (int c = 0; c < channels; c += 8) {
    const float *rows[8];
    for (int i = 0; i < 8; ++i) rows[i] = x + (c + i < channels ? c + i : channels - 1) * x_plane;
    int p = 0;
    for (; p + 8 <= pixels; p += 8) NAME(transpose_square)(rows, p, out + p * out_row + c, out_row);
    for (; p < pixels; ++p)
      for (int i = 0; i < 8; ++i) out[p * out_row + c + i] = rows[i][p];
  }
}

// A strip of the sums over pixels: `strip` channels of x, for which `vectors` suffice, and all of g.
TARGET INLINE void NAME(outer_strip)(
    const int all_rows, const int vectors, const float *g, ptrdiff_t g_plane, const float *x, ptrdiff_t x_plane,
    float *sum, ptrdiff_t sum_row, int pixels, int strip, int out_channels) {
  float panel[RUN * 16 * MOST_VECTORS] __attribute__((aligned(64)));
  const float start[MOST_ROWS] = {0};
  for (int p = 0; p < pixels; p += RUN) {
    const int run = pixels - p < RUN ? pixels - p : RUN;
    NAME(transpose)(x + p, x_plane, strip, run, panel, 16 * vectors);
    for (int o = 0; o < out_channels; o += all_rows) {
      const int rows = out_channels - o < all_rows ? out_channels - o : all_rows;
      const float *lines[MOST_ROWS];
      for (int r = 0; r < all_rows; ++r) lines[r] = g + (o + (r < rows ? r : rows - 1)) * g_plane + p;
      float *target = sum + o * sum_row;
      NAME(gemm_block)
      (all_rows, vectors, panel, lines, 1, start, target, sum_row, target, sum_row, rows, strip, run);
    }
  }
}

TARGET static void NAME(outer)(
    const float *g, ptrdiff_t g_plane, const float *x, ptrdiff_t x_plane, float *sum, ptrdiff_t sum_row,
    int pixels, int in_channels, int out_channels) {
#define STRIP_OF(rows, vectors)                                                                             \
  NAME(outer_strip)                                                                                         \
  (rows, vectors, g, g_plane, x + i * x_plane, x_plane, sum + i, sum_row, pixels,                           \
   in_channels - i < 16 * vectors ? in_channels - i : 16 * vectors, out_channels)
  int i = 0;
#if VECTORS > 2
  // Heads of 48 channels fill three vectors.
  for (; in_channels - i > 32; i += 48) STRIP_OF(8, 3);
  for (; in_channels - i > 16; i += 32) STRIP_OF(12, 2);
  for (; in_channels > i; i += 16) STRIP_OF(12, 1);
#else
  for (; in_channels > i; i += 16) STRIP_OF(ROWS, 1);
#endif
#undef STRIP_OF
}

#undef COLUMNS
