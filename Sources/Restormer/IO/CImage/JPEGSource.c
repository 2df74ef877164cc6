#include "JPEGSource.h"

#include <jerror.h>

static void begin(j_decompress_ptr jpeg) { (void)jpeg; }

// At the end of the file libjpeg is warned and given the marker that ends an image, for which an arithmetic decoder reads as
// many zeros as it wants. Ones are given as bytes of pixels, a zero behind each; what is missing is above four of them once in
// 2^32 files.
static boolean fill(j_decompress_ptr jpeg) {
  static const uint8_t ones[] = {0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, JPEG_EOI};
  enum { END = sizeof ones - 2 };
  JPEGSource *source = (JPEGSource *)jpeg->src;
  const CImageSource *file = source->file;
  uint64_t left = source->offset < file->size ? file->size - source->offset : 0;
  size_t count = left < sizeof source->block ? (size_t)left : sizeof source->block;
  if (count > 0) count = file->read(file->context, source->offset, source->block, count);
  source->offset += count;
  // The first half of a marker says nothing.
  if (count > 0 && source->offset == file->size && source->block[count - 1] == 0xFF) count--;
  source->manager.next_input_byte = source->block;
  source->manager.bytes_in_buffer = count;
  if (count > 0) return TRUE;
  size_t start = source->lends_ones ? 0 : END;
  source->manager.next_input_byte = ones + start;
  source->manager.bytes_in_buffer = sizeof ones - start;
  WARNMS(jpeg, JWRN_JPEG_EOF);
  return TRUE;
}

static void skip(j_decompress_ptr jpeg, long count) {
  JPEGSource *source = (JPEGSource *)jpeg->src;
  if (count <= 0) return;
  size_t ahead = source->manager.bytes_in_buffer;
  if ((size_t)count <= ahead) {
    source->manager.next_input_byte += count;
    source->manager.bytes_in_buffer -= (size_t)count;
  } else {
    source->offset += (uint64_t)count - ahead;
    source->manager.bytes_in_buffer = 0;
  }
}

static void end(j_decompress_ptr jpeg) { (void)jpeg; }

void cimage_jpeg_source(JPEGSource *source, const CImageSource *file,
                        struct jpeg_decompress_struct *jpeg) {
  source->file = file;
  source->offset = 0;
  source->manager.bytes_in_buffer = 0;
  source->manager.init_source = begin;
  source->manager.fill_input_buffer = fill;
  source->manager.skip_input_data = skip;
  source->manager.resync_to_restart = jpeg_resync_to_restart;
  source->manager.term_source = end;
  jpeg->src = &source->manager;
}
