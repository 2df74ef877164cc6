// The register-blocked loops of the matrix products, included once per instruction set with
//   NAME(x)  the function's name for that set
//   TARGET   its function attribute
//   VECTORS  vectors of 16 columns in the register block of the product over channels
//   OUTER    rows and columns in the register block of the product over pixels

TARGET static void NAME(gemm_block)(
    const float *x, ptrdiff_t x_plane, const float *const *w, ptrdiff_t w_column, const float *start,
    const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane, int rows, int pixels,
    int in_channels) {
  vector sum[ROWS][VECTORS];
  for (int i = 0; i < ROWS; ++i)
    for (int v = 0; v < VECTORS; ++v) sum[i][v] = (vector){0} + start[i];
  for (int k = 0; k < in_channels; ++k) {
    vector value[VECTORS];
    for (int v = 0; v < VECTORS; ++v) value[v] = *(const vector *)(x + k * x_plane + 16 * v);
    for (int i = 0; i < ROWS; ++i) {
      const float weight = w[i][k * w_column];
      for (int v = 0; v < VECTORS; ++v) sum[i][v] += value[v] * weight;
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < VECTORS && 16 * v < pixels; ++v) {
      if (residual) sum[i][v] += *(const vector *)(residual + i * residual_plane + 16 * v);
      const int count = pixels - 16 * v;
      float *target = y + i * y_plane + 16 * v;
      if (count >= 16)
        *(vector *)target = sum[i][v];
      else
        memcpy(target, &sum[i][v], sizeof(float) * (size_t)count);
    }
  }
}

TARGET static void NAME(gemm)(
    const float *x, ptrdiff_t x_plane, const float *w, ptrdiff_t w_row, ptrdiff_t w_column,
    const float *bias, const float *residual, ptrdiff_t residual_plane, float *y, ptrdiff_t y_plane,
    int pixels, int in_channels, int out_channels) {
  for (int p = 0; p < pixels; p += 16 * VECTORS) {
    for (int o = 0; o < out_channels; o += ROWS) {
      const int rows = out_channels - o < ROWS ? out_channels - o : ROWS;
      const float *lines[ROWS];
      float start[ROWS];
      for (int i = 0; i < ROWS; ++i) {
        // Rows beyond the end repeat the last one and are not stored.
        const int row = o + (i < rows ? i : rows - 1);
        lines[i] = w + row * w_row;
        start[i] = bias ? bias[row] : 0.0f;
      }
      NAME(gemm_block)(
          x + p, x_plane, lines, w_column, start, residual ? residual + o * residual_plane + p : 0,
          residual_plane, y + o * y_plane + p, y_plane, rows, pixels - p, in_channels);
    }
  }
}

// *sums = sums of neighbouring lanes: those of *a, then those of *b. Vectors folded so together, level by level, leave
// the sum of each in a lane of its own, for a fraction of what one by one would take.
TARGET static inline void NAME(sum_neighbours)(const vector *a, const vector *b, vector *sums) {
  *sums =
      __builtin_shufflevector(*a, *b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
      __builtin_shufflevector(*a, *b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

TARGET static void NAME(outer)(
    const float *g, ptrdiff_t g_plane, const float *x, ptrdiff_t x_plane, float *sum, ptrdiff_t sum_row,
    int pixels, int in_channels, int out_channels) {
  const int whole = pixels / 16 * 16;
  for (int o = 0; o < out_channels; o += OUTER) {
    for (int i = 0; i < in_channels; i += OUTER) {
      const float *left[OUTER], *right[OUTER];
      vector acc[OUTER][OUTER];
      for (int a = 0; a < OUTER; ++a) {
        left[a] = g + (o + a < out_channels ? o + a : out_channels - 1) * g_plane;
        right[a] = x + (i + a < in_channels ? i + a : in_channels - 1) * x_plane;
        for (int c = 0; c < OUTER; ++c) acc[a][c] = (vector){0};
      }
      for (int p = 0; p < whole; p += 16) {
        vector columns[OUTER];
        for (int c = 0; c < OUTER; ++c) columns[c] = *(const vector *)(right[c] + p);
        for (int a = 0; a < OUTER; ++a) {
          const vector row = *(const vector *)(left[a] + p);
          for (int c = 0; c < OUTER; ++c) acc[a][c] += row * columns[c];
        }
      }
      vector *folded = &acc[0][0];
      for (int count = OUTER * OUTER / 2; count > 0; count /= 2)
        for (int v = 0; v < count; ++v)
          NAME(sum_neighbours)(folded + 2 * v, folded + 2 * v + 1, folded + v);
      for (int lanes = 16 / (OUTER * OUTER); lanes > 1; lanes /= 2)
        NAME(sum_neighbours)(folded, folded, folded);
      for (int a = 0; a < OUTER && o + a < out_channels; ++a) {
        for (int c = 0; c < OUTER && i + c < in_channels; ++c) {
          float total = folded[0][a * OUTER + c];
          for (int p = whole; p < pixels; ++p) total += left[a][p] * right[c][p];
          sum[(o + a) * sum_row + i + c] += total;
        }
      }
    }
  }
}
