#include <stdlib.h>

#include "JPEGFault.h"

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  JPEGFault fault;
  struct jpeg_decompress_struct jpeg;
  struct jpeg_progress_mgr progress;
  const CImageLayout *layout;
  float *pixels;
  CImageTags *tags;
  CImageBytes *icc;
  uint8_t *row;
} Decoder;

// A small file can hold thousands of scans over a huge image, each of which costs a full pass.
static void count_scans(j_common_ptr common) {
  enum { MOST_SCANS = 500 };
  if (((j_decompress_ptr)common)->input_scan_number > MOST_SCANS)
    cimage_jpeg_fail(common, "it has more than 500 scans");
}

static void read_density(Decoder *decoder) {
  struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  if (!jpeg->saw_JFIF_marker || jpeg->density_unit < 1 || jpeg->density_unit > 2) return;
  double per_meter = jpeg->density_unit == 1 ? 1.0 / 0.0254 : 100.0;
  decoder->tags->pixels_per_meter_x = (uint32_t)(jpeg->X_density * per_meter + 0.5);
  decoder->tags->pixels_per_meter_y = (uint32_t)(jpeg->Y_density * per_meter + 0.5);
}

static void read_profile(Decoder *decoder) {
  JOCTET *profile = NULL;
  unsigned int size = 0;
  if (!jpeg_read_icc_profile(&decoder->jpeg, &profile, &size)) return;
  int kept = cimage_append(decoder->icc, profile, size);
  free(profile);
  if (!kept) cimage_jpeg_fail((j_common_ptr)&decoder->jpeg, "out of memory");
}

static void check(Decoder *decoder) {
  const CImageLayout *layout = decoder->layout;
  if (decoder->jpeg.image_width != layout->width || decoder->jpeg.image_height != layout->height ||
      decoder->jpeg.num_components != layout->channels)
    cimage_jpeg_fail((j_common_ptr)&decoder->jpeg, "its segments contradict its header");
}

static void store_row(const Decoder *decoder, size_t y) {
  size_t width = decoder->layout->width, plane = width * decoder->layout->height;
  int channels = decoder->layout->channels;
  for (int c = 0; c < channels; c++) {
    const uint8_t *from = decoder->row + c;
    float *to = decoder->pixels + c * plane + y * width;
    for (size_t x = 0; x < width; x++, from += channels) to[x] = (float)*from / 255.0f;
  }
}

static void decode(Decoder *decoder, const uint8_t *data, size_t size) {
  struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  jpeg_create_decompress(jpeg);
  decoder->progress.progress_monitor = count_scans;
  jpeg->progress = &decoder->progress;
  jpeg_mem_src(jpeg, data, size);
  jpeg_save_markers(jpeg, JPEG_APP0 + 2, 0xFFFF);
  jpeg_read_header(jpeg, TRUE);
  check(decoder);
  read_density(decoder);
  read_profile(decoder);
  jpeg->out_color_space = decoder->layout->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg->dct_method = JDCT_ISLOW;
  jpeg_start_decompress(jpeg);
  decoder->row = malloc((size_t)jpeg->output_width * jpeg->output_components);
  if (decoder->row == NULL) cimage_jpeg_fail((j_common_ptr)jpeg, "out of memory");
  while (jpeg->output_scanline < jpeg->output_height) {
    size_t y = jpeg->output_scanline;
    jpeg_read_scanlines(jpeg, &decoder->row, 1);
    store_row(decoder, y);
  }
  jpeg_finish_decompress(jpeg);
}

int cimage_decode_jpeg(const uint8_t *data, size_t size, const CImageLayout *layout,
                       float *pixels, CImageTags *tags, CImageBytes *icc, char *error) {
  Decoder *decoder = calloc(1, sizeof *decoder);
  cimage_say(error, "out of memory");
  if (decoder == NULL) return 0;
  decoder->layout = layout;
  decoder->pixels = pixels;
  decoder->tags = tags;
  decoder->icc = icc;
  decoder->jpeg.err = cimage_jpeg_fault(&decoder->fault, error);
  int done = 0;
  if (setjmp(decoder->fault.jump) == 0) {
    decode(decoder, data, size);
    done = 1;
  }
  jpeg_destroy_decompress(&decoder->jpeg);
  free(decoder->row);
  free(decoder);
  if (!done) cimage_release(icc);
  return done;
}
