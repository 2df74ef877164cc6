#include "CBundledModels.h"

static const unsigned char document_deblurring[] = {
#embed "../../../Models/document-deblurring.safetensors"
};

static const struct restormer_bundled_model models[] = {
    {"document-deblurring", document_deblurring, sizeof document_deblurring},
};

const struct restormer_bundled_model *restormer_bundled_model(size_t index) {
  return index < sizeof models / sizeof *models ? &models[index] : NULL;
}
