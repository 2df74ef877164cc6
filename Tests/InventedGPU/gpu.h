// An OpenCL driver for a GPU that does not exist: it keeps books of memory, programs and launches, and computes nothing but
// the one sum by which a program tests a device. What a run would ask of a card of any size can be seen without the card.
//
// Environment (numbers in bytes unless said otherwise):
//   INVENTED_GPU_MEMORY       memory (8 GiB)
//   INVENTED_GPU_ALLOCATION   largest allocation (a quarter of the memory)
//   INVENTED_GPU_FREE         what is really free: beyond it an allocation fails with CL_MEM_OBJECT_ALLOCATION_FAILURE (all)
//   INVENTED_GPU_LAZY         1: such an allocation succeeds, and launches that find it there fail with CL_OUT_OF_RESOURCES
//   INVENTED_GPU_SHARED       1: it shares the machine's memory
//   INVENTED_GPU_GROUP        work-items of the largest work-group (1024)
//   INVENTED_GPU_KERNEL_GROUP the same for each kernel, which registers may hold lower (that of the device)
//   INVENTED_GPU_LOCAL        local memory of a work-group (48 KiB)
//   INVENTED_GPU_UNITS        compute units, a number (64)
//   INVENTED_GPU_CAPABILITY   generation of NVIDIA's instructions, as its driver says it (none)
//   INVENTED_GPU_MESA         1: it bears the names of Mesa's renderer for host processors; 2: on a platform of another name
//   INVENTED_GPU_LOG          a file that gets a line for every buffer and launch
//   INVENTED_GPU_PROGRAMS     a folder that gets every program as HASH.cl, its options as HASH.options
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl_icd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The loader finds a driver's functions through the first field of every object.
struct _cl_platform_id { const cl_icd_dispatch *dispatch; };
struct _cl_device_id { const cl_icd_dispatch *dispatch; };
struct _cl_context { const cl_icd_dispatch *dispatch; };
struct _cl_command_queue { const cl_icd_dispatch *dispatch; };
struct _cl_event { const cl_icd_dispatch *dispatch; };
struct _cl_mem {
  const cl_icd_dispatch *dispatch;
  size_t bytes;
  char *data;
};
struct _cl_program {
  const cl_icd_dispatch *dispatch;
  char *source, *log;
  unsigned long hash;
};
enum { argument_limit = 64 };
struct _cl_kernel {
  const cl_icd_dispatch *dispatch;
  char name[128];
  unsigned count;
  unsigned long program;
  size_t sizes[argument_limit];
  unsigned char values[argument_limit][8];
};

extern const cl_icd_dispatch dispatch;

// A number of the environment.
size_t setting(const char *name, size_t otherwise);
// A line of the log, if there is one.
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Answers a query with a value of `size` bytes.
cl_int answer(const void *value, size_t size, size_t room, void *target, size_t *length);
#define ANSWER(type, value) \
  return answer(&(type){value}, sizeof(type), room, target, length)

// Work-items of a kernel's largest group.
size_t kernel_group(void);
// Whether more memory is in use than there is: the fault of a launch on a device that finds out late.
int is_overdrawn(void);

cl_mem create_buffer(cl_context, cl_mem_flags, size_t, void *, cl_int *);
cl_int release_buffer(cl_mem);
cl_int write_buffer(
    cl_command_queue, cl_mem, cl_bool, size_t, size_t, const void *, cl_uint, const cl_event *, cl_event *);
cl_int read_buffer(
    cl_command_queue, cl_mem, cl_bool, size_t, size_t, void *, cl_uint, const cl_event *, cl_event *);
cl_int write_rows(
    cl_command_queue, cl_mem, cl_bool, const size_t *, const size_t *, const size_t *, size_t, size_t, size_t, size_t,
    const void *, cl_uint, const cl_event *, cl_event *);
cl_int read_rows(
    cl_command_queue, cl_mem, cl_bool, const size_t *, const size_t *, const size_t *, size_t, size_t, size_t, size_t,
    void *, cl_uint, const cl_event *, cl_event *);
cl_int fill_buffer(
    cl_command_queue, cl_mem, const void *, size_t, size_t, size_t, cl_uint, const cl_event *, cl_event *);
cl_int copy_buffer(
    cl_command_queue, cl_mem, cl_mem, size_t, size_t, size_t, cl_uint, const cl_event *, cl_event *);

cl_program create_program(cl_context, cl_uint, const char **, const size_t *, cl_int *);
cl_program create_from_binary(
    cl_context, cl_uint, const cl_device_id *, const size_t *, const unsigned char **, cl_int *, cl_int *);
cl_int build_program(
    cl_program, cl_uint, const cl_device_id *, const char *, void(CL_CALLBACK *)(cl_program, void *), void *);
cl_int release_program(cl_program);
cl_int program_info(cl_program, cl_program_info, size_t, void *, size_t *);
cl_int build_info(cl_program, cl_device_id, cl_program_build_info, size_t, void *, size_t *);
cl_kernel create_kernel(cl_program, const char *, cl_int *);
cl_int release_kernel(cl_kernel);
cl_int kernel_info(cl_kernel, cl_kernel_info, size_t, void *, size_t *);
cl_int kernel_group_info(cl_kernel, cl_device_id, cl_kernel_work_group_info, size_t, void *, size_t *);
cl_int set_argument(cl_kernel, cl_uint, size_t, const void *);
cl_int launch(
    cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint, const cl_event *,
    cl_event *);
