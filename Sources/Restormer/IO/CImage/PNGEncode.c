#include <setjmp.h>
#include <stdlib.h>

#include "PNGNotes.h"

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  png_structp png;
  png_infop info;
  const CImageLayout *layout;
  const CImageNotes *notes;
  const CImageOutput *output;
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
  if (!encoder->output->write(encoder->output->context, bytes, count))
    png_error(png, "cannot write");
}

static void flush(png_structp png) { (void)png; }

static void set_header(Encoder *encoder) {
  const CImageLayout *layout = encoder->layout;
  int color = layout->channels == 3 ? PNG_COLOR_MASK_COLOR : 0;
  if (layout->has_alpha) color |= PNG_COLOR_MASK_ALPHA;
  png_set_IHDR(encoder->png, encoder->info, layout->width, layout->height, layout->bit_depth,
               color, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
}

static void set_tags(Encoder *encoder) {
  png_structp png = encoder->png;
  png_infop info = encoder->info;
  const CImageTags *tags = &encoder->notes->tags;
  const int32_t *c = tags->chromaticities;
  if (tags->gamma > 0) png_set_gAMA_fixed(png, info, tags->gamma);
  if (tags->has_chromaticities)
    png_set_cHRM_fixed(png, info, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]);
  // A file must not have both a profile and the sRGB chunk.
  if (tags->has_srgb && encoder->notes->icc.count == 0) png_set_sRGB(png, info, tags->srgb_intent);
  if (tags->density_unit != CIMAGE_NO_DENSITY)
    png_set_pHYs(png, info, tags->density_x, tags->density_y,
                 tags->density_unit == CIMAGE_PER_METER ? PNG_RESOLUTION_METER
                                                        : PNG_RESOLUTION_UNKNOWN);
}

static void encode(Encoder *encoder) {
  png_structp png = encoder->png;
  png_set_write_fn(png, encoder, put, flush);
  png_set_benign_errors(png, 1);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  set_header(encoder);
  set_tags(encoder);
  png_write_info_before_PLTE(png, encoder->info);
  cimage_write_png_notes(png, encoder->notes, &encoder->chunk);
  png_write_info(png, encoder->info);
  const uint16_t one = 1;
  if (*(const uint8_t *)&one == 1) png_set_swap(png);
  encoder->row = malloc(png_get_rowbytes(png, encoder->info));
  if (encoder->row == NULL) png_error(png, "out of memory");
  for (uint32_t y = 0; y < encoder->layout->height; y++) {
    encoder->output->fill(encoder->output->context, y, encoder->row);
    png_write_row(png, encoder->row);
  }
  png_write_end(png, encoder->info);
}

int cimage_encode_png(const CImageLayout *layout, const CImageNotes *notes,
                      const CImageOutput *output, char *error) {
  Encoder *encoder = calloc(1, sizeof *encoder);
  cimage_say(error, "out of memory");
  if (encoder == NULL) return 0;
  *encoder = (Encoder){.layout = layout, .notes = notes, .output = output, .error = error};
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
  return done;
}
