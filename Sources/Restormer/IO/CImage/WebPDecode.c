#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "Bytes.h"

typedef struct {
  CImageReader reader;  // must come first
  CImageBytes file;
  int is_animated;
} Decoder;

static void take(const WebPDemuxer *demuxer, const char *name, CImageBytes *to) {
  static const char exif[] = "Exif\0";
  WebPChunkIterator chunk;
  if (!WebPDemuxGetChunk(demuxer, name, 1, &chunk)) return;
  const uint8_t *bytes = chunk.chunk.bytes;
  size_t size = chunk.chunk.size;
  // Some programs put the name of JPEG's segment before it.
  size_t skip = size > sizeof exif && !memcmp(bytes, exif, sizeof exif) ? sizeof exif : 0;
  cimage_append(to, bytes + skip, size - skip);
  WebPDemuxReleaseChunkIterator(&chunk);
}

static void read_notes(Decoder *decoder) {
  WebPData data = {decoder->file.bytes, decoder->file.count};
  WebPDemuxer *demuxer = WebPDemux(&data);
  if (demuxer == NULL) return;
  take(demuxer, "ICCP", &decoder->reader.icc);
  take(demuxer, "EXIF", &decoder->reader.exif);
  take(demuxer, "XMP ", &decoder->reader.xmp);
  WebPDemuxDelete(demuxer);
}

static int open_file(CImageReader *reader) {
  Decoder *decoder = (Decoder *)reader;
  const CImageSource *source = &decoder->reader.source;
  CImageBytes *file = &decoder->file;
  file->bytes = malloc(source->size > 0 ? (size_t)source->size : 1);
  if (file->bytes == NULL) return cimage_fail(decoder, "out of memory");
  file->count = source->read(source->context, 0, file->bytes, (size_t)source->size);
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file->bytes, file->count, &features) != VP8_STATUS_OK)
    return cimage_fail(decoder, "is damaged or truncated");
  decoder->is_animated = features.has_animation;
  decoder->reader.layout = (CImageLayout){
      .width = (uint32_t)features.width,
      .height = (uint32_t)features.height,
      .channels = 3,
      .has_alpha = features.has_alpha,
      .bit_depth = 8,
  };
  decoder->reader.unbounded = 1;
  read_notes(decoder);
  if (decoder->is_animated)
    cimage_remark(&decoder->reader, "only the first picture of its animation was read");
  return 1;
}

static int read_first_frame(Decoder *decoder, uint8_t *pixels, size_t stride) {
  const CImageLayout *layout = &decoder->reader.layout;
  WebPData data = {decoder->file.bytes, decoder->file.count};
  WebPAnimDecoder *animation = WebPAnimDecoderNew(&data, NULL);
  uint8_t *canvas = NULL;
  int time = 0;
  int done = animation != NULL && WebPAnimDecoderGetNext(animation, &canvas, &time);
  for (size_t y = 0; done && y < layout->height; y++) {
    const uint8_t *from = canvas + y * layout->width * 4;
    uint8_t *to = pixels + y * stride;
    size_t samples = layout->has_alpha ? 4 : 3;
    for (size_t x = 0; x < layout->width; x++) memcpy(to + x * samples, from + x * 4, samples);
  }
  WebPAnimDecoderDelete(animation);
  return done;
}

static int read(CImageReader *reader, uint8_t *pixels, size_t stride) {
  Decoder *decoder = (Decoder *)reader;
  const CImageBytes *file = &decoder->file;
  size_t size = stride * reader->layout.height;
  int done;
  if (decoder->is_animated) {
    done = read_first_frame(decoder, pixels, stride);
  } else if (reader->layout.has_alpha) {
    done = WebPDecodeRGBAInto(file->bytes, file->count, pixels, size, (int)stride) != NULL;
  } else {
    done = WebPDecodeRGBInto(file->bytes, file->count, pixels, size, (int)stride) != NULL;
  }
  return done ? 1 : cimage_fail(decoder, "is damaged or truncated");
}

static void release(CImageReader *reader) {
  cimage_release(&((Decoder *)reader)->file);
  free(reader);
}

CImageReader *cimage_open_webp(CImageSource source) {
  return cimage_decoder(sizeof(Decoder), source, open_file, read, release);
}
