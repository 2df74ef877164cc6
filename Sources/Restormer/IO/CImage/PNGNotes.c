#include "PNGNotes.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// Far more than any such chunk has; it bounds what a hostile one can unpack to.
enum { LARGEST_CHUNK = 16 << 20 };

static const char XMP_KEYWORD[] = "XML:com.adobe.xmp";

void cimage_skip_png_notes(png_structp png) {
  static const png_byte names[] = "iCCP\0eXIf\0cICP\0iTXt\0zTXt\0tEXt";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, 6);
}

// Unpacks a zlib stream. A stream that stops before its checksum, or fails it, is `*whole` = 0.
static int unpack(const uint8_t *data, size_t size, CImageBytes *to, int *whole) {
  z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)size};
  if (inflateInit(&stream) != Z_OK) return 0;
  int status = Z_OK;
  do {
    uint8_t block[4096];
    stream.next_out = block;
    stream.avail_out = sizeof block;
    status = inflate(&stream, Z_NO_FLUSH);
    if (!cimage_append(to, block, sizeof block - stream.avail_out)) status = Z_MEM_ERROR;
  } while (status == Z_OK && to->count <= LARGEST_CHUNK);
  inflateEnd(&stream);
  *whole = status == Z_STREAM_END;
  return status != Z_MEM_ERROR && to->count <= LARGEST_CHUNK;
}

// The place behind a text of at most 79 characters and its zero, or NULL.
static const uint8_t *after_keyword(const CImageBytes *chunk) {
  size_t most = chunk->count < 80 ? chunk->count : 80;
  const uint8_t *end = chunk->count == 0 ? NULL : memchr(chunk->bytes, 0, most);
  return end == NULL ? NULL : end + 1;
}

static size_t left(const CImageBytes *chunk, const uint8_t *from) {
  return (size_t)(chunk->bytes + chunk->count - from);
}

// Whether the keyword is `name`, whose size counts its zero.
static int has_keyword(const CImageBytes *chunk, const char *name, size_t size) {
  return chunk->count >= size && memcmp(chunk->bytes, name, size) == 0;
}

// A name, the method 0, the packed profile, whose first four bytes are its length.
static void take_profile(CImageReader *reader, const CImageBytes *chunk) {
  const uint8_t *method = after_keyword(chunk);
  if (reader->icc.count > 0 || method == NULL || left(chunk, method) < 1 || *method != 0) return;
  int whole = 0;
  int sound = unpack(method + 1, left(chunk, method) - 1, &reader->icc, &whole);
  size_t length = reader->icc.count < 4 ? 0 : cimage_big_endian(reader->icc.bytes);
  if (sound && (whole || (length >= 128 && reader->icc.count == length))) return;
  cimage_release(&reader->icc);
  cimage_remark(reader, "its colour profile is damaged and was left out");
}

// The first one counts. Where memory is short, the picture is worth more than its notes.
static void keep(const uint8_t *text, size_t size, CImageBytes *to) {
  if (to->count == 0) cimage_append(to, text, size);
}

// Keyword, compression flag and method, language, keyword again in that language, text.
static void take_international(CImageReader *reader, const CImageBytes *chunk) {
  const uint8_t *flag = after_keyword(chunk);
  if (flag == NULL || left(chunk, flag) < 4 ||
      !has_keyword(chunk, XMP_KEYWORD, sizeof XMP_KEYWORD))
    return;
  const uint8_t *language = flag + 2;
  const uint8_t *end = memchr(language, 0, left(chunk, language));
  const uint8_t *translated = end == NULL ? NULL : end + 1;
  end = translated == NULL ? NULL : memchr(translated, 0, left(chunk, translated));
  if (end == NULL) return;
  CImageBytes unpacked = {0};
  int whole = 1;
  if (flag[0] == 0) {
    keep(end + 1, left(chunk, end + 1), &reader->xmp);
  } else if (unpack(end + 1, left(chunk, end + 1), &unpacked, &whole) && whole) {
    keep(unpacked.bytes, unpacked.count, &reader->xmp);
  }
  cimage_release(&unpacked);
}

static int digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// ImageMagick's way: a line break, the kind, the length in decimal digits, then hexadecimal ones.
static void take_raw_profile(const uint8_t *text, size_t size, CImageBytes *to) {
  static const uint8_t header[] = "Exif\0";
  size_t i = 0;
  for (int lines = 0; i < size && lines < 3; i++) lines += text[i] == '\n';
  int high = -1;
  for (; i < size; i++) {
    int value = digit(text[i]);
    if (value < 0) continue;
    uint8_t byte = (uint8_t)(high << 4 | value);
    if (high >= 0 && !cimage_append(to, &byte, 1)) break;
    high = high < 0 ? value : -1;
  }
  if (to->count > sizeof header && memcmp(to->bytes, header, sizeof header) == 0) {
    to->count -= sizeof header;
    memmove(to->bytes, to->bytes + sizeof header, to->count);
  }
}

static void take_old_text(CImageReader *reader, const CImageBytes *chunk, int packed) {
  static const char exif[] = "Raw profile type exif", app1[] = "Raw profile type APP1";
  const uint8_t *text = after_keyword(chunk);
  if (text == NULL || reader->exif.count > 0 ||
      (!has_keyword(chunk, exif, sizeof exif) && !has_keyword(chunk, app1, sizeof app1)))
    return;
  if (!packed) return take_raw_profile(text, left(chunk, text), &reader->exif);
  CImageBytes unpacked = {0};
  int whole = 0;
  if (left(chunk, text) > 1 && unpack(text + 1, left(chunk, text) - 1, &unpacked, &whole) && whole)
    take_raw_profile(unpacked.bytes, unpacked.count, &reader->exif);
  cimage_release(&unpacked);
}

static void take(CImageReader *reader, const char *type, const CImageBytes *chunk) {
  if (!memcmp(type, "iCCP", 4)) take_profile(reader, chunk);
  if (!memcmp(type, "iTXt", 4)) take_international(reader, chunk);
  if (!memcmp(type, "zTXt", 4)) take_old_text(reader, chunk, 1);
  if (!memcmp(type, "tEXt", 4)) take_old_text(reader, chunk, 0);
  if (!memcmp(type, "eXIf", 4)) {
    // The chunk made for it stands above an older way.
    cimage_release(&reader->exif);
    keep(chunk->bytes, chunk->count, &reader->exif);
  }
  if (!memcmp(type, "cICP", 4) && chunk->count == 4) {
    reader->tags.has_cicp = 1;
    memcpy(reader->tags.cicp, chunk->bytes, 4);
  }
}

static int is_wanted(const char *type, uint32_t length) {
  static const char *const names[] = {"iCCP", "eXIf", "cICP", "iTXt", "zTXt", "tEXt"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!memcmp(type, names[i], 4)) return length <= LARGEST_CHUNK;
  return 0;
}

// Reads a chunk's data if its checksum is right.
static int load(const CImageSource *source, uint64_t offset, uint32_t length, CImageBytes *chunk) {
  if (offset + 12 + length > source->size) return 0;
  size_t count = (size_t)length + 8;
  if (count > chunk->capacity) {
    uint8_t *grown = realloc(chunk->bytes, count);
    if (grown == NULL) return 0;
    chunk->bytes = grown;
    chunk->capacity = count;
  }
  // Type, data and checksum; the checksum is of the first two.
  if (source->read(source->context, offset + 4, chunk->bytes, count) != count) return 0;
  uint32_t found = cimage_big_endian(chunk->bytes + 4 + length);
  if (crc32(crc32(0, NULL, 0), chunk->bytes, 4 + length) != found) return 0;
  chunk->count = length;
  memmove(chunk->bytes, chunk->bytes + 4, length);
  return 1;
}

void cimage_read_png_notes(CImageReader *reader) {
  const CImageSource *source = &reader->source;
  CImageBytes chunk = {0};
  uint8_t start[8];
  uint64_t offset = 8;
  while (offset + 12 <= source->size) {
    if (source->read(source->context, offset, start, sizeof start) != sizeof start) break;
    uint32_t length = cimage_big_endian(start);
    const char *type = (const char *)start + 4;
    if (!memcmp(type, "IEND", 4)) break;
    if (is_wanted(type, length) && load(source, offset, length, &chunk)) take(reader, type, &chunk);
    offset += 12 + (uint64_t)length;
  }
  cimage_release(&chunk);
}

static void write_profile(png_structp png, CImageSpan icc, CImageBytes *chunk) {
  static const uint8_t start[] = "ICC profile\0";
  uLongf packed = compressBound(icc.count);
  chunk->bytes = malloc(sizeof start + packed);
  if (chunk->bytes == NULL) png_error(png, "out of memory");
  memcpy(chunk->bytes, start, sizeof start);
  if (compress2(chunk->bytes + sizeof start, &packed, icc.bytes, icc.count, 9) != Z_OK)
    png_error(png, "out of memory");
  png_write_chunk(png, (png_const_bytep) "iCCP", chunk->bytes, sizeof start + packed);
  cimage_release(chunk);
}

static void write_xmp(png_structp png, CImageSpan xmp, CImageBytes *chunk) {
  // Behind the keyword: not packed, method 0, no language, no translated keyword.
  static const uint8_t rest[4] = {0};
  if (!cimage_append(chunk, XMP_KEYWORD, sizeof XMP_KEYWORD) ||
      !cimage_append(chunk, rest, sizeof rest) || !cimage_append(chunk, xmp.bytes, xmp.count))
    png_error(png, "out of memory");
  png_write_chunk(png, (png_const_bytep) "iTXt", chunk->bytes, chunk->count);
  cimage_release(chunk);
}

void cimage_write_png_notes(png_structp png, const CImageNotes *notes, CImageBytes *chunk) {
  if (notes->tags.has_cicp) png_write_chunk(png, (png_const_bytep) "cICP", notes->tags.cicp, 4);
  if (notes->icc.count > 0) write_profile(png, notes->icc, chunk);
  if (notes->exif.count > 0)
    png_write_chunk(png, (png_const_bytep) "eXIf", notes->exif.bytes, notes->exif.count);
  if (notes->xmp.count > 0) write_xmp(png, notes->xmp, chunk);
}
