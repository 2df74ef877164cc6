#include "BMPRuns.h"

typedef struct {
  const CImageSource *source;
  uint64_t offset;   // of the next block
  size_t next, count;
  uint8_t block[4096];
} Input;

static int take(Input *input, uint8_t *byte) {
  if (input->next == input->count) {
    uint64_t size = input->source->size;
    uint64_t left = input->offset < size ? size - input->offset : 0;
    size_t wanted = left < sizeof input->block ? (size_t)left : sizeof input->block;
    input->count = input->source->read(input->source->context, input->offset, input->block, wanted);
    input->offset += input->count;
    input->next = 0;
    if (input->count == 0) return 0;
  }
  *byte = input->block[input->next++];
  return 1;
}

typedef struct {
  uint8_t *rows;
  size_t stride;
  int bits;
  uint32_t width, height, x, y;
} Output;

// What would lie beside the picture is dropped.
static void put(Output *output, unsigned value) {
  if (output->x < output->width && output->y < output->height) {
    uint8_t *row = output->rows + output->y * output->stride;
    if (output->bits == 8) row[output->x] = (uint8_t)value;
    else row[output->x / 2] |= (uint8_t)(output->x % 2 == 0 ? value << 4 : value);
  }
  output->x++;
}

// The `i`th number of a byte or pair: of 4 bits, the upper half comes first.
static unsigned part(const Output *output, uint8_t byte, unsigned i) {
  if (output->bits == 8) return byte;
  return i % 2 == 0 ? byte >> 4 : byte & 15;
}

// Numbers as they are, padded to pairs of bytes.
static int take_numbers(Input *input, Output *output, unsigned count) {
  unsigned bytes = output->bits == 8 ? count : (count + 1) / 2;
  uint8_t byte = 0;
  for (unsigned i = 0; i < bytes; i++) {
    if (!take(input, &byte)) return 0;
    unsigned first = output->bits == 8 ? i : 2 * i;
    put(output, part(output, byte, 0));
    if (output->bits == 4 && first + 1 < count) put(output, part(output, byte, 1));
  }
  return bytes % 2 == 0 || take(input, &byte);
}

int cimage_bmp_runs(const CImageSource *source, uint64_t offset, int bits, uint32_t width,
                    uint32_t height, size_t stride, uint8_t *rows) {
  enum { END_OF_ROW, END_OF_PICTURE, MOVE };
  Input input = {.source = source, .offset = offset};
  Output output = {.rows = rows, .stride = stride, .bits = bits, .width = width, .height = height};
  uint8_t count = 0, value = 0, right = 0, up = 0;
  while (output.y < height) {
    if (!take(&input, &count) || !take(&input, &value)) return 0;
    if (count > 0) {
      for (unsigned i = 0; i < count; i++) put(&output, part(&output, value, i));
    } else if (value == END_OF_PICTURE) {
      return 1;
    } else if (value == END_OF_ROW) {
      output.x = 0;
      output.y++;
    } else if (value == MOVE) {
      if (!take(&input, &right) || !take(&input, &up)) return 0;
      output.x += right;
      output.y += up;
    } else if (!take_numbers(&input, &output, value)) {
      return 0;
    }
    // Some writers leave out the end of the last row.
    if (output.y + 1 == height && output.x >= width && input.next == input.count &&
        input.offset >= source->size)
      return 1;
  }
  return 1;
}
