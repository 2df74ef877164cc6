#include "CZip.h"

#include <zlib.h>

// zlib counts in 32 bits.
enum { STRETCH = 1 << 30 };

static uInt stretch(size_t left) { return left < STRETCH ? (uInt)left : STRETCH; }

uint32_t czip_checksum(const uint8_t *bytes, size_t size) {
  uLong value = crc32(0, Z_NULL, 0);
  while (size > 0) {
    uInt count = stretch(size);
    value = crc32(value, bytes, count);
    bytes += count;
    size -= count;
  }
  return (uint32_t)value;
}

int czip_inflate(const uint8_t *bytes, size_t packed, uint8_t *result, size_t size) {
  z_stream stream = {.next_in = (Bytef *)bytes, .next_out = result};
  // A negative window size: no header of zlib's own.
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return 0;
  int status = Z_OK;
  while (status == Z_OK) {
    if (stream.avail_in == 0) packed -= (stream.avail_in = stretch(packed));
    if (stream.avail_out == 0) size -= (stream.avail_out = stretch(size));
    status = inflate(&stream, Z_NO_FLUSH);
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && size + stream.avail_out == 0 && packed + stream.avail_in == 0;
}
