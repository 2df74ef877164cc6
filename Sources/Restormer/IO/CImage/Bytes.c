#define _GNU_SOURCE  // memmem
#include "Bytes.h"

#include <stdlib.h>
#include <string.h>

size_t cimage_find(CImageSpan bytes, size_t start, CImageSpan text) {
  if (start >= bytes.count) return bytes.count;
  const uint8_t *hit = memmem(bytes.bytes + start, bytes.count - start, text.bytes, text.count);
  return hit == NULL ? bytes.count : (size_t)(hit - bytes.bytes);
}

void cimage_release(CImageBytes *bytes) {
  free(bytes->bytes);
  *bytes = (CImageBytes){0};
}

int cimage_append(CImageBytes *to, const void *bytes, size_t count) {
  if (count == 0) return 1;
  if (count > to->capacity - to->count) {
    size_t capacity = to->capacity + (to->capacity > count ? to->capacity : count);
    uint8_t *grown = realloc(to->bytes, capacity);
    if (grown == NULL) return 0;
    to->bytes = grown;
    to->capacity = capacity;
  }
  memcpy(to->bytes + to->count, bytes, count);
  to->count += count;
  return 1;
}

void *cimage_decoder(size_t size, CImageSource source, int (*open)(CImageReader *reader),
                     int (*read)(CImageReader *reader, uint8_t *pixels, size_t stride),
                     void (*release)(CImageReader *reader)) {
  CImageReader *reader = calloc(1, size);
  if (reader == NULL) return NULL;
  reader->source = source;
  reader->read = read;
  reader->release = release;
  if (open != NULL) open(reader);
  return reader;
}

static void copy_line(char *text, size_t room, const char *message) {
  size_t i = 0;
  for (; message[i] != '\0' && i + 1 < room; i++) {
    unsigned char c = (unsigned char)message[i];
    text[i] = c < 0x20 || c > 0x7E ? ' ' : (char)c;
  }
  text[i] = '\0';
}

void cimage_say(char *text, const char *message) { copy_line(text, CIMAGE_TEXT_LENGTH, message); }

int cimage_fail(void *decoder, const char *message) {
  CImageReader *reader = decoder;
  if (reader->error[0] == '\0') cimage_say(reader->error, message);
  return 0;
}

void cimage_remark(CImageReader *reader, const char *message) {
  size_t used = strlen(reader->remark);
  if (strstr(reader->remark, message) != NULL) return;
  if (used > 0 && used + 3 < CIMAGE_TEXT_LENGTH) {
    memcpy(reader->remark + used, "; ", 3);
    used += 2;
  }
  copy_line(reader->remark + used, CIMAGE_TEXT_LENGTH - used, message);
}

int cimage_read(CImageReader *reader, uint8_t *pixels, size_t stride) {
  return reader->read(reader, pixels, stride);
}

void cimage_close(CImageReader *reader) {
  if (reader == NULL) return;
  cimage_release(&reader->icc);
  cimage_release(&reader->exif);
  cimage_release(&reader->xmp);
  cimage_release(&reader->more_xmp);
  // Frees the whole of it, of which the reader is the beginning.
  reader->release(reader);
}
