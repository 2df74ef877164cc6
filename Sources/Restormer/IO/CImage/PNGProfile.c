#include "PNGProfile.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// Far more than any profile has; it bounds what a hostile chunk can unpack to.
enum { LARGEST_PROFILE = 16 << 20 };

void cimage_keep_png_profile(png_structp png) {
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_ALWAYS, (png_const_bytep) "iCCP", 1);
}

// Returns whether all of `data` is one sound stream.
static int unpack(const uint8_t *data, size_t size, CImageBytes *icc) {
  z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)size};
  if (inflateInit(&stream) != Z_OK) return 0;
  int status = Z_OK;
  while (status == Z_OK && icc->count <= LARGEST_PROFILE) {
    uint8_t block[4096];
    stream.next_out = block;
    stream.avail_out = sizeof block;
    status = inflate(&stream, Z_NO_FLUSH);
    if (!cimage_append(icc, block, sizeof block - stream.avail_out)) status = Z_MEM_ERROR;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END;
}

void cimage_read_png_profile(png_structp png, png_infop info, CImageBytes *icc) {
  png_unknown_chunkp chunks = NULL;
  int count = png_get_unknown_chunks(png, info, &chunks);
  for (int i = 0; i < count && icc->count == 0; i++) {
    if (memcmp(chunks[i].name, "iCCP", 4) != 0) continue;
    // A name of at most 79 characters, a zero, the method 0, the packed profile.
    const uint8_t *end = memchr(chunks[i].data, 0, chunks[i].size < 80 ? chunks[i].size : 80);
    size_t start = end == NULL ? 0 : (size_t)(end - chunks[i].data) + 2;
    if (end == NULL || start > chunks[i].size || end[1] != 0 ||
        !unpack(chunks[i].data + start, chunks[i].size - start, icc))
      cimage_release(icc);
  }
}

void cimage_write_png_profile(png_structp png, const uint8_t *icc, size_t size,
                              CImageBytes *chunk) {
  static const uint8_t start[] = "ICC profile\0";
  uLongf packed = compressBound(size);
  size_t capacity = sizeof start + packed;
  chunk->bytes = malloc(capacity);
  if (chunk->bytes == NULL) png_error(png, "out of memory");
  chunk->capacity = capacity;
  memcpy(chunk->bytes, start, sizeof start);
  if (compress2(chunk->bytes + sizeof start, &packed, icc, size, 9) != Z_OK)
    png_error(png, "out of memory");
  chunk->count = sizeof start + packed;
  png_write_chunk(png, (png_const_bytep) "iCCP", chunk->bytes, chunk->count);
}
