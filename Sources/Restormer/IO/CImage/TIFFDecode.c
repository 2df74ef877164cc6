#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "Bytes.h"

// How the file's samples lie, where they are taken as they are.
typedef struct {
  int is_plain;      // else libtiff converts to 8-bit RGBA
  uint16_t samples;  // in the file, those that are not taken included
  int is_separate;   // one plane after the other
  int is_inverted;   // 0 is white
  int is_premultiplied;
} Storage;

typedef struct {
  CImageReader reader;  // must come first
  TIFF *tiff;
  uint64_t offset;
  Storage storage;
  uint8_t *block;
  uint32_t *raster;
} Decoder;

static tmsize_t read_bytes(thandle_t handle, void *to, tmsize_t count) {
  Decoder *decoder = handle;
  const CImageSource *source = &decoder->reader.source;
  size_t got = source->read(source->context, decoder->offset, to, (size_t)count);
  decoder->offset += got;
  return (tmsize_t)got;
}

static tmsize_t write_bytes(thandle_t handle, void *from, tmsize_t count) {
  (void)handle, (void)from, (void)count;
  return -1;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Decoder *decoder = handle;
  uint64_t base = whence == SEEK_SET ? 0
                  : whence == SEEK_CUR ? decoder->offset : decoder->reader.source.size;
  return decoder->offset = base + offset;
}

static int close_file(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t size_of_file(thandle_t handle) { return ((Decoder *)handle)->reader.source.size; }

// The first message tells the cause, later ones what followed from it.
static void keep_error(thandle_t handle, const char *module, const char *format, va_list values) {
  char message[CIMAGE_TEXT_LENGTH];
  (void)module;
  if (handle == NULL) return;
  vsnprintf(message, sizeof message, format, values);
  cimage_fail(handle, message);
}

// These belong to the whole process; the file that an error is of comes with it.
static void set_handlers(void) {
  TIFFSetErrorHandler(NULL);
  TIFFSetWarningHandler(NULL);
  TIFFSetErrorHandlerExt(keep_error);
}

static uint16_t field(TIFF *tiff, uint32_t tag) {
  uint16_t value = 0;
  return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : 0;
}

static void read_density(Decoder *decoder) {
  CImageTags *tags = &decoder->reader.tags;
  float x = 0, y = 0;
  uint16_t unit = field(decoder->tiff, TIFFTAG_RESOLUTIONUNIT);
  if (!TIFFGetField(decoder->tiff, TIFFTAG_XRESOLUTION, &x) ||
      !TIFFGetField(decoder->tiff, TIFFTAG_YRESOLUTION, &y))
    return;
  double scale = unit == RESUNIT_INCH ? 1 / 0.0254 : 100;
  if (!(x > 0 && y > 0 && x * scale < 2e9 && y * scale < 2e9)) return;
  if (unit == RESUNIT_NONE && x == y) return;
  tags->density_unit = unit == RESUNIT_NONE ? CIMAGE_ASPECT : CIMAGE_PER_METER;
  tags->density_x = (uint32_t)(x * scale + 0.5);
  tags->density_y = (uint32_t)(y * scale + 0.5);
}

static void read_notes(Decoder *decoder) {
  uint32_t size = 0;
  const void *data = NULL;
  CImageReader *reader = &decoder->reader;
  if (TIFFGetField(decoder->tiff, TIFFTAG_ICCPROFILE, &size, &data))
    cimage_append(&reader->icc, data, size);
  if (TIFFGetField(decoder->tiff, TIFFTAG_XMLPACKET, &size, &data))
    cimage_append(&reader->xmp, data, size);
  reader->orientation = field(decoder->tiff, TIFFTAG_ORIENTATION);
  read_density(decoder);
  if (!TIFFLastDirectory(decoder->tiff)) cimage_remark(reader, "only its first page was read");
}

// Gray and RGB of 8 and 16 bits, with or without opacity, are taken as they are.
static void choose_storage(Decoder *decoder) {
  TIFF *tiff = decoder->tiff;
  uint16_t depth = field(tiff, TIFFTAG_BITSPERSAMPLE), photometric = 0, extra_count = 0;
  uint16_t *extras = NULL;
  Storage *storage = &decoder->storage;
  CImageLayout *layout = &decoder->reader.layout;
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extras);
  storage->samples = field(tiff, TIFFTAG_SAMPLESPERPIXEL);
  storage->is_separate = field(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE;
  storage->is_inverted = photometric == PHOTOMETRIC_MINISWHITE;
  int is_gray = photometric == PHOTOMETRIC_MINISBLACK || storage->is_inverted;
  layout->channels = is_gray ? 1 : 3;
  int has_more = storage->samples > layout->channels;
  uint16_t extra = has_more && extra_count > 0 ? extras[0] : EXTRASAMPLE_UNASSALPHA;
  layout->has_alpha = has_more && extra != EXTRASAMPLE_UNSPECIFIED;
  storage->is_premultiplied = layout->has_alpha && extra == EXTRASAMPLE_ASSOCALPHA;
  layout->bit_depth = depth == 16 ? 16 : 8;
  storage->is_plain = (is_gray || photometric == PHOTOMETRIC_RGB) && (depth == 8 || depth == 16) &&
                      field(tiff, TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_UINT &&
                      storage->samples >= layout->channels;
}

// Whatever else libtiff can show: few bits, palettes, CMYK, YCbCr, Lab.
static int choose_converted(Decoder *decoder) {
  char message[1024] = "";
  TIFFRGBAImage image;
  uint16_t depth = field(decoder->tiff, TIFFTAG_BITSPERSAMPLE);
  if (depth > 16 || field(decoder->tiff, TIFFTAG_SAMPLEFORMAT) > SAMPLEFORMAT_INT)
    return cimage_fail(decoder, "a TIFF of more than 16 bits or of floating-point numbers");
  if (!TIFFRGBAImageOK(decoder->tiff, message) ||
      !TIFFRGBAImageBegin(&image, decoder->tiff, 1, message))
    return cimage_fail(decoder, message);
  decoder->reader.layout.has_alpha = image.alpha != 0;
  decoder->reader.layout.bit_depth = 8;
  if (image.photometric == PHOTOMETRIC_SEPARATED) {
    cimage_release(&decoder->reader.icc);
    cimage_remark(&decoder->reader, "its CMYK colours were converted without their profile");
  }
  TIFFRGBAImageEnd(&image);
  return 1;
}

static int open_file(CImageReader *reader) {
  Decoder *decoder = (Decoder *)reader;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, set_handlers);
  decoder->tiff = TIFFClientOpen("", "rm", decoder, read_bytes, write_bytes, seek, close_file,
                                 size_of_file, NULL, NULL);
  if (decoder->tiff == NULL) return cimage_fail(decoder, "is damaged");
  CImageLayout *layout = &decoder->reader.layout;
  if (!TIFFGetField(decoder->tiff, TIFFTAG_IMAGEWIDTH, &layout->width) ||
      !TIFFGetField(decoder->tiff, TIFFTAG_IMAGELENGTH, &layout->height))
    return cimage_fail(decoder, "its size is missing");
  decoder->reader.unbounded = 1;
  read_notes(decoder);
  choose_storage(decoder);
  if (!decoder->storage.is_plain && !choose_converted(decoder)) return 0;
  // What libtiff complained of so far it could do without.
  decoder->reader.error[0] = '\0';
  return 1;
}

// Copies `count` pixels' samples from a block into a row; a block of planes holds one sample each.
static void copy_samples(const Decoder *decoder, const uint8_t *from, int plane, size_t count,
                         uint8_t *row) {
  const CImageLayout *layout = &decoder->reader.layout;
  size_t size = (size_t)layout->bit_depth / 8;
  size_t taken = (size_t)layout->channels + (layout->has_alpha != 0);
  size_t step = decoder->storage.is_separate ? 1 : decoder->storage.samples;
  size_t first = decoder->storage.is_separate ? (size_t)plane : 0;
  size_t some = decoder->storage.is_separate ? 1 : taken;
  for (size_t x = 0; x < count; x++)
    memcpy(row + (x * taken + first) * size, from + x * step * size, some * size);
}

// Reads blocks, strips or tiles, of `width` x `height` pixels.
static int read_blocks(Decoder *decoder, uint32_t width, uint32_t height, uint8_t *pixels,
                       size_t stride) {
  const CImageLayout *layout = &decoder->reader.layout;
  int is_tiled = TIFFIsTiled(decoder->tiff);
  int planes = decoder->storage.is_separate ? layout->channels + (layout->has_alpha != 0) : 1;
  tmsize_t size = is_tiled ? TIFFTileSize(decoder->tiff) : TIFFStripSize(decoder->tiff);
  size_t sample = (size_t)layout->bit_depth / 8;
  size_t step = decoder->storage.is_separate ? sample : sample * decoder->storage.samples;
  size_t taken = sample * ((size_t)layout->channels + (layout->has_alpha != 0));
  if (size <= 0 || (size_t)size < step * width * (size_t)(is_tiled ? height : 1))
    return cimage_fail(decoder, "its tags contradict each other");
  decoder->block = malloc((size_t)size);
  if (decoder->block == NULL) return cimage_fail(decoder, "out of memory");
  for (int plane = 0; plane < planes; plane++) {
    for (uint32_t y = 0; y < layout->height; y += height) {
      uint32_t rows = layout->height - y < height ? layout->height - y : height;
      for (uint32_t x = 0; x < layout->width; x += width) {
        uint16_t sampled = (uint16_t)plane;
        tmsize_t got =
            is_tiled ? TIFFReadEncodedTile(
                           decoder->tiff, TIFFComputeTile(decoder->tiff, x, y, 0, sampled),
                           decoder->block, size)
                     : TIFFReadEncodedStrip(decoder->tiff,
                                            TIFFComputeStrip(decoder->tiff, y, sampled),
                                            decoder->block, size);
        if (got < 0 || (size_t)got < rows * width * step)
          return cimage_fail(decoder, "the file is truncated");
        uint32_t columns = layout->width - x < width ? layout->width - x : width;
        for (uint32_t i = 0; i < rows; i++)
          copy_samples(decoder, decoder->block + (size_t)i * width * step, plane, columns,
                       pixels + (y + i) * stride + x * taken);
      }
    }
  }
  return 1;
}

static unsigned divided(unsigned value, unsigned alpha, unsigned top) {
  unsigned long long color = alpha == 0 ? 0 : (unsigned long long)value * top / alpha;
  return color < top ? (unsigned)color : top;
}

// Turns white-is-zero and colours that were multiplied by their opacity into plain ones.
static void straighten(const Decoder *decoder, uint8_t *row) {
  const CImageLayout *layout = &decoder->reader.layout;
  const Storage *storage = &decoder->storage;
  if (!storage->is_inverted && !storage->is_premultiplied) return;
  int samples = layout->channels + (layout->has_alpha != 0);
  unsigned top = layout->bit_depth == 16 ? 65535 : 255;
  uint16_t *wide = (uint16_t *)(void *)row;
  for (size_t x = 0; x < layout->width; x++) {
    size_t pixel = x * (size_t)samples, last = pixel + (size_t)samples - 1;
    unsigned alpha = !layout->has_alpha ? top : top == 255 ? row[last] : wide[last];
    for (size_t i = pixel; i < pixel + (size_t)layout->channels; i++) {
      unsigned value = top == 255 ? row[i] : wide[i];
      if (storage->is_premultiplied) value = divided(value, alpha, top);
      if (storage->is_inverted) value = top - value;
      if (top == 255) row[i] = (uint8_t)value;
      else wide[i] = (uint16_t)value;
    }
  }
}

static int read_plain(Decoder *decoder, uint8_t *pixels, size_t stride) {
  const CImageLayout *layout = &decoder->reader.layout;
  uint32_t width = layout->width, height = layout->height;
  if (TIFFIsTiled(decoder->tiff)) {
    TIFFGetField(decoder->tiff, TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(decoder->tiff, TIFFTAG_TILELENGTH, &height);
  } else {
    TIFFGetFieldDefaulted(decoder->tiff, TIFFTAG_ROWSPERSTRIP, &height);
    if (height > layout->height) height = layout->height;
  }
  if (width == 0 || height == 0) return cimage_fail(decoder, "its tags contradict each other");
  if (!read_blocks(decoder, width, height, pixels, stride)) return 0;
  for (uint32_t y = 0; y < layout->height; y++) straighten(decoder, pixels + y * stride);
  return 1;
}

static int read_converted(Decoder *decoder, uint8_t *pixels, size_t stride) {
  const CImageLayout *layout = &decoder->reader.layout;
  char message[1024] = "";
  TIFFRGBAImage image;
  decoder->raster = malloc((size_t)layout->width * layout->height * sizeof *decoder->raster);
  if (decoder->raster == NULL) return cimage_fail(decoder, "out of memory");
  if (!TIFFRGBAImageBegin(&image, decoder->tiff, 1, message)) return cimage_fail(decoder, message);
  // Rows as they are stored: orientation is applied later.
  image.req_orientation = image.orientation;
  int done = TIFFRGBAImageGet(&image, decoder->raster, layout->width, layout->height);
  TIFFRGBAImageEnd(&image);
  if (!done) return cimage_fail(decoder, "is damaged");
  for (uint32_t y = 0; y < layout->height; y++) {
    const uint32_t *from = decoder->raster + (size_t)y * layout->width;
    uint8_t *to = pixels + y * stride;
    for (uint32_t x = 0; x < layout->width; x++) {
      unsigned alpha = TIFFGetA(from[x]);
      uint8_t color[3] = {TIFFGetR(from[x]), TIFFGetG(from[x]), TIFFGetB(from[x])};
      for (int c = 0; c < layout->channels; c++)
        *to++ = layout->has_alpha ? (uint8_t)divided(color[c], alpha, 255) : color[c];
      if (layout->has_alpha) *to++ = (uint8_t)alpha;
    }
  }
  return 1;
}

static int read(CImageReader *reader, uint8_t *pixels, size_t stride) {
  Decoder *decoder = (Decoder *)reader;
  return decoder->storage.is_plain ? read_plain(decoder, pixels, stride)
                                   : read_converted(decoder, pixels, stride);
}

static void release(CImageReader *reader) {
  Decoder *decoder = (Decoder *)reader;
  if (decoder->tiff != NULL) TIFFClose(decoder->tiff);
  free(decoder->block);
  free(decoder->raster);
  free(decoder);
}

CImageReader *cimage_open_tiff(CImageSource source) {
  return cimage_decoder(sizeof(Decoder), source, open_file, read, release);
}
