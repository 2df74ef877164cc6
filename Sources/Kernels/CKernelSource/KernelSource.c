#include "CKernelSource.h"

const char restormer_kernel_source[] = {
#embed "../../../kernels.cl"
  , 0
};
