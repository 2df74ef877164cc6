#include <setjmp.h>
#include <stdlib.h>

#include "PNGProfile.h"

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  png_structp png;
  png_infop info;
  const CImageLayout *layout;
  const float *pixels;
  const float *alpha;
  const CImageTags *tags;
  const uint8_t *icc;
  size_t icc_size;
  CImageBytes *file;
  CImageBytes chunk;
  uint8_t *row;
  char *error;
  jmp_buf fault;
} Encoder;

static void fail(png_structp png, png_const_charp message) {
  Encoder *encoder = png_get_error_ptr(png);
  cimage_say(encoder->error, message);
  longjmp(encoder->fault, 1);
}

static void ignore(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void put(png_structp png, png_bytep bytes, size_t count) {
  Encoder *encoder = png_get_io_ptr(png);
  if (!cimage_append(encoder->file, bytes, count)) png_error(png, "out of memory");
}

static void flush(png_structp png) { (void)png; }

static void set_header(Encoder *encoder) {
  const CImageLayout *layout = encoder->layout;
  int color = layout->channels == 3 ? PNG_COLOR_MASK_COLOR : 0;
  if (encoder->alpha != NULL) color |= PNG_COLOR_MASK_ALPHA;
  png_set_IHDR(encoder->png, encoder->info, layout->width, layout->height, layout->bit_depth,
               color, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
}

static void set_tags(Encoder *encoder) {
  png_structp png = encoder->png;
  png_infop info = encoder->info;
  const CImageTags *tags = encoder->tags;
  const int32_t *c = tags->chromaticities;
  if (tags->gamma > 0) png_set_gAMA_fixed(png, info, tags->gamma);
  if (tags->has_chromaticities)
    png_set_cHRM_fixed(png, info, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]);
  // A file must not have both a profile and the sRGB chunk.
  if (tags->has_srgb && encoder->icc == NULL) png_set_sRGB(png, info, tags->srgb_intent);
  if (tags->pixels_per_meter_x > 0 && tags->pixels_per_meter_y > 0)
    png_set_pHYs(png, info, tags->pixels_per_meter_x, tags->pixels_per_meter_y,
                 PNG_RESOLUTION_METER);
}

static void load_row(const Encoder *encoder, uint32_t y) {
  const CImageLayout *layout = encoder->layout;
  size_t width = layout->width, plane = width * layout->height;
  int samples = layout->channels + (encoder->alpha != NULL);
  for (int s = 0; s < samples; s++) {
    const float *from = s < layout->channels ? encoder->pixels + s * plane : encoder->alpha;
    from += y * width;
    if (layout->bit_depth == 16) {
      uint8_t *to = encoder->row + 2 * s;
      for (size_t x = 0; x < width; x++, to += 2 * samples) {
        unsigned value = cimage_quantize(from[x], 65535.0f);
        to[0] = (uint8_t)(value >> 8);
        to[1] = (uint8_t)value;
      }
    } else {
      uint8_t *to = encoder->row + s;
      for (size_t x = 0; x < width; x++, to += samples)
        *to = (uint8_t)cimage_quantize(from[x], 255.0f);
    }
  }
}

static void encode(Encoder *encoder) {
  png_set_write_fn(encoder->png, encoder, put, flush);
  png_set_benign_errors(encoder->png, 1);
  set_header(encoder);
  set_tags(encoder);
  png_write_info_before_PLTE(encoder->png, encoder->info);
  if (encoder->icc != NULL)
    cimage_write_png_profile(encoder->png, encoder->icc, encoder->icc_size, &encoder->chunk);
  png_write_info(encoder->png, encoder->info);
  encoder->row = malloc(png_get_rowbytes(encoder->png, encoder->info));
  if (encoder->row == NULL) png_error(encoder->png, "out of memory");
  for (uint32_t y = 0; y < encoder->layout->height; y++) {
    load_row(encoder, y);
    png_write_row(encoder->png, encoder->row);
  }
  png_write_end(encoder->png, encoder->info);
}

int cimage_encode_png(const CImageLayout *layout, const float *pixels, const float *alpha,
                      const CImageTags *tags, const uint8_t *icc, size_t icc_size,
                      CImageBytes *file, char *error) {
  Encoder *encoder = calloc(1, sizeof *encoder);
  cimage_say(error, "out of memory");
  if (encoder == NULL) return 0;
  *encoder = (Encoder){.layout = layout, .pixels = pixels, .alpha = alpha, .tags = tags,
                       .icc = icc, .icc_size = icc_size, .file = file, .error = error};
  int done = 0;
  if (setjmp(encoder->fault) == 0) {
    encoder->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, encoder, fail, ignore);
    if (encoder->png != NULL) encoder->info = png_create_info_struct(encoder->png);
    if (encoder->info != NULL) {
      encode(encoder);
      done = 1;
    }
  }
  if (encoder->png != NULL) png_destroy_write_struct(&encoder->png, &encoder->info);
  cimage_release(&encoder->chunk);
  free(encoder->row);
  free(encoder);
  if (!done) cimage_release(file);
  return done;
}
