#ifndef RESTORMER_BUNDLED_MODELS_H
#define RESTORMER_BUNDLED_MODELS_H

#include <stddef.h>

/// A weights file, embedded at build time.
struct restormer_bundled_model {
  /// Its name without the extension, terminated by a zero byte.
  const char *name;
  /// The file: safetensors.
  const unsigned char *bytes;
  /// Bytes of the file.
  size_t size;
};

/// The files of the folder Models, or NULL past the last one. The first is the one for whoever names none.
const struct restormer_bundled_model *restormer_bundled_model(size_t index);

#endif
