#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "PNGNotes.h"

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  CImageReader reader;  // must come first
  png_structp png;
  png_infop info;
  uint64_t offset;
  int ignores_sum;  // of the unpacked pixels
  jmp_buf fault;
} Decoder;

// What libpng says of pixels that do not give the checksum behind them (RFC 1950), and what is said here.
static const char WRONG_SUM[] = "IDAT: incorrect data check";
static const char END_REMARK[] = "the end of the file is missing or damaged, all pixels are there";
static const char WRONG_SUM_REMARK[] = "the checksum of its pixels is wrong, all of them are there";

static void fail(png_structp png, png_const_charp message) {
  Decoder *decoder = png_get_error_ptr(png);
  cimage_say(decoder->reader.error, message);
  longjmp(decoder->fault, 1);
}

// libpng warns of chunks that it leaves out and of streams that are not as they should be.
static void warn(png_structp png, png_const_charp message) {
  Decoder *decoder = png_get_error_ptr(png);
  if (strncmp(message, "tRNS:", 5) == 0)
    message = "its transparency (tRNS) is invalid and was left out";
  if (strcmp(message, WRONG_SUM) == 0) message = WRONG_SUM_REMARK;
  cimage_remark(&decoder->reader, message);
}

static void take(png_structp png, png_bytep to, size_t count) {
  Decoder *decoder = png_get_io_ptr(png);
  const CImageSource *source = &decoder->reader.source;
  size_t got = source->read(source->context, decoder->offset, to, count);
  decoder->offset += got;
  if (got == count) return;
  // The last bytes of pixels are their checksum: a file may end within it. What is no longer than the head of a chunk is one,
  // or a chunk's own checksum.
  enum { SUM = 4, HEAD = 8 };
  if (count <= HEAD || got + SUM < count) png_error(png, "the file is truncated");
  memset(to + got, 0, count - got);
}

static void read_tags(Decoder *decoder) {
  png_structp png = decoder->png;
  png_infop info = decoder->info;
  CImageTags *tags = &decoder->reader.tags;
  int32_t *c = tags->chromaticities;
  tags->has_srgb = png_get_sRGB(png, info, &tags->srgb_intent) != 0;
  png_fixed_point gamma = 0;
  if (png_get_gAMA_fixed(png, info, &gamma)) tags->gamma = gamma;
  tags->has_chromaticities = png_get_cHRM_fixed(png, info, &c[0], &c[1], &c[2], &c[3], &c[4],
                                                &c[5], &c[6], &c[7]) != 0;
  int unit = PNG_RESOLUTION_UNKNOWN;
  if (png_get_pHYs(png, info, &tags->density_x, &tags->density_y, &unit))
    tags->density_unit = unit == PNG_RESOLUTION_METER ? CIMAGE_PER_METER : CIMAGE_ASPECT;
}

// Every kind of PNG becomes gray or RGB, with or without alpha, of 8 or 16 bits.
static void normalize(Decoder *decoder) {
  png_structp png = decoder->png;
  png_byte color = png_get_color_type(png, decoder->info);
  int has_key = png_get_valid(png, decoder->info, PNG_INFO_tRNS) != 0;
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  if (has_key) png_set_tRNS_to_alpha(png);
  const uint16_t one = 1;
  if (*(const uint8_t *)&one == 1) png_set_swap(png);
  decoder->reader.layout = (CImageLayout){
      .width = png_get_image_width(png, decoder->info),
      .height = png_get_image_height(png, decoder->info),
      .channels = (color & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1,
      .has_alpha = (color & PNG_COLOR_MASK_ALPHA) != 0 || has_key,
      .bit_depth = png_get_bit_depth(png, decoder->info) == 16 ? 16 : 8,
  };
}

static void open_file(Decoder *decoder) {
  png_structp png = decoder->png;
  png_set_read_fn(png, decoder, take);
  png_set_benign_errors(png, 1);
  png_set_option(png, PNG_IGNORE_ADLER32, decoder->ignores_sum);
  // A chunk without pixels whose checksum is wrong is left out.
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
  // `CImageReader` has limits of its own.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  cimage_skip_png_notes(png);
  png_read_info(png, decoder->info);
  normalize(decoder);
  read_tags(decoder);
}

static void read_rows(Decoder *decoder, uint8_t *pixels, size_t stride) {
  int passes = png_set_interlace_handling(decoder->png);
  png_read_update_info(decoder->png, decoder->info);
  const CImageLayout *layout = &decoder->reader.layout;
  size_t samples = (size_t)layout->channels + (layout->has_alpha != 0);
  if (png_get_rowbytes(decoder->png, decoder->info) !=
      layout->width * samples * ((size_t)layout->bit_depth / 8))
    png_error(decoder->png, "its chunks contradict its header");
  for (int pass = 0; pass < passes; pass++)
    for (size_t y = 0; y < layout->height; y++)
      png_read_row(decoder->png, pixels + y * stride, NULL);
}

// Whether libpng has handed out the last row of the last pass: it looks on from there to the end of the stream.
static int has_all_rows(const Decoder *decoder) {
  if (png_get_interlace_type(decoder->png, decoder->info) != PNG_INTERLACE_NONE)
    return png_get_current_pass_number(decoder->png) >= PNG_INTERLACE_ADAM7_PASSES;
  return png_get_current_row_number(decoder->png) >= decoder->reader.layout.height;
}

static void close_png(Decoder *decoder) {
  if (decoder->png != NULL) png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
}

static int open_png(Decoder *decoder) {
  decoder->offset = 0;
  cimage_say(decoder->reader.error, "out of memory");
  if (setjmp(decoder->fault) != 0) return 0;
  decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, fail, warn);
  if (decoder->png != NULL) decoder->info = png_create_info_struct(decoder->png);
  if (decoder->info == NULL) return 0;
  open_file(decoder);
  decoder->reader.error[0] = '\0';
  return 1;
}

// Reads the rows and what is behind them. With all pixels there, only damage among them counts: a chunk's checksum.
static int read_to_end(Decoder *decoder, uint8_t *pixels, size_t stride) {
  char *error = decoder->reader.error;
  if (setjmp(decoder->fault) == 0) {
    read_rows(decoder, pixels, stride);
    png_read_end(decoder->png, decoder->info);
    return 1;
  }
  if (!has_all_rows(decoder) || strcmp(error, "IDAT: CRC error") == 0) return 0;
  cimage_remark(&decoder->reader, END_REMARK);
  error[0] = '\0';
  return 1;
}

static int read(CImageReader *reader, uint8_t *pixels, size_t stride) {
  Decoder *decoder = (Decoder *)reader;
  if (read_to_end(decoder, pixels, stride)) return 1;
  if (strcmp(reader->error, WRONG_SUM) != 0) return 0;
  // zlib may look at its checksum before it hands out the last row.
  close_png(decoder);
  decoder->ignores_sum = 1;
  if (!open_png(decoder) || !read_to_end(decoder, pixels, stride)) return 0;
  // Where the file ends within it, that has been said.
  if (strstr(reader->remark, END_REMARK) == NULL) cimage_remark(reader, WRONG_SUM_REMARK);
  return 1;
}

static void release(CImageReader *reader) {
  close_png((Decoder *)reader);
  free(reader);
}

CImageReader *cimage_open_png(CImageSource source) {
  Decoder *decoder = cimage_decoder(sizeof *decoder, source, NULL, read, release);
  if (decoder == NULL) return NULL;
  if (open_png(decoder)) cimage_read_png_notes(&decoder->reader);
  return &decoder->reader;
}
