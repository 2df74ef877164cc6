// Buffers: pages that nobody writes cost the machine nothing, so that a card may be larger than the machine.
#include "gpu.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t in_use;

static size_t free_memory(void) {
  return setting("INVENTED_GPU_FREE", setting("INVENTED_GPU_MEMORY", (size_t)8 << 30));
}

int is_overdrawn(void) { return in_use > free_memory(); }

cl_mem create_buffer(cl_context c, cl_mem_flags flags, size_t bytes, void *host, cl_int *code) {
  const size_t memory = setting("INVENTED_GPU_MEMORY", (size_t)8 << 30);
  const size_t limit = setting("INVENTED_GPU_ALLOCATION", memory / 4);
  *code = CL_SUCCESS;
  if (!bytes || bytes > limit) *code = CL_INVALID_BUFFER_SIZE;
  else if (in_use + bytes > free_memory() && !setting("INVENTED_GPU_LAZY", 0))
    *code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  char *data = *code ? MAP_FAILED
                     : mmap(
                           NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    if (!*code) *code = CL_OUT_OF_HOST_MEMORY;
    note("refused %zu\n", bytes);
    return NULL;
  }
  cl_mem buffer = calloc(1, sizeof *buffer);
  *buffer = (struct _cl_mem){&dispatch, bytes, data};
  in_use += bytes;
  note("buffer %zu in use %zu\n", bytes, in_use);
  return buffer;
}

cl_int release_buffer(cl_mem buffer) {
  in_use -= buffer->bytes;
  munmap(buffer->data, buffer->bytes);
  free(buffer);
  return CL_SUCCESS;
}

static int lies_within(cl_mem buffer, size_t offset, size_t bytes) {
  return offset <= buffer->bytes && bytes <= buffer->bytes - offset;
}

cl_int write_buffer(
    cl_command_queue q, cl_mem buffer, cl_bool waits, size_t offset, size_t bytes, const void *source,
    cl_uint count, const cl_event *events, cl_event *event) {
  if (!lies_within(buffer, offset, bytes)) return CL_INVALID_VALUE;
  memcpy(buffer->data + offset, source, bytes);
  return CL_SUCCESS;
}

cl_int read_buffer(
    cl_command_queue q, cl_mem buffer, cl_bool waits, size_t offset, size_t bytes, void *target,
    cl_uint count, const cl_event *events, cl_event *event) {
  if (!lies_within(buffer, offset, bytes)) return CL_INVALID_VALUE;
  memcpy(target, buffer->data + offset, bytes);
  return CL_SUCCESS;
}

// The byte where row `row` of a rectangle starts.
static size_t row_start(const size_t *origin, size_t row, size_t pitch) {
  return origin[0] + (origin[1] + row) * pitch;
}

cl_int write_rows(
    cl_command_queue q, cl_mem buffer, cl_bool waits, const size_t *origin, const size_t *host_origin,
    const size_t *region, size_t pitch, size_t slice, size_t host_pitch, size_t host_slice,
    const void *source, cl_uint count, const cl_event *events, cl_event *event) {
  for (size_t row = 0; row < region[1]; ++row) {
    const char *from = (const char *)source + row_start(host_origin, row, host_pitch);
    const cl_int code = write_buffer(
        q, buffer, waits, row_start(origin, row, pitch), region[0], from, 0, NULL, NULL);
    if (code) return code;
  }
  return CL_SUCCESS;
}

cl_int read_rows(
    cl_command_queue q, cl_mem buffer, cl_bool waits, const size_t *origin, const size_t *host_origin,
    const size_t *region, size_t pitch, size_t slice, size_t host_pitch, size_t host_slice, void *target,
    cl_uint count, const cl_event *events, cl_event *event) {
  for (size_t row = 0; row < region[1]; ++row) {
    char *to = (char *)target + row_start(host_origin, row, host_pitch);
    const cl_int code = read_buffer(
        q, buffer, waits, row_start(origin, row, pitch), region[0], to, 0, NULL, NULL);
    if (code) return code;
  }
  return CL_SUCCESS;
}

// Zero where whole pages can be given back instead of written.
static void clear(char *data, size_t bytes) {
  const size_t page = sysconf(_SC_PAGESIZE);
  const size_t head = (page - (size_t)data % page) % page;
  const size_t pages = bytes > head ? (bytes - head) / page * page : 0;
  if (pages) madvise(data + head, pages, MADV_DONTNEED);
  memset(data, 0, pages ? head : bytes);
  if (pages) memset(data + head + pages, 0, bytes - head - pages);
}

cl_int fill_buffer(
    cl_command_queue q, cl_mem buffer, const void *pattern, size_t size, size_t offset, size_t bytes,
    cl_uint count, const cl_event *events, cl_event *event) {
  unsigned value;
  if (!lies_within(buffer, offset, bytes) || size != sizeof value) return CL_INVALID_VALUE;
  memcpy(&value, pattern, size);
  if (!value) clear(buffer->data + offset, bytes);
  else
    for (size_t at = 0; at < bytes; at += size) memcpy(buffer->data + offset + at, &value, size);
  return CL_SUCCESS;
}

cl_int copy_buffer(
    cl_command_queue q, cl_mem source, cl_mem target, size_t from, size_t to, size_t bytes,
    cl_uint count, const cl_event *events, cl_event *event) {
  if (!lies_within(source, from, bytes) || !lies_within(target, to, bytes)) return CL_INVALID_VALUE;
  memcpy(target->data + to, source->data + from, bytes);
  return CL_SUCCESS;
}
