#include <stdlib.h>
#include <string.h>

#include "JPEGSource.h"

// Behind libjpeg's main header: which messages there are, and so their numbers, depends on its version.
#include <jerror.h>

typedef enum { HEADER, PIXELS, END } Phase;

// All state lives on the heap: locals changed after `setjmp` would be lost by the jump.
typedef struct {
  CImageReader reader;  // must come first
  JPEGFault fault;
  struct jpeg_decompress_struct jpeg;
  struct jpeg_progress_mgr progress;
  JPEGSource source;
  Phase phase;
  int has_ended;  // the file ended before the stream did
  unsigned seen_components;
  uint8_t *ink;  // a row of a picture in CMYK
  uint8_t *row;  // one that is compared
} Decoder;

static Decoder *decoder_of(j_common_ptr common) { return common->client_data; }

// libjpeg goes on after damage and fills in gray. Only what costs no pixel is let pass: odd
// numbers in headers, stray bytes before a marker, a broken profile, a missing end.
static void warn(j_common_ptr common, int level) {
  Decoder *decoder = decoder_of(common);
  if (level >= 0) return;
  char message[JMSG_LENGTH_MAX];
  switch (common->err->msg_code) {
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
      return;
    case JWRN_BOGUS_ICC:
      cimage_remark(&decoder->reader, "its colour profile is damaged and was left out");
      return;
    case JWRN_JPEG_EOF:
      if (decoder->phase == HEADER) cimage_jpeg_fail(common, "the file is truncated");
      decoder->has_ended = 1;
      return;
    case JWRN_EXTRANEOUS_DATA:
      if (decoder->source.lends_ones) return;
      break;
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_NOT_SEQUENTIAL:
      break;
    default:
      if (decoder->phase == END) break;
      if (decoder->has_ended) cimage_jpeg_fail(common, "the file is truncated");
      cimage_jpeg_leave(common);
  }
  common->err->format_message(common, message);
  cimage_remark(&decoder->reader, message);
}

// A small file can hold thousands of scans over a huge image, each of which costs a full pass.
static void watch_scans(j_common_ptr common) {
  enum { MOST_SCANS = 500 };
  j_decompress_ptr jpeg = (j_decompress_ptr)common;
  if (jpeg->input_scan_number > MOST_SCANS)
    cimage_jpeg_fail(common, "it has more than 500 scans");
  for (int i = 0; i < jpeg->comps_in_scan; i++)
    decoder_of(common)->seen_components |= 1u << jpeg->cur_comp_info[i]->component_index;
}

static void read_density(Decoder *decoder) {
  const struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  CImageTags *tags = &decoder->reader.tags;
  if (!jpeg->saw_JFIF_marker || jpeg->X_density == 0 || jpeg->Y_density == 0) return;
  if (jpeg->density_unit == 0 && jpeg->X_density == jpeg->Y_density) return;
  double scale = jpeg->density_unit == 1 ? 1.0 / 0.0254 : jpeg->density_unit == 2 ? 100.0 : 1.0;
  tags->density_unit = jpeg->density_unit == 0 ? CIMAGE_ASPECT : CIMAGE_PER_METER;
  tags->density_x = (uint32_t)(jpeg->X_density * scale + 0.5);
  tags->density_y = (uint32_t)(jpeg->Y_density * scale + 0.5);
}

static void read_profile(Decoder *decoder) {
  JOCTET *profile = NULL;
  unsigned int size = 0;
  if (!jpeg_read_icc_profile(&decoder->jpeg, &profile, &size)) return;
  int kept = cimage_append(&decoder->reader.icc, profile, size);
  free(profile);
  if (!kept) cimage_jpeg_fail((j_common_ptr)&decoder->jpeg, "out of memory");
}

static void keep_chunk(Decoder *decoder, const uint8_t *data, size_t size) {
  CImageBytes *kept = &decoder->reader.more_xmp;
  uint8_t count[4];
  cimage_put_big_endian(count, (uint32_t)size);
  if (!cimage_append(kept, count, sizeof count) || !cimage_append(kept, data, size))
    cimage_jpeg_fail((j_common_ptr)&decoder->jpeg, "out of memory");
}

// The first segment of each kind counts, and all chunks of extended XMP.
static void read_notes(Decoder *decoder) {
  static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";
  static const char more[] = "http://ns.adobe.com/xmp/extension/";
  for (jpeg_saved_marker_ptr marker = decoder->jpeg.marker_list; marker; marker = marker->next) {
    const uint8_t *data = marker->data;
    size_t size = marker->data_length;
    if (marker->marker != JPEG_APP0 + 1) continue;
    CImageReader *reader = &decoder->reader;
    if (size > sizeof exif && !memcmp(data, exif, sizeof exif) && reader->exif.count == 0)
      cimage_append(&reader->exif, data + sizeof exif, size - sizeof exif);
    if (size > sizeof xmp && !memcmp(data, xmp, sizeof xmp) && reader->xmp.count == 0)
      cimage_append(&reader->xmp, data + sizeof xmp, size - sizeof xmp);
    if (size > sizeof more && !memcmp(data, more, sizeof more))
      keep_chunk(decoder, data + sizeof more, size - sizeof more);
  }
}

static void choose_layout(Decoder *decoder) {
  struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  if (jpeg->num_components != 1 && jpeg->num_components != 3 && jpeg->num_components != 4)
    cimage_jpeg_fail((j_common_ptr)jpeg, "a JPEG of neither gray nor RGB nor CMYK");
  decoder->reader.layout = (CImageLayout){
      .width = jpeg->image_width,
      .height = jpeg->image_height,
      .channels = jpeg->num_components == 1 ? 1 : 3,
      .bit_depth = 8,
  };
  // Arithmetic coding spends next to nothing on what is expected.
  decoder->reader.unbounded = jpeg->arith_code;
  if (jpeg->num_components == 4) {
    cimage_release(&decoder->reader.icc);
    cimage_remark(&decoder->reader, "its CMYK colours were converted without their profile");
  }
}

static void open_file(Decoder *decoder) {
  struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg->client_data = decoder;
  decoder->fault.manager.emit_message = warn;
  decoder->progress.progress_monitor = watch_scans;
  jpeg->progress = &decoder->progress;
  cimage_jpeg_source(&decoder->source, &decoder->reader.source, jpeg);
  jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_save_markers(jpeg, JPEG_APP0 + 2, 0xFFFF);
  jpeg_read_header(jpeg, TRUE);
  read_density(decoder);
  read_notes(decoder);
  read_profile(decoder);
  choose_layout(decoder);
}

// c * k / 255, rounded.
static uint8_t product(unsigned c, unsigned k) {
  unsigned value = c * k + 128;
  return (uint8_t)((value + (value >> 8)) >> 8);
}

// Ink is stored as what it leaves of the paper's white, as Adobe's programs began to do.
static void convert_cmyk(const uint8_t *from, size_t width, uint8_t *to) {
  for (size_t x = 0; x < width; x++, from += 4, to += 3)
    for (int c = 0; c < 3; c++) to[c] = (uint8_t)(from[3] - product(255u - from[c], from[3]));
}

// Where the file ended within the pixels, whether there could have been more of them.
static int lacks_pixels(const Decoder *decoder) {
  const struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  if (!decoder->has_ended) return 0;
  if (!jpeg_has_multiple_scans((j_decompress_ptr)jpeg)) return 0;
  if (!jpeg->progressive_mode) return decoder->seen_components + 1 != 1u << jpeg->num_components;
  for (int c = 0; c < jpeg->num_components; c++)
    for (int k = 0; k < DCTSIZE2; k++)
      if (jpeg->coef_bits[c][k] != 0) return 1;
  return 0;
}

static void *allocate(Decoder *decoder, size_t count) {
  void *bytes = malloc(count);
  if (bytes == NULL) cimage_jpeg_fail((j_common_ptr)&decoder->jpeg, "out of memory");
  return bytes;
}

static void start(Decoder *decoder) {
  struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  int is_cmyk = jpeg->num_components == 4;
  int is_gray = decoder->reader.layout.channels == 1;
  jpeg->out_color_space = is_cmyk ? JCS_CMYK : is_gray ? JCS_GRAYSCALE : JCS_RGB;
  jpeg->dct_method = JDCT_ISLOW;
  if (is_cmyk && decoder->ink == NULL)
    decoder->ink = allocate(decoder, (size_t)jpeg->image_width * 4);
  jpeg_start_decompress(jpeg);
}

static void next_row(Decoder *decoder, uint8_t *row) {
  uint8_t *ink = decoder->ink;
  jpeg_read_scanlines(&decoder->jpeg, ink != NULL ? &ink : &row, 1);
  if (ink != NULL) convert_cmyk(ink, decoder->jpeg.image_width, row);
}

// Decodes the picture once more, as if ones stood behind the end of the file and not zeros, and fails where pixels differ. An
// arithmetic decoder gets a number between 0 and 1 whose last digits are missing, and the numbers that stand for a picture
// are an interval (ITU-T T.81, D.1): if the least and the greatest that it can be give one picture, so do all between.
static void compare_rows(Decoder *decoder, const uint8_t *pixels, size_t stride) {
  struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  size_t count = (size_t)jpeg->image_width * (size_t)decoder->reader.layout.channels;
  decoder->row = allocate(decoder, count);
  jpeg_abort_decompress(jpeg);
  cimage_jpeg_source(&decoder->source, &decoder->reader.source, jpeg);
  decoder->source.lends_ones = 1;
  jpeg_read_header(jpeg, TRUE);
  start(decoder);
  while (jpeg->output_scanline < jpeg->output_height) {
    const uint8_t *row = pixels + jpeg->output_scanline * stride;
    next_row(decoder, decoder->row);
    if (memcmp(decoder->row, row, count))
      cimage_jpeg_fail((j_common_ptr)jpeg, "the file is truncated");
  }
}

static void read_rows(Decoder *decoder, uint8_t *pixels, size_t stride) {
  struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
  decoder->phase = PIXELS;
  start(decoder);
  while (jpeg->output_scanline < jpeg->output_height)
    next_row(decoder, pixels + jpeg->output_scanline * stride);
  if (lacks_pixels(decoder)) cimage_jpeg_fail((j_common_ptr)jpeg, "the file is truncated");
  if (jpeg->arith_code && decoder->has_ended) compare_rows(decoder, pixels, stride);
}

static int read(CImageReader *reader, uint8_t *pixels, size_t stride) {
  Decoder *decoder = (Decoder *)reader;
  if (setjmp(decoder->fault.jump) != 0) {
    if (decoder->phase != END) return 0;
    // All pixels are there: what stands behind them costs none.
    decoder->has_ended = 1;
    reader->error[0] = '\0';
  } else {
    read_rows(decoder, pixels, stride);
    decoder->phase = END;
    jpeg_finish_decompress(&decoder->jpeg);
  }
  if (decoder->has_ended)
    cimage_remark(reader, "the end of the file is missing or damaged, all pixels are there");
  return 1;
}

static void release(CImageReader *reader) {
  Decoder *decoder = (Decoder *)reader;
  jpeg_destroy_decompress(&decoder->jpeg);
  free(decoder->ink);
  free(decoder->row);
  free(decoder);
}

CImageReader *cimage_open_jpeg(CImageSource source) {
  Decoder *decoder = cimage_decoder(sizeof *decoder, source, NULL, read, release);
  if (decoder == NULL) return NULL;
  decoder->jpeg.err = cimage_jpeg_fault(&decoder->fault, decoder->reader.error);
  if (setjmp(decoder->fault.jump) == 0) open_file(decoder);
  return &decoder->reader;
}
