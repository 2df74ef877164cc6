#include <stdlib.h>

#include "JPEGFault.h"

enum { BLOCK = 1 << 16 };

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  JPEGFault fault;
  struct jpeg_compress_struct jpeg;
  struct jpeg_destination_mgr destination;
  const CImageLayout *layout;
  const float *pixels;
  const float *alpha;
  CImageBytes *file;
  uint8_t *row;
  uint8_t block[BLOCK];
} Encoder;

static void begin(j_compress_ptr jpeg) {
  Encoder *encoder = jpeg->client_data;
  encoder->destination.next_output_byte = encoder->block;
  encoder->destination.free_in_buffer = BLOCK;
}

static void put(j_compress_ptr jpeg, size_t count) {
  Encoder *encoder = jpeg->client_data;
  if (!cimage_append(encoder->file, encoder->block, count))
    cimage_jpeg_fail((j_common_ptr)jpeg, "out of memory");
}

// libjpeg asks this with a full block, whatever `free_in_buffer` says then.
static boolean put_block(j_compress_ptr jpeg) {
  put(jpeg, BLOCK);
  begin(jpeg);
  return TRUE;
}

static void end(j_compress_ptr jpeg) { put(jpeg, BLOCK - jpeg->dest->free_in_buffer); }

// The quality at which colour keeps its full resolution; below it one sample serves 2 x 2 pixels.
enum { FULL_COLOR_QUALITY = 90 };

static void set_up(Encoder *encoder, const CImageTags *tags, int quality) {
  struct jpeg_compress_struct *jpeg = &encoder->jpeg;
  jpeg->image_width = encoder->layout->width;
  jpeg->image_height = encoder->layout->height;
  jpeg->input_components = encoder->layout->channels;
  jpeg->in_color_space = encoder->layout->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(jpeg);
  jpeg_set_quality(jpeg, quality, TRUE);
  jpeg->optimize_coding = TRUE;
  if (quality >= FULL_COLOR_QUALITY) {
    jpeg->comp_info[0].h_samp_factor = 1;
    jpeg->comp_info[0].v_samp_factor = 1;
  }
  double x = tags->pixels_per_meter_x * 0.0254 + 0.5, y = tags->pixels_per_meter_y * 0.0254 + 0.5;
  if (x >= 1 && x < 65536 && y >= 1 && y < 65536) {
    jpeg->density_unit = 1;
    jpeg->X_density = (UINT16)x;
    jpeg->Y_density = (UINT16)y;
  }
}

static void load_row(const Encoder *encoder, size_t y) {
  size_t width = encoder->layout->width, plane = width * encoder->layout->height;
  int channels = encoder->layout->channels;
  const float *alpha = encoder->alpha == NULL ? NULL : encoder->alpha + y * width;
  for (int c = 0; c < channels; c++) {
    const float *from = encoder->pixels + c * plane + y * width;
    uint8_t *to = encoder->row + c;
    for (size_t x = 0; x < width; x++, to += channels) {
      float value = alpha == NULL ? from[x] : 1.0f + (from[x] - 1.0f) * alpha[x];
      *to = (uint8_t)cimage_quantize(value, 255.0f);
    }
  }
}

static void encode(Encoder *encoder, const CImageTags *tags, const uint8_t *icc, size_t icc_size,
                   int quality) {
  struct jpeg_compress_struct *jpeg = &encoder->jpeg;
  jpeg_create_compress(jpeg);
  jpeg->client_data = encoder;
  encoder->destination.init_destination = begin;
  encoder->destination.empty_output_buffer = put_block;
  encoder->destination.term_destination = end;
  jpeg->dest = &encoder->destination;
  set_up(encoder, tags, quality);
  jpeg_start_compress(jpeg, TRUE);
  if (icc != NULL) jpeg_write_icc_profile(jpeg, icc, (unsigned int)icc_size);
  encoder->row = malloc((size_t)jpeg->image_width * jpeg->input_components);
  if (encoder->row == NULL) cimage_jpeg_fail((j_common_ptr)jpeg, "out of memory");
  while (jpeg->next_scanline < jpeg->image_height) {
    load_row(encoder, jpeg->next_scanline);
    jpeg_write_scanlines(jpeg, &encoder->row, 1);
  }
  jpeg_finish_compress(jpeg);
}

int cimage_encode_jpeg(const CImageLayout *layout, const float *pixels, const float *alpha,
                       const CImageTags *tags, const uint8_t *icc, size_t icc_size, int quality,
                       CImageBytes *file, char *error) {
  Encoder *encoder = calloc(1, sizeof *encoder);
  cimage_say(error, "out of memory");
  if (encoder == NULL) return 0;
  encoder->layout = layout;
  encoder->pixels = pixels;
  encoder->alpha = alpha;
  encoder->file = file;
  encoder->jpeg.err = cimage_jpeg_fault(&encoder->fault, error);
  int done = 0;
  if (setjmp(encoder->fault.jump) == 0) {
    encode(encoder, tags, icc, icc_size, quality);
    done = 1;
  }
  jpeg_destroy_compress(&encoder->jpeg);
  free(encoder->row);
  free(encoder);
  if (!done) cimage_release(file);
  return done;
}
