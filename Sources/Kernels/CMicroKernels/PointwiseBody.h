// Elementwise functions and sums, for one instruction set.

// 2^t for t <= 0: 2^k from the exponent bits, the rest from a polynomial; exactly 0 below 2^-127, and no number stays none.
INLINE float NAME(power_of_two)(float t) {
  t = t < -127.0f ? -127.0f : t;
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const float shifted = t + 12582912.0f;
  const float f = t - (shifted - 12582912.0f);
  unsigned bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4B400000u + 127u) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  float p = 1.3276407e-3f;
  p = p * f + 9.675541e-3f;
  p = p * f + 5.5507135e-2f;
  p = p * f + 0.2402212f;
  p = p * f + 0.69314694f;
  p = p * f + 1.0000001f;
  return p * power;
}

// exp(-v v / 2).
INLINE float NAME(bell)(float v) { return NAME(power_of_two)(-0.72134752f * v * v); }

// The normal distribution function: exp(-t t / 2) R(t) below zero, R a polynomial on [0, 6.5].
INLINE float NAME(distribution)(float v, float bell_of_v) {
  const float t = fabsf(v) < 6.5f ? fabsf(v) : 6.5f;
  const float s = t * 0.30769232f - 1.0f;
  float r = 0.16715118f;
  r = r * s + 0.49851453f;
  r = r * s + 0.6389033f;
  r = r * s + 0.32350913f;
  r = r * s + 0.036362633f;
  r = r * s - 0.103925735f;
  r = r * s + 0.017895f;
  r = r * s - 0.06502783f;
  r = r * s + 0.081215896f;
  r = r * s - 0.09808707f;
  r = r * s + 0.113454856f;
  const float tail = bell_of_v * r;
  return v < 0.0f ? tail : 1.0f - tail;
}

static void NAME(gelu_gate)(const float *restrict a, const float *restrict b, float *restrict y,
                         long count) {
  for (long i = 0; i < count; ++i) y[i] = a[i] * NAME(distribution)(a[i], NAME(bell)(a[i])) * b[i];
}

static void NAME(gelu_gate_in_place)(float *restrict a, const float *restrict b, long count) {
  for (long i = 0; i < count; ++i) a[i] = a[i] * NAME(distribution)(a[i], NAME(bell)(a[i])) * b[i];
}

static void NAME(gelu_gate_backward)(const float *restrict a, const float *restrict b,
                                  const float *restrict gy, float *restrict ga,
                                  float *restrict gb, long count) {
  for (long i = 0; i < count; ++i) {
    const float density = NAME(bell)(a[i]), p = NAME(distribution)(a[i], density);
    ga[i] = gy[i] * b[i] * (p + 0.3989423f * a[i] * density);
    gb[i] = gy[i] * a[i] * p;
  }
}

static double NAME(sum)(const float *x, long count) {
  double sums[lanes] = {0}, total = 0;
  long i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int k = 0; k < lanes; ++k) sums[k] += x[i + k];
  for (; i < count; ++i) total += x[i];
  for (int k = 0; k < lanes; ++k) total += sums[k];
  return total;
}

static double NAME(sum_of_squares)(const float *x, long count) {
  double sums[lanes] = {0}, total = 0;
  long i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int k = 0; k < lanes; ++k) sums[k] += (double)x[i + k] * x[i + k];
  for (; i < count; ++i) total += (double)x[i] * x[i];
  for (int k = 0; k < lanes; ++k) total += sums[k];
  return total;
}

static void NAME(softmax)(const float *restrict x, float scale, float *restrict y, long count) {
  float largest = scale * x[0], sums[lanes] = {0}, total = 0;
  for (long i = 1; i < count; ++i) largest = scale * x[i] > largest ? scale * x[i] : largest;
  long i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int k = 0; k < lanes; ++k) {
      y[i + k] = NAME(power_of_two)(1.442695f * (scale * x[i + k] - largest));
      sums[k] += y[i + k];
    }
  for (; i < count; ++i) total += y[i] = NAME(power_of_two)(1.442695f * (scale * x[i] - largest));
  for (int k = 0; k < lanes; ++k) total += sums[k];
  for (i = 0; i < count; ++i) y[i] /= total;
}
