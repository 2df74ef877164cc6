// PNG and JPEG, from and to memory, by libpng and libjpeg.
//
// Both libraries report faults by `longjmp`, which Swift code must never be jumped over: each
// function here catches it and returns 0 with one line of text in `error`, or 1 on success.
// Pixels are planar, [channels][height][width], row-major, in [0, 1]; nothing is gamma-corrected.
#ifndef RESTORMER_CIMAGE_H
#define RESTORMER_CIMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { CIMAGE_ERROR_LENGTH = 256 };

typedef struct {
  uint32_t width;
  uint32_t height;
  int32_t channels;   // 1 gray, 3 RGB
  int32_t has_alpha;
  int32_t bit_depth;  // 8 or 16
} CImageLayout;

// What a file says of its pixels besides their values. Zeros where it says nothing.
typedef struct {
  int32_t has_srgb;
  int32_t srgb_intent;
  int32_t gamma;  // times 100,000
  int32_t has_chromaticities;
  int32_t chromaticities[8];  // white, red, green, blue; x and y; times 100,000
  uint32_t pixels_per_meter_x;
  uint32_t pixels_per_meter_y;
} CImageTags;

// Bytes on the C heap; `cimage_release` frees them.
typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
} CImageBytes;

void cimage_release(CImageBytes *bytes);

// Decode a whole file into `pixels` and, where the layout has alpha, `alpha` ([height][width]).
// The file must have the layout; orientation is not applied. `icc` is empty without a profile.
int cimage_decode_png(const uint8_t *data, size_t size, const CImageLayout *layout, float *pixels,
                      float *alpha, CImageTags *tags, CImageBytes *icc, char *error);
int cimage_decode_jpeg(const uint8_t *data, size_t size, const CImageLayout *layout,
                       float *pixels, CImageTags *tags, CImageBytes *icc, char *error);

// Encode into `file`. `alpha` and `icc` may be NULL. PNG stores alpha, JPEG lays it over white.
int cimage_encode_png(const CImageLayout *layout, const float *pixels, const float *alpha,
                      const CImageTags *tags, const uint8_t *icc, size_t icc_size,
                      CImageBytes *file, char *error);
int cimage_encode_jpeg(const CImageLayout *layout, const float *pixels, const float *alpha,
                       const CImageTags *tags, const uint8_t *icc, size_t icc_size, int quality,
                       CImageBytes *file, char *error);

#endif
