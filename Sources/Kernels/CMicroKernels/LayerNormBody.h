// LayerNorm and its gradient for blocks of pixels, for one instruction set.

// A rounded mean would shift every centred value: the second pass sums what is left of it.
INLINE void NAME(statistics)(
    const float *x, ptrdiff_t x_plane, float *mean, float *rest, float *rstd, int count,
    long channels, float epsilon) {
  const float share = 1.0f / (float)channels;
  for (int p = 0; p < count; ++p) mean[p] = rest[p] = rstd[p] = 0.0f;
  for (long c = 0; c < channels; ++c)
    for (int p = 0; p < count; ++p) mean[p] += x[c * x_plane + p];
  for (int p = 0; p < count; ++p) mean[p] *= share;
  for (long c = 0; c < channels; ++c)
    for (int p = 0; p < count; ++p) {
      const float d = x[c * x_plane + p] - mean[p];
      rest[p] += d;
      rstd[p] += d * d;
    }
  for (int p = 0; p < count; ++p) {
    rest[p] *= share;
    const float variance = rstd[p] * share - rest[p] * rest[p];
    rstd[p] = 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + epsilon);
  }
}

INLINE void NAME(normalize)(
    const float *x, ptrdiff_t x_plane, const float *w, const float *b, float *y, ptrdiff_t y_plane,
    float *mean_out, float *rstd_out, int count, long channels, float epsilon) {
  float mean[block], rest[block], rstd[block];
  NAME(statistics)(x, x_plane, mean, rest, rstd, count, channels, epsilon);
  for (long c = 0; c < channels; ++c) {
    const float *row = x + c * x_plane;
    float *out = y + c * y_plane;
    if (b)
      for (int p = 0; p < count; ++p) out[p] = (row[p] - mean[p] - rest[p]) * rstd[p] * w[c] + b[c];
    else
      for (int p = 0; p < count; ++p) out[p] = row[p] * rstd[p] * w[c];
  }
  for (int p = 0; p < count; ++p) mean_out[p] = mean[p] + rest[p];
  memcpy(rstd_out, rstd, sizeof(float) * (size_t)count);
}

static void NAME(layer_norm)(
    const float *x, ptrdiff_t x_plane, const float *w, const float *b, float *y, ptrdiff_t y_plane,
    float *mean, float *rstd, long pixels, long channels, float epsilon) {
  long p = 0;
  for (; p + block <= pixels; p += block)
    NAME(normalize)(x + p, x_plane, w, b, y + p, y_plane, mean + p, rstd + p, block, channels, epsilon);
  if (p < pixels)
    NAME(normalize)(
        x + p, x_plane, w, b, y + p, y_plane, mean + p, rstd + p, (int)(pixels - p), channels,
        epsilon);
}

INLINE void NAME(differentiate)(
    const float *x, ptrdiff_t x_plane, const float *w, const float *mean, const float *rstd,
    const float *gy, ptrdiff_t gy_plane, float *gx, ptrdiff_t gx_plane, int count, long channels,
    int centred) {
  const float share = 1.0f / (float)channels;
  float total[block], along[block], centre[block];
  for (int p = 0; p < count; ++p) {
    total[p] = along[p] = 0.0f;
    centre[p] = centred ? mean[p] : 0.0f;
  }
  for (long c = 0; c < channels; ++c)
    for (int p = 0; p < count; ++p) {
      const float g = gy[c * gy_plane + p] * w[c];
      total[p] += g;
      along[p] += g * (x[c * x_plane + p] - centre[p]);
    }
  for (int p = 0; p < count; ++p) {
    along[p] *= share * rstd[p] * rstd[p] * rstd[p];
    total[p] *= centred ? share * rstd[p] : 0.0f;
  }
  for (long c = 0; c < channels; ++c)
    for (int p = 0; p < count; ++p)
      gx[c * gx_plane + p] = gy[c * gy_plane + p] * w[c] * rstd[p] - total[p] -
                             (x[c * x_plane + p] - mean[p]) * along[p];
}

static void NAME(layer_norm_backward_input)(
    const float *x, ptrdiff_t x_plane, const float *w, const float *mean, const float *rstd,
    const float *gy, ptrdiff_t gy_plane, float *gx, ptrdiff_t gx_plane, long pixels, long channels,
    int centred) {
  long p = 0;
  for (; p + block <= pixels; p += block)
    NAME(differentiate)(
        x + p, x_plane, w, mean + p, rstd + p, gy + p, gy_plane, gx + p, gx_plane, block, channels,
        centred);
  if (p < pixels)
    NAME(differentiate)(
        x + p, x_plane, w, mean + p, rstd + p, gy + p, gy_plane, gx + p, gx_plane,
        (int)(pixels - p), channels, centred);
}
