#include "Bytes.h"

#include <stdlib.h>
#include <string.h>

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

void cimage_say(char *error, const char *message) {
  size_t i = 0;
  for (; message[i] != '\0' && i + 1 < CIMAGE_ERROR_LENGTH; i++) {
    unsigned char c = (unsigned char)message[i];
    error[i] = c < 0x20 || c > 0x7E ? ' ' : (char)c;
  }
  error[i] = '\0';
}
