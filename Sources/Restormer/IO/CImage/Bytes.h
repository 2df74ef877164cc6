#ifndef RESTORMER_CIMAGE_BYTES_H
#define RESTORMER_CIMAGE_BYTES_H

#include "CImage.h"

// Appends, growing by doubling. Returns 0 when memory is short; what was there before stays.
int cimage_append(CImageBytes *to, const void *bytes, size_t count);

void cimage_release(CImageBytes *bytes);

// A decoder that begins with a `CImageReader` of `source`, zeros else, opened if `open` is given;
// NULL when memory is short.
void *cimage_decoder(size_t size, CImageSource source, int (*open)(CImageReader *reader),
                     int (*read)(CImageReader *reader, uint8_t *pixels, size_t stride),
                     void (*release)(CImageReader *reader));

// Copies a library's message as one line of at most CIMAGE_TEXT_LENGTH characters.
void cimage_say(char *text, const char *message);

// Notes why a decoder cannot go on, of several reasons the first, and returns 0.
int cimage_fail(void *decoder, const char *message);

// Adds a remark behind those there are, unless it stands there already.
void cimage_remark(CImageReader *reader, const char *message);

// The big-endian number in four bytes.
static inline uint32_t cimage_big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Writes a number so.
static inline void cimage_put_big_endian(uint8_t *bytes, uint32_t number) {
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

#endif
