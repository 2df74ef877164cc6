#ifndef RESTORMER_CIMAGE_PNG_PROFILE_H
#define RESTORMER_CIMAGE_PNG_PROFILE_H

#include <png.h>

#include "Bytes.h"

// ICC profiles as raw iCCP chunks. libpng's own reader drops every profile that breaks one of its
// rules, many real ones among them; here a profile is carried along, not judged.

// To be called before the chunks are read: keeps iCCP for `cimage_read_png_profile`.
void cimage_keep_png_profile(png_structp png);

// Unpacks the chunk, if there is one, into `icc`. A damaged profile is left out, as viewers do.
void cimage_read_png_profile(png_structp png, png_infop info, CImageBytes *icc);

// Packs a profile into a chunk at the current place of the file, using `chunk` for memory, which
// the caller releases.
void cimage_write_png_profile(png_structp png, const uint8_t *icc, size_t size,
                              CImageBytes *chunk);

#endif
