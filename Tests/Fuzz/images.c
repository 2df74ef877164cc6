// A libFuzzer target for the image readers: any bytes give an image or one line, never a crash, a
// leak or a runaway. Scripts/fuzz-images.sh builds and runs it.
#include <stdlib.h>
#include <string.h>

#include "CImage.h"

typedef struct {
  const uint8_t *data;
  size_t size;
} File;

static size_t take(void *context, uint64_t offset, void *to, size_t count) {
  const File *file = context;
  if (offset >= file->size) return 0;
  if (count > file->size - offset) count = file->size - (size_t)offset;
  memcpy(to, file->data + offset, count);
  return count;
}

static CImageReader *open_any(CImageSource source, const uint8_t *data, size_t size) {
  if (size < 12) return NULL;
  if (data[0] == 0x89) return cimage_open_png(source);
  if (data[0] == 0xFF) return cimage_open_jpeg(source);
  if (data[0] == 'R') return cimage_open_webp(source);
  if (data[0] == 'B') return cimage_open_bmp(source);
  return cimage_open_tiff(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { MOST_PIXELS = 1 << 18 };
  File file = {data, size};
  CImageReader *reader = open_any((CImageSource){&file, size, take}, data, size);
  if (reader == NULL) return 0;
  const CImageLayout *layout = &reader->layout;
  uint64_t pixels = (uint64_t)layout->width * layout->height;
  if (reader->error[0] == '\0' && pixels > 0 && pixels <= MOST_PIXELS) {
    size_t samples = (size_t)layout->channels + (layout->has_alpha != 0);
    size_t stride = layout->width * samples * ((size_t)layout->bit_depth / 8);
    uint8_t *rows = malloc(stride * layout->height);
    if (rows != NULL && !cimage_read(reader, rows, stride) && reader->error[0] == '\0') abort();
    free(rows);
  }
  cimage_close(reader);
  return 0;
}
