#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "PNGProfile.h"

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  png_structp png;
  png_infop info;
  const uint8_t *data;
  size_t size;
  size_t offset;
  const CImageLayout *layout;
  float *pixels;
  float *alpha;
  CImageTags *tags;
  CImageBytes *icc;
  uint8_t *rows;
  char *error;
  jmp_buf fault;
} Decoder;

static void fail(png_structp png, png_const_charp message) {
  Decoder *decoder = png_get_error_ptr(png);
  cimage_say(decoder->error, message);
  longjmp(decoder->fault, 1);
}

static void ignore(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void take(png_structp png, png_bytep to, size_t count) {
  Decoder *decoder = png_get_io_ptr(png);
  if (count > decoder->size - decoder->offset) png_error(png, "the file is truncated");
  memcpy(to, decoder->data + decoder->offset, count);
  decoder->offset += count;
}

// Every kind of PNG becomes gray or RGB, with or without alpha, of 8 or 16 bits.
static void normalize(Decoder *decoder) {
  png_structp png = decoder->png;
  png_byte color = png_get_color_type(png, decoder->info);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  if (png_get_valid(png, decoder->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
}

static void check(Decoder *decoder) {
  const CImageLayout *layout = decoder->layout;
  int samples = layout->channels + (layout->has_alpha != 0);
  if (png_get_image_width(decoder->png, decoder->info) != layout->width ||
      png_get_image_height(decoder->png, decoder->info) != layout->height ||
      png_get_bit_depth(decoder->png, decoder->info) != layout->bit_depth ||
      png_get_channels(decoder->png, decoder->info) != samples)
    png_error(decoder->png, "its chunks contradict its header");
}

static void read_tags(Decoder *decoder) {
  png_structp png = decoder->png;
  png_infop info = decoder->info;
  CImageTags *tags = decoder->tags;
  int32_t *c = tags->chromaticities;
  tags->has_srgb = png_get_sRGB(png, info, &tags->srgb_intent) != 0;
  png_fixed_point gamma = 0;
  if (png_get_gAMA_fixed(png, info, &gamma)) tags->gamma = gamma;
  tags->has_chromaticities = png_get_cHRM_fixed(png, info, &c[0], &c[1], &c[2], &c[3], &c[4],
                                                &c[5], &c[6], &c[7]) != 0;
  tags->pixels_per_meter_x = png_get_x_pixels_per_meter(png, info);
  tags->pixels_per_meter_y = png_get_y_pixels_per_meter(png, info);
}

static void store_row(const Decoder *decoder, const uint8_t *row, uint32_t y) {
  const CImageLayout *layout = decoder->layout;
  size_t width = layout->width, plane = width * layout->height;
  int samples = layout->channels + (layout->has_alpha != 0);
  for (int s = 0; s < samples; s++) {
    float *to = s < layout->channels ? decoder->pixels + s * plane : decoder->alpha;
    to += y * width;
    if (layout->bit_depth == 16) {
      const uint8_t *from = row + 2 * s;
      for (size_t x = 0; x < width; x++, from += 2 * samples)
        to[x] = (float)(from[0] << 8 | from[1]) / 65535.0f;
    } else {
      const uint8_t *from = row + s;
      for (size_t x = 0; x < width; x++, from += samples) to[x] = (float)*from / 255.0f;
    }
  }
}

// An interlaced file gives its rows in seven passes, so it is gathered whole before conversion.
static void read_pixels(Decoder *decoder) {
  int passes = png_set_interlace_handling(decoder->png);
  png_read_update_info(decoder->png, decoder->info);
  check(decoder);
  size_t stride = png_get_rowbytes(decoder->png, decoder->info);
  size_t height = decoder->layout->height;
  decoder->rows = calloc(passes > 1 ? height : 1, stride);
  if (decoder->rows == NULL) png_error(decoder->png, "out of memory");
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < height; y++) {
      uint8_t *row = decoder->rows + (passes > 1 ? y * stride : 0);
      png_read_row(decoder->png, row, NULL);
      if (pass == passes - 1) store_row(decoder, row, (uint32_t)y);
    }
  }
}

static void decode(Decoder *decoder) {
  png_set_read_fn(decoder->png, decoder, take);
  png_set_benign_errors(decoder->png, 1);
  png_set_crc_action(decoder->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  cimage_keep_png_profile(decoder->png);
  png_read_info(decoder->png, decoder->info);
  normalize(decoder);
  read_tags(decoder);
  cimage_read_png_profile(decoder->png, decoder->info, decoder->icc);
  read_pixels(decoder);
  png_read_end(decoder->png, NULL);
}

int cimage_decode_png(const uint8_t *data, size_t size, const CImageLayout *layout, float *pixels,
                      float *alpha, CImageTags *tags, CImageBytes *icc, char *error) {
  Decoder *decoder = calloc(1, sizeof *decoder);
  cimage_say(error, "out of memory");
  if (decoder == NULL) return 0;
  *decoder = (Decoder){.data = data, .size = size, .layout = layout, .pixels = pixels,
                       .alpha = alpha, .tags = tags, .icc = icc, .error = error};
  int done = 0;
  if (setjmp(decoder->fault) == 0) {
    decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, fail, ignore);
    if (decoder->png != NULL) decoder->info = png_create_info_struct(decoder->png);
    if (decoder->info != NULL) {
      decode(decoder);
      done = 1;
    }
  }
  if (decoder->png != NULL) png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
  free(decoder->rows);
  free(decoder);
  if (!done) cimage_release(icc);
  return done;
}
