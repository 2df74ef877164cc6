#include <stdlib.h>
#include <string.h>

#include "BMPRuns.h"

enum { PLAIN, RUNS_OF_8_BITS, RUNS_OF_4_BITS, MASKS, MASKS_WITH_ALPHA = 6 };

typedef struct {
  CImageReader reader;  // must come first
  uint32_t bits;        // of a pixel
  uint32_t compression;
  uint64_t pixels_at;
  int is_top_down;
  uint32_t masks[4];        // red, green, blue, opacity
  uint8_t palette[256][3];  // red, green, blue
  uint8_t *rows;
} Decoder;

static uint32_t number(const uint8_t *bytes, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

static int load(Decoder *decoder, uint64_t offset, void *to, size_t count) {
  const CImageSource *source = &decoder->reader.source;
  return source->read(source->context, offset, to, count) == count;
}

// The header's fields end where its size says; what is behind them reads as zero.
static int read_header(Decoder *decoder, uint8_t header[124], uint32_t *size) {
  uint8_t start[18];
  if (!load(decoder, 0, start, sizeof start)) return cimage_fail(decoder, "the file is truncated");
  decoder->pixels_at = number(start + 10, 4);
  *size = number(start + 14, 4);
  if (*size != 12 && (*size < 16 || *size > 124))
    return cimage_fail(decoder, "its BMP header is unknown");
  memset(header, 0, 124);
  if (!load(decoder, 14, header, *size)) return cimage_fail(decoder, "the file is truncated");
  return 1;
}

static void read_density(Decoder *decoder, const uint8_t *header) {
  CImageTags *tags = &decoder->reader.tags;
  tags->density_x = number(header + 24, 4);
  tags->density_y = number(header + 28, 4);
  if (tags->density_x > 0 && tags->density_y > 0 && tags->density_x < 1u << 31 &&
      tags->density_y < 1u << 31)
    tags->density_unit = CIMAGE_PER_METER;
}

static void set_masks(Decoder *decoder, const uint8_t *header, uint32_t size) {
  static const uint32_t of_16_bits[3] = {0x7C00, 0x03E0, 0x001F};
  static const uint32_t of_32_bits[3] = {0xFF0000, 0xFF00, 0xFF};
  memcpy(decoder->masks, decoder->bits == 16 ? of_16_bits : of_32_bits, sizeof of_16_bits);
  if (decoder->compression != MASKS && decoder->compression != MASKS_WITH_ALPHA) return;
  // They follow the oldest header, later ones have room for them.
  uint8_t behind[16] = {0};
  const uint8_t *masks = header + 40;
  if (size == 40) {
    load(decoder, 14 + 40, behind, decoder->compression == MASKS ? 12 : 16);
    masks = behind;
  }
  int has_alpha = size >= 56 || decoder->compression == MASKS_WITH_ALPHA;
  for (int i = 0; i < 3 + has_alpha; i++) decoder->masks[i] = number(masks + 4 * i, 4);
}

// A palette of grays makes a gray picture.
static int read_palette(Decoder *decoder, const uint8_t *header, uint32_t size) {
  uint8_t entries[256 * 4];
  uint32_t width = size == 12 ? 3 : 4, most = 1u << decoder->bits;
  uint32_t count = size == 12 ? 0 : number(header + 32, 4);
  if (count == 0 || count > most) count = most;
  uint64_t offset = 14 + (uint64_t)size;
  if (offset + count * width > decoder->pixels_at && decoder->pixels_at > offset)
    count = (uint32_t)((decoder->pixels_at - offset) / width);
  if (!load(decoder, offset, entries, count * width))
    return cimage_fail(decoder, "the file is truncated");
  int is_gray = 1;
  for (uint32_t i = 0; i < count; i++) {
    for (int c = 0; c < 3; c++) decoder->palette[i][c] = entries[i * width + 2 - (uint32_t)c];
    const uint8_t *entry = decoder->palette[i];
    if (entry[0] != entry[1] || entry[1] != entry[2]) is_gray = 0;
  }
  if (is_gray) decoder->reader.layout.channels = 1;
  return 1;
}

static void read_profile(Decoder *decoder, const uint8_t *header, uint32_t size) {
  enum { EMBEDDED = 0x4D424544, LARGEST = 16 << 20 };
  if (size < 124 || number(header + 56, 4) != EMBEDDED) return;
  uint32_t offset = number(header + 112, 4), count = number(header + 116, 4);
  if (count == 0 || count > LARGEST || 14 + (uint64_t)offset + count > decoder->reader.source.size)
    return;
  uint8_t *profile = malloc(count);
  if (profile != NULL && load(decoder, 14 + (uint64_t)offset, profile, count))
    cimage_append(&decoder->reader.icc, profile, count);
  free(profile);
}

static int open_file(CImageReader *reader) {
  Decoder *decoder = (Decoder *)reader;
  uint8_t header[124];
  uint32_t size = 0;
  if (!read_header(decoder, header, &size)) return 0;
  int is_old = size == 12;
  CImageLayout *layout = &decoder->reader.layout;
  layout->width = number(header + 4, is_old ? 2 : 4);
  layout->height = number(header + (is_old ? 6 : 8), is_old ? 2 : 4);
  decoder->bits = number(header + (is_old ? 10 : 14), 2);
  decoder->compression = is_old ? PLAIN : number(header + 16, 4);
  // A negative height means that rows go down.
  decoder->is_top_down = !is_old && layout->height > INT32_MAX;
  if (decoder->is_top_down) layout->height = 0u - layout->height;
  layout->channels = 3;
  layout->bit_depth = 8;
  uint32_t bits = decoder->bits, compression = decoder->compression;
  int is_masked = compression == MASKS || compression == MASKS_WITH_ALPHA;
  int is_run = compression == RUNS_OF_8_BITS || compression == RUNS_OF_4_BITS;
  if ((bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) ||
      (compression != PLAIN && !is_masked && !is_run) || (is_masked && bits != 16 && bits != 32) ||
      (is_run && bits != (compression == RUNS_OF_8_BITS ? 8 : 4)))
    return cimage_fail(decoder, "a BMP of an unknown coding");
  decoder->reader.unbounded = is_run;
  if (!is_old) read_density(decoder, header);
  read_profile(decoder, header, size);
  if (bits <= 8) return read_palette(decoder, header, size);
  set_masks(decoder, header, size);
  layout->has_alpha = decoder->masks[3] != 0;
  return 1;
}

static uint8_t masked(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  while ((mask & 1) == 0) {
    mask >>= 1;
    pixel >>= 1;
  }
  return (uint8_t)((uint64_t)(pixel & mask) * 255 / mask);
}

static void convert(const Decoder *decoder, const uint8_t *from, uint8_t *to) {
  const CImageLayout *layout = &decoder->reader.layout;
  uint32_t bits = decoder->bits;
  for (uint32_t x = 0; x < layout->width; x++) {
    if (bits <= 8) {
      uint32_t place = x * bits;
      unsigned index = from[place / 8] >> (8 - bits - place % 8) & ((1u << bits) - 1);
      memcpy(to, decoder->palette[index], (size_t)layout->channels);
    } else if (bits == 24) {
      for (int c = 0; c < 3; c++) to[c] = from[3 * x + 2 - (uint32_t)c];
    } else {
      uint32_t pixel = number(from + x * (bits / 8), (int)bits / 8);
      for (int c = 0; c < 3 + layout->has_alpha; c++) to[c] = masked(pixel, decoder->masks[c]);
    }
    to += layout->channels + layout->has_alpha;
  }
}

// Programs that know no opacity leave its bits at zero: a picture that nobody could see is meant to be opaque.
static void show_invisible(const CImageLayout *layout, uint8_t *pixels, size_t stride) {
  size_t step = (size_t)layout->channels + 1, count = layout->width * step;
  for (uint32_t y = 0; y < layout->height; y++)
    for (size_t i = step - 1; i < count; i += step)
      if (pixels[y * stride + i] != 0) return;
  for (uint32_t y = 0; y < layout->height; y++)
    for (size_t i = step - 1; i < count; i += step) pixels[y * stride + i] = 255;
}

static int read_runs(Decoder *decoder, size_t row_size) {
  const CImageSource *source = &decoder->reader.source;
  const CImageLayout *layout = &decoder->reader.layout;
  decoder->rows = calloc(layout->height, row_size);
  if (decoder->rows == NULL) return cimage_fail(decoder, "out of memory");
  int is_whole = cimage_bmp_runs(source, decoder->pixels_at, (int)decoder->bits, layout->width,
                                 layout->height, row_size, decoder->rows);
  return is_whole ? 1 : cimage_fail(decoder, "the file is truncated");
}

static int read(CImageReader *reader, uint8_t *pixels, size_t stride) {
  Decoder *decoder = (Decoder *)reader;
  const CImageLayout *layout = &reader->layout;
  // Rows are padded to whole words of 32 bits.
  size_t row_size = ((size_t)layout->width * decoder->bits + 31) / 32 * 4;
  int is_run = decoder->compression == RUNS_OF_8_BITS || decoder->compression == RUNS_OF_4_BITS;
  if (is_run) {
    if (!read_runs(decoder, row_size)) return 0;
  } else {
    decoder->rows = calloc(1, row_size);
    if (decoder->rows == NULL) return cimage_fail(decoder, "out of memory");
  }
  for (uint32_t i = 0; i < layout->height; i++) {
    const uint8_t *row = decoder->rows + (is_run ? i * row_size : 0);
    // The last row's padding may be missing.
    size_t needed = ((size_t)layout->width * decoder->bits + 7) / 8;
    if (!is_run && !load(decoder, decoder->pixels_at + i * row_size, decoder->rows, needed))
      return cimage_fail(decoder, "the file is truncated");
    convert(decoder, row, pixels + (decoder->is_top_down ? i : layout->height - 1 - i) * stride);
  }
  if (layout->has_alpha) show_invisible(layout, pixels, stride);
  return 1;
}

static void release(CImageReader *reader) {
  free(((Decoder *)reader)->rows);
  free(reader);
}

CImageReader *cimage_open_bmp(CImageSource source) {
  return cimage_decoder(sizeof(Decoder), source, open_file, read, release);
}
