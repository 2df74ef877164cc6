// What zip archives need of zlib.
#ifndef RESTORMER_CZIP_H
#define RESTORMER_CZIP_H

#include <stddef.h>
#include <stdint.h>

// CRC-32 of `size` bytes.
uint32_t czip_checksum(const uint8_t *bytes, size_t size);

// Unpacks a raw deflate stream of `packed` bytes; returns 1 if all of it is sound and gives exactly `size` bytes.
int czip_inflate(const uint8_t *bytes, size_t packed, uint8_t *result, size_t size);

#endif
