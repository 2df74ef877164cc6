// The platform, its one device, queues and events.
#include "gpu.h"

#include <stdarg.h>

static struct _cl_platform_id platform = {&dispatch};
static struct _cl_device_id device = {&dispatch};
static struct _cl_context context = {&dispatch};
static struct _cl_command_queue queue = {&dispatch};
static struct _cl_event done = {&dispatch};

size_t setting(const char *name, size_t otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

void note(const char *format, ...) {
  static FILE *file;
  const char *path = getenv("INVENTED_GPU_LOG");
  if (!file && path) file = fopen(path, "a");
  if (!file) return;
  va_list values;
  va_start(values, format);
  vfprintf(file, format, values);
  va_end(values);
  fflush(file);
}

cl_int answer(const void *value, size_t size, size_t room, void *target, size_t *length) {
  if (length) *length = size;
  if (target && room < size) return CL_INVALID_VALUE;
  if (target) memcpy(target, value, size);
  return CL_SUCCESS;
}

#define ANSWER_TEXT(text) return answer(text, strlen(text) + 1, room, target, length)

size_t kernel_group(void) {
  return setting("INVENTED_GPU_KERNEL_GROUP", setting("INVENTED_GPU_GROUP", 1024));
}

static cl_int platform_ids(cl_uint room, cl_platform_id *ids, cl_uint *count) {
  if (count) *count = 1;
  if (ids && room) ids[0] = &platform;
  return CL_SUCCESS;
}

static cl_int platform_info(
    cl_platform_id id, cl_platform_info what, size_t room, void *target, size_t *length) {
  switch (what) {
    case CL_PLATFORM_NAME: ANSWER_TEXT(setting("INVENTED_GPU_MESA", 0) == 1 ? "rusticl" : "Invented");
    case CL_PLATFORM_VENDOR: ANSWER_TEXT("nobody");
    case CL_PLATFORM_VERSION: ANSWER_TEXT("OpenCL 1.2");
    case CL_PLATFORM_PROFILE: ANSWER_TEXT("FULL_PROFILE");
    case CL_PLATFORM_EXTENSIONS: ANSWER_TEXT("cl_khr_icd");
    case CL_PLATFORM_ICD_SUFFIX_KHR: ANSWER_TEXT("INV");
    default: return CL_INVALID_VALUE;
  }
}

static cl_int device_ids(
    cl_platform_id id, cl_device_type type, cl_uint room, cl_device_id *ids, cl_uint *count) {
  if (!(type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_DEFAULT))) return CL_DEVICE_NOT_FOUND;
  if (count) *count = 1;
  if (ids && room) ids[0] = &device;
  return CL_SUCCESS;
}

static cl_int device_info(
    cl_device_id id, cl_device_info what, size_t room, void *target, size_t *length) {
  const size_t memory = setting("INVENTED_GPU_MEMORY", (size_t)8 << 30);
  switch (what) {
    case CL_DEVICE_NAME: ANSWER_TEXT(setting("INVENTED_GPU_MESA", 0) ? "llvmpipe (invented)" : "Invented GPU");
    case CL_DEVICE_VENDOR: ANSWER_TEXT("nobody");
    case CL_DRIVER_VERSION: ANSWER_TEXT("1");
    case CL_DEVICE_VERSION: ANSWER_TEXT("OpenCL 1.2");
    case CL_DEVICE_TYPE: ANSWER(cl_device_type, CL_DEVICE_TYPE_GPU);
    case CL_DEVICE_PLATFORM: ANSWER(cl_platform_id, &platform);
    case CL_DEVICE_AVAILABLE: ANSWER(cl_bool, CL_TRUE);
    case CL_DEVICE_GLOBAL_MEM_SIZE: ANSWER(cl_ulong, memory);
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
      ANSWER(cl_ulong, setting("INVENTED_GPU_ALLOCATION", memory / 4));
    case CL_DEVICE_LOCAL_MEM_SIZE: ANSWER(cl_ulong, setting("INVENTED_GPU_LOCAL", 48 << 10));
    case CL_DEVICE_MAX_COMPUTE_UNITS: ANSWER(cl_uint, setting("INVENTED_GPU_UNITS", 64));
    case CL_DEVICE_MAX_WORK_GROUP_SIZE: ANSWER(size_t, setting("INVENTED_GPU_GROUP", 1024));
    case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT: ANSWER(cl_uint, 1);
    case CL_DEVICE_MEM_BASE_ADDR_ALIGN: ANSWER(cl_uint, 1024);
    case CL_DEVICE_MAX_CLOCK_FREQUENCY: ANSWER(cl_uint, 1500);
    case CL_DEVICE_HOST_UNIFIED_MEMORY: ANSWER(cl_bool, setting("INVENTED_GPU_SHARED", 0) != 0);
    // CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV: other drivers do not know the question.
    case 0x4000:
      if (!setting("INVENTED_GPU_CAPABILITY", 0)) return CL_INVALID_VALUE;
      ANSWER(cl_uint, setting("INVENTED_GPU_CAPABILITY", 0));
    case 0x4001: ANSWER(cl_uint, 0);
    default: return CL_INVALID_VALUE;
  }
}

static cl_context create_context(
    const cl_context_properties *properties, cl_uint count, const cl_device_id *ids,
    void(CL_CALLBACK *report)(const char *, const void *, size_t, void *), void *data, cl_int *code) {
  if (code) *code = CL_SUCCESS;
  return &context;
}

static cl_command_queue create_queue(
    cl_context c, cl_device_id id, cl_command_queue_properties properties, cl_int *code) {
  if (code) *code = CL_SUCCESS;
  return &queue;
}

static cl_int release_context(cl_context c) { return CL_SUCCESS; }
static cl_int release_queue(cl_command_queue q) { return CL_SUCCESS; }
static cl_int flush(cl_command_queue q) { return CL_SUCCESS; }
static cl_int release_event(cl_event event) { return CL_SUCCESS; }
static cl_int wait_for_events(cl_uint count, const cl_event *events) { return CL_SUCCESS; }

static cl_int enqueue_marker(
    cl_command_queue q, cl_uint count, const cl_event *events, cl_event *event) {
  if (event) *event = &done;
  return CL_SUCCESS;
}

static cl_int event_info(
    cl_event event, cl_event_info what, size_t room, void *target, size_t *length) {
  if (what != CL_EVENT_COMMAND_EXECUTION_STATUS) return CL_INVALID_VALUE;
  ANSWER(cl_int, CL_COMPLETE);
}

static cl_int profiling_info(
    cl_event event, cl_profiling_info what, size_t room, void *target, size_t *length) {
  ANSWER(cl_ulong, 0);
}

static cl_int launch_with_event(
    cl_command_queue q, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
    const size_t *global, const size_t *local, cl_uint count, const cl_event *events,
    cl_event *event) {
  if (event) *event = &done;
  return launch(q, kernel, dimensions, offset, global, local, count, events, event);
}

static void *extension(const char *name);

const cl_icd_dispatch dispatch = {
    .clGetPlatformIDs = platform_ids,
    .clGetPlatformInfo = platform_info,
    .clGetDeviceIDs = device_ids,
    .clGetDeviceInfo = device_info,
    .clCreateContext = create_context,
    .clReleaseContext = release_context,
    .clCreateCommandQueue = create_queue,
    .clReleaseCommandQueue = release_queue,
    .clCreateBuffer = create_buffer,
    .clReleaseMemObject = release_buffer,
    .clEnqueueWriteBuffer = write_buffer,
    .clEnqueueReadBuffer = read_buffer,
    .clEnqueueWriteBufferRect = write_rows,
    .clEnqueueReadBufferRect = read_rows,
    .clEnqueueFillBuffer = fill_buffer,
    .clEnqueueCopyBuffer = copy_buffer,
    .clCreateProgramWithSource = create_program,
    .clCreateProgramWithBinary = create_from_binary,
    .clBuildProgram = build_program,
    .clReleaseProgram = release_program,
    .clGetProgramInfo = program_info,
    .clGetProgramBuildInfo = build_info,
    .clCreateKernel = create_kernel,
    .clReleaseKernel = release_kernel,
    .clGetKernelInfo = kernel_info,
    .clGetKernelWorkGroupInfo = kernel_group_info,
    .clSetKernelArg = set_argument,
    .clEnqueueNDRangeKernel = launch_with_event,
    .clEnqueueMarkerWithWaitList = enqueue_marker,
    .clWaitForEvents = wait_for_events,
    .clGetEventInfo = event_info,
    .clGetEventProfilingInfo = profiling_info,
    .clReleaseEvent = release_event,
    .clFlush = flush,
    .clFinish = flush,
    .clGetExtensionFunctionAddress = extension,
};

static void *extension(const char *name) {
  if (!strcmp(name, "clIcdGetPlatformIDsKHR")) return platform_ids;
  if (!strcmp(name, "clGetPlatformInfo")) return platform_info;
  return NULL;
}

// What the loader looks for in a driver.
__attribute__((visibility("default"))) void *clGetExtensionFunctionAddress(const char *name) {
  return extension(name);
}
