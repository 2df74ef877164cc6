// OpenCL 1.2 is the level every vendor's driver offers; newer calls are never needed.
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
