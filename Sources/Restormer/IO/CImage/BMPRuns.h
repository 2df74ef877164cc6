#ifndef RESTORMER_CIMAGE_BMP_RUNS_H
#define RESTORMER_CIMAGE_BMP_RUNS_H

#include "Bytes.h"

// Unpacks the runs of a BMP's palette numbers of 8 or 4 bits into rows of `stride` bytes, all zero
// before, the lowest first. What the runs skip stays zero. Returns 0 when the file ends before
// they do.
int cimage_bmp_runs(const CImageSource *source, uint64_t offset, int bits, uint32_t width,
                    uint32_t height, size_t stride, uint8_t *rows);

#endif
