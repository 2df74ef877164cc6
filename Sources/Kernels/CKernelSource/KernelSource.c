#include "CKernelSource.h"

static const char source[] = {
#embed "../../../kernels.cl"
  , 0
};

const char *restormer_kernel_source_text(void) { return source; }
