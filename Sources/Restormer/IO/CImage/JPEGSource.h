#ifndef RESTORMER_CIMAGE_JPEG_SOURCE_H
#define RESTORMER_CIMAGE_JPEG_SOURCE_H

#include "JPEGFault.h"

// Feeds libjpeg from a `CImageSource`, block after block.
typedef struct {
  struct jpeg_source_mgr manager;  // must come first
  const CImageSource *file;
  uint64_t offset;
  int lends_ones;  // behind the end of the file, before the marker that ends an image
  uint8_t block[1 << 16];
} JPEGSource;

void cimage_jpeg_source(JPEGSource *source, const CImageSource *file,
                        struct jpeg_decompress_struct *jpeg);

#endif
