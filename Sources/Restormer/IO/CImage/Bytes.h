#ifndef RESTORMER_CIMAGE_BYTES_H
#define RESTORMER_CIMAGE_BYTES_H

#include "CImage.h"

// Appends, growing by doubling. Returns 0 when memory is short; what was there before stays.
int cimage_append(CImageBytes *to, const void *bytes, size_t count);

// Copies a library's message as one line of at most CIMAGE_ERROR_LENGTH characters.
void cimage_say(char *error, const char *message);

// round(scale * value), halves to even, clamped to [0, scale]; NaN gives 0.
static inline unsigned cimage_quantize(float value, float scale) {
#pragma STDC FP_CONTRACT OFF
  // 1.5 * 2^23: adding it leaves no fraction bits, so the addition itself rounds to even.
  const float shift = 12582912.0f;
  float clamped = value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
  return (unsigned)((clamped * scale + shift) - shift);
}

#endif
