// Image files, from and to memory, by libpng, libjpeg, libtiff and libwebp.
//
// These libraries report faults by `longjmp` or callbacks, which Swift code must never be jumped
// over: each function here catches them and leaves one line of text. Pixels are interleaved rows
// of samples, 8 bits or 16 in the machine's byte order; nothing is gamma-corrected.
#ifndef RESTORMER_CIMAGE_H
#define RESTORMER_CIMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { CIMAGE_TEXT_LENGTH = 256 };

typedef struct {
  uint32_t width;
  uint32_t height;
  int32_t channels;   // 1 gray, 3 RGB
  int32_t has_alpha;  // one sample more, the last
  int32_t bit_depth;  // 8 or 16
} CImageLayout;

enum { CIMAGE_NO_DENSITY, CIMAGE_ASPECT, CIMAGE_PER_METER };

// What a file says of its pixels besides their values. Zeros where it says nothing.
typedef struct {
  int32_t has_srgb;
  int32_t srgb_intent;
  int32_t gamma;  // times 100,000
  int32_t has_chromaticities;
  int32_t chromaticities[8];  // white, red, green, blue; x and y; times 100,000
  int32_t has_cicp;
  uint8_t cicp[4];  // primaries, transfer, matrix, range: ITU-T H.273
  int32_t density_unit;  // one of the three above
  uint32_t density_x;
  uint32_t density_y;
} CImageTags;

// Bytes on the C heap.
typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
} CImageBytes;

// A file: `read` copies `count` bytes from `offset` and returns how many it could.
typedef struct {
  void *context;
  uint64_t size;
  size_t (*read)(void *context, uint64_t offset, void *to, size_t count);
} CImageSource;

// An open image file. What is in the file besides pixels is known once it is open, remarks may be
// added by reading them.
typedef struct CImageReader CImageReader;
struct CImageReader {
  CImageLayout layout;  // as stored: orientation is not applied
  int32_t orientation;  // where the format itself has one, 1 to 8; else 0
  int32_t unbounded;    // whether a few bytes can hold any number of pixels
  CImageTags tags;
  CImageBytes icc, exif, xmp;  // empty without; EXIF from its TIFF header on
  CImageBytes more_xmp;        // a JPEG's chunks of extended XMP, a size of 4 big-endian bytes before each
  char error[CIMAGE_TEXT_LENGTH];
  char remark[CIMAGE_TEXT_LENGTH];  // what was amiss although all pixels are there
  CImageSource source;
  int (*read)(CImageReader *reader, uint8_t *pixels, size_t stride);
  void (*release)(CImageReader *reader);
};

// Open a file up to its pixels. NULL when memory is short; a fault is in `error`, else that is
// empty. `cimage_close` frees the reader either way.
CImageReader *cimage_open_png(CImageSource source);
CImageReader *cimage_open_jpeg(CImageSource source);
CImageReader *cimage_open_tiff(CImageSource source);
CImageReader *cimage_open_webp(CImageSource source);
CImageReader *cimage_open_bmp(CImageSource source);

// Reads all rows, `stride` bytes apart, once. Returns 0 upon a fault: no image is partly read.
int cimage_read(CImageReader *reader, uint8_t *pixels, size_t stride);

void cimage_close(CImageReader *reader);

// What is put into a file besides its pixels.
typedef struct {
  const uint8_t *bytes;
  size_t count;
} CImageSpan;

// Where a text first stands in bytes from `start` on, or their count.
size_t cimage_find(CImageSpan bytes, size_t start, CImageSpan text);

typedef struct {
  CImageTags tags;
  CImageSpan icc, exif, xmp;
  CImageSpan more_xmp, more_xmp_name;  // a JPEG's extended XMP and the 32 digits that name it, or empty
} CImageNotes;

// Where an encoder gets its rows from and its bytes go to; `write` returns 0 when it cannot.
typedef struct {
  void *context;
  void (*fill)(void *context, uint32_t y, uint8_t *row);
  int (*write)(void *context, const uint8_t *bytes, size_t count);
} CImageOutput;

// What notes of a JPEG may hold: a segment is of 65,533 bytes, its name among them; a profile is spread over up to 255.
enum { CIMAGE_JPEG_EXIF = 65533 - 6, CIMAGE_JPEG_XMP = 65533 - 29, CIMAGE_JPEG_ICC = 255 * 65519 };

// Encode row after row. Return 0 with one line in `error`, or 1. JPEG has no alpha.
int cimage_encode_png(const CImageLayout *layout, const CImageNotes *notes,
                      const CImageOutput *output, char *error);
int cimage_encode_jpeg(const CImageLayout *layout, const CImageNotes *notes, int quality,
                       const CImageOutput *output, char *error);

// Samples to values in [0, 1] and back, `step` samples apart. Back: clamped, scaled, rounded,
// halves to even; NaN gives 0.
void cimage_unpack(const uint8_t *samples, int bit_depth, size_t step, size_t count, float *values);
void cimage_pack(const float *values, int bit_depth, size_t step, size_t count, uint8_t *samples);

#endif
