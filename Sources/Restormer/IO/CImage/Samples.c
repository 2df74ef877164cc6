#include <string.h>

#include "CImage.h"

void cimage_unpack(const uint8_t *samples, int bit_depth, size_t step, size_t count,
                   float *values) {
  if (bit_depth == 16) {
    const uint16_t *from = (const uint16_t *)(const void *)samples;
    for (size_t i = 0; i < count; i++) values[i] = (float)from[i * step] / 65535.0f;
  } else {
    for (size_t i = 0; i < count; i++) values[i] = (float)samples[i * step] / 255.0f;
  }
}

// round(scale * value), halves to even, clamped to [0, scale]; NaN gives 0.
static inline unsigned quantize(float value, float scale) {
#pragma STDC FP_CONTRACT OFF
  // 1.5 * 2^23: adding it leaves no fraction bits, so the addition itself rounds to even.
  const float shift = 12582912.0f;
  float clamped = value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
  return (unsigned)((clamped * scale + shift) - shift);
}

void cimage_pack(const float *values, int bit_depth, size_t step, size_t count,
                 uint8_t *samples) {
  if (bit_depth == 16) {
    uint16_t *to = (uint16_t *)(void *)samples;
    for (size_t i = 0; i < count; i++) to[i * step] = (uint16_t)quantize(values[i], 65535.0f);
  } else {
    for (size_t i = 0; i < count; i++) samples[i * step] = (uint8_t)quantize(values[i], 255.0f);
  }
}
