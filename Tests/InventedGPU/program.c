// Programs, kernels and launches. A program is run through the C preprocessor, so that a kernel's parameters can be counted.
#include "gpu.h"

#include <unistd.h>

static unsigned long hash(unsigned long value, const char *text) {
  for (; *text; ++text) value = (value ^ (unsigned char)*text) * 0x100000001b3ul;
  return value;
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (!file) return;
  fputs(text, file);
  fclose(file);
}

static char *read_all(FILE *file) {
  char *text = NULL;
  size_t length = 0;
  for (size_t got = 1; got; length += got) {
    text = realloc(text, length + 65536);
    got = fread(text + length, 1, 65535, file);
  }
  text[length] = 0;
  return text;
}

cl_program create_program(
    cl_context c, cl_uint count, const char **parts, const size_t *lengths, cl_int *code) {
  cl_program program = calloc(1, sizeof *program);
  program->dispatch = &dispatch;
  program->source = strdup(parts[0]);
  *code = CL_SUCCESS;
  return program;
}

cl_program create_from_binary(
    cl_context c, cl_uint count, const cl_device_id *ids, const size_t *lengths,
    const unsigned char **binaries, cl_int *states, cl_int *code) {
  *code = CL_INVALID_BINARY;
  return NULL;
}

static void keep(cl_program program, const char *options) {
  const char *folder = getenv("INVENTED_GPU_PROGRAMS");
  if (!folder) return;
  char path[4096];
  snprintf(path, sizeof path, "%s/%016lx.cl", folder, program->hash);
  write_file(path, program->source);
  snprintf(path, sizeof path, "%s/%016lx.options", folder, program->hash);
  write_file(path, options);
}

cl_int build_program(
    cl_program program, cl_uint count, const cl_device_id *ids, const char *options,
    void(CL_CALLBACK *report)(cl_program, void *), void *data) {
  if (!options) options = "";
  program->hash = hash(hash(0xcbf29ce484222325ul, program->source), options);
  keep(program, options);
  char path[] = "/tmp/invented-gpu-XXXXXX", command[8192];
  const int file = mkstemp(path);
  const ssize_t length = strlen(program->source);
  if (file < 0 || write(file, program->source, length) != length) return CL_OUT_OF_HOST_MEMORY;
  close(file);
  snprintf(command, sizeof command, "${CC:-cc} -E -P -w -x c %s %s 2>&1", options, path);
  FILE *expanded = popen(command, "r");
  char *text = expanded ? read_all(expanded) : strdup("error: no preprocessor");
  const int status = expanded ? pclose(expanded) : 1;
  unlink(path);
  free(program->source);
  program->source = text;
  if (status) program->log = text;
  return status ? CL_BUILD_PROGRAM_FAILURE : CL_SUCCESS;
}

cl_int release_program(cl_program program) { return CL_SUCCESS; }

cl_int program_info(
    cl_program program, cl_program_info what, size_t room, void *target, size_t *length) {
  if (what != CL_PROGRAM_BINARY_SIZES) return CL_INVALID_VALUE;
  ANSWER(size_t, 0);
}

cl_int build_info(
    cl_program program, cl_device_id id, cl_program_build_info what, size_t room, void *target,
    size_t *length) {
  const char *log = program->log ? program->log : "";
  return answer(log, strlen(log) + 1, room, target, length);
}

// The parameters of the function that is defined at `open`, its first parenthesis; 0 for a call.
static unsigned parameters_of_definition(const char *open) {
  unsigned count = 1;
  int depth = 0;
  for (const char *c = open; *c; ++c) {
    if (*c == '(') ++depth;
    if (*c == ',' && depth == 1) ++count;
    if (*c == ')' && !--depth) return c[1 + strspn(c + 1, " \n")] == '{' ? count : 0;
  }
  return 0;
}

// The parameters of kernel `name`, 0 if there is none.
static unsigned count_parameters(const char *source, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = source; (at = strstr(at, name)); at += length) {
    const int is_whole = at > source && at[-1] == ' ' && at[length] == '(';
    const unsigned count = is_whole ? parameters_of_definition(at + length) : 0;
    if (count) return count;
  }
  return 0;
}

cl_kernel create_kernel(cl_program program, const char *name, cl_int *code) {
  const unsigned count = count_parameters(program->source, name);
  *code = count && count <= argument_limit ? CL_SUCCESS : CL_INVALID_KERNEL_NAME;
  if (*code) return NULL;
  cl_kernel kernel = calloc(1, sizeof *kernel);
  kernel->dispatch = &dispatch;
  kernel->count = count;
  kernel->program = program->hash;
  snprintf(kernel->name, sizeof kernel->name, "%s", name);
  return kernel;
}

cl_int release_kernel(cl_kernel kernel) {
  free(kernel);
  return CL_SUCCESS;
}

cl_int kernel_info(
    cl_kernel kernel, cl_kernel_info what, size_t room, void *target, size_t *length) {
  if (what != CL_KERNEL_NUM_ARGS) return CL_INVALID_VALUE;
  ANSWER(cl_uint, kernel->count);
}

cl_int kernel_group_info(
    cl_kernel kernel, cl_device_id id, cl_kernel_work_group_info what, size_t room, void *target,
    size_t *length) {
  switch (what) {
    case CL_KERNEL_WORK_GROUP_SIZE: ANSWER(size_t, kernel_group());
    case CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE: ANSWER(size_t, 32);
    case CL_KERNEL_LOCAL_MEM_SIZE: ANSWER(cl_ulong, 0);
    default: return CL_INVALID_VALUE;
  }
}

cl_int set_argument(cl_kernel kernel, cl_uint index, size_t size, const void *value) {
  if (index >= kernel->count) return CL_INVALID_ARG_INDEX;
  if (!size || (value && size > sizeof kernel->values[0])) return CL_INVALID_ARG_SIZE;
  kernel->sizes[index] = size;
  if (value) memcpy(kernel->values[index], value, size);
  return CL_SUCCESS;
}

// One element of a tensor, whose arguments start at `index`: buffer, offset, plane stride, batch stride.
static float *element(cl_kernel kernel, unsigned index) {
  cl_mem buffer;
  size_t offset;
  memcpy(&buffer, kernel->values[index], sizeof buffer);
  memcpy(&offset, kernel->values[index + 1], sizeof offset);
  return (float *)buffer->data + offset;
}

cl_int launch(
    cl_command_queue q, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
    const size_t *global, const size_t *local, cl_uint count, const cl_event *events,
    cl_event *event) {
  size_t groups = 1, items = 1;
  for (cl_uint i = 0; i < dimensions; ++i) {
    const size_t size = local ? local[i] : 1;
    if (!global[i]) return CL_INVALID_GLOBAL_WORK_SIZE;
    if (!size || global[i] % size) return CL_INVALID_WORK_GROUP_SIZE;
    groups *= global[i] / size;
    items *= size;
  }
  if (items > kernel_group()) return CL_INVALID_WORK_GROUP_SIZE;
  for (unsigned i = 0; i < kernel->count; ++i)
    if (!kernel->sizes[i]) return CL_INVALID_KERNEL_ARGS;
  if (is_overdrawn()) return CL_OUT_OF_RESOURCES;
  if (!strcmp(kernel->name, "add")) *element(kernel, 8) = *element(kernel, 0) + *element(kernel, 4);
  note("launch %s groups %zu items %zu of %016lx\n", kernel->name, groups, items, kernel->program);
  return CL_SUCCESS;
}
