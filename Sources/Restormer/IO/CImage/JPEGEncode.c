#include <stdlib.h>
#include <string.h>

#include "JPEGFault.h"

enum { BLOCK = 1 << 16 };

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  JPEGFault fault;
  struct jpeg_compress_struct jpeg;
  struct jpeg_destination_mgr destination;
  const CImageLayout *layout;
  const CImageNotes *notes;
  const CImageOutput *output;
  CImageBytes segment;
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
  if (!encoder->output->write(encoder->output->context, encoder->block, count))
    cimage_jpeg_fail((j_common_ptr)jpeg, "cannot write");
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

static void set_density(struct jpeg_compress_struct *jpeg, const CImageTags *tags) {
  if (tags->density_unit == CIMAGE_NO_DENSITY) return;
  int has_unit = tags->density_unit == CIMAGE_PER_METER;
  double scale = has_unit ? 0.0254 : 1.0;
  double x = tags->density_x * scale + 0.5, y = tags->density_y * scale + 0.5;
  // A ratio may be of any numbers, but these have 16 bits.
  for (; !has_unit && (x >= 65536 || y >= 65536); x /= 2) y /= 2;
  if (x < 1 || x >= 65536 || y < 1 || y >= 65536) return;
  jpeg->density_unit = has_unit ? 1 : 0;
  jpeg->X_density = (UINT16)x;
  jpeg->Y_density = (UINT16)y;
}

static void set_up(Encoder *encoder, int quality) {
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
  set_density(jpeg, &encoder->notes->tags);
}

static void write_segment(Encoder *encoder, const void *name, size_t length, CImageSpan data) {
  if (data.count == 0) return;
  encoder->segment.count = 0;
  if (!cimage_append(&encoder->segment, name, length) ||
      !cimage_append(&encoder->segment, data.bytes, data.count))
    cimage_jpeg_fail((j_common_ptr)&encoder->jpeg, "out of memory");
  jpeg_write_marker(&encoder->jpeg, JPEG_APP0 + 1, encoder->segment.bytes,
                    (unsigned)encoder->segment.count);
}

// Each chunk has the name of the whole, its length and where in it the chunk lies.
static void write_extended_xmp(Encoder *encoder) {
  static const char title[] = "http://ns.adobe.com/xmp/extension/";
  enum { CHUNK = 65400, NAME = 32 };
  CImageSpan whole = encoder->notes->more_xmp, name = encoder->notes->more_xmp_name;
  if (name.count != NAME) return;
  uint8_t head[sizeof title + NAME + 8], *numbers = head + sizeof title + NAME;
  memcpy(head, title, sizeof title);
  memcpy(head + sizeof title, name.bytes, NAME);
  cimage_put_big_endian(numbers, (uint32_t)whole.count);
  for (size_t at = 0; at < whole.count; at += CHUNK) {
    size_t left = whole.count - at;
    cimage_put_big_endian(numbers + 4, (uint32_t)at);
    write_segment(encoder, head, sizeof head,
                  (CImageSpan){.bytes = whole.bytes + at, .count = left < CHUNK ? left : CHUNK});
  }
}

static void write_notes(Encoder *encoder) {
  static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";
  const CImageNotes *notes = encoder->notes;
  write_segment(encoder, exif, sizeof exif, notes->exif);
  write_segment(encoder, xmp, sizeof xmp, notes->xmp);
  write_extended_xmp(encoder);
  if (notes->icc.count > 0)
    jpeg_write_icc_profile(&encoder->jpeg, notes->icc.bytes, (unsigned)notes->icc.count);
}

static void encode(Encoder *encoder, int quality) {
  struct jpeg_compress_struct *jpeg = &encoder->jpeg;
  jpeg_create_compress(jpeg);
  jpeg->client_data = encoder;
  encoder->destination.init_destination = begin;
  encoder->destination.empty_output_buffer = put_block;
  encoder->destination.term_destination = end;
  jpeg->dest = &encoder->destination;
  set_up(encoder, quality);
  jpeg_start_compress(jpeg, TRUE);
  write_notes(encoder);
  encoder->row = malloc((size_t)jpeg->image_width * (size_t)jpeg->input_components);
  if (encoder->row == NULL) cimage_jpeg_fail((j_common_ptr)jpeg, "out of memory");
  while (jpeg->next_scanline < jpeg->image_height) {
    encoder->output->fill(encoder->output->context, jpeg->next_scanline, encoder->row);
    jpeg_write_scanlines(jpeg, &encoder->row, 1);
  }
  jpeg_finish_compress(jpeg);
}

int cimage_encode_jpeg(const CImageLayout *layout, const CImageNotes *notes, int quality,
                       const CImageOutput *output, char *error) {
  Encoder *encoder = calloc(1, sizeof *encoder);
  cimage_say(error, "out of memory");
  if (encoder == NULL) return 0;
  encoder->layout = layout;
  encoder->notes = notes;
  encoder->output = output;
  encoder->jpeg.err = cimage_jpeg_fault(&encoder->fault, error);
  int done = 0;
  if (setjmp(encoder->fault.jump) == 0) {
    encode(encoder, quality);
    done = 1;
  }
  jpeg_destroy_compress(&encoder->jpeg);
  cimage_release(&encoder->segment);
  free(encoder->row);
  free(encoder);
  return done;
}
