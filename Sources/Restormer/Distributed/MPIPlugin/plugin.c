// The plug-in between the program and one MPI library: `mpicc -shared`, see `make mpi`.

// For nanosleep.
#define _POSIX_C_SOURCE 200112L

#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "CMessagePassing.h"

// MPI counts in int: longer blocks go in parts.
static const size_t longest = 1 << 28;

static int start(int *rank, int *size, int *local_rank) {
  int provided, code;
  // Reductions run on a thread of their own beside the main one, never at the same time.
  if ((code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided))) return code;
  if (provided < MPI_THREAD_SERIALIZED) return MPI_ERR_OTHER;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if ((code = MPI_Comm_rank(MPI_COMM_WORLD, rank))) return code;
  if ((code = MPI_Comm_size(MPI_COMM_WORLD, size))) return code;
  MPI_Comm host;
  code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, *rank, MPI_INFO_NULL, &host);
  if (code) return code;
  code = MPI_Comm_rank(host, local_rank);
  MPI_Comm_free(&host);
  return code;
}

static int host(char *name, size_t capacity) {
  char text[MPI_MAX_PROCESSOR_NAME + 1] = {0};
  int length = 0;
  int code = MPI_Get_processor_name(text, &length);
  snprintf(name, capacity, "%s", text);
  return code;
}

static int sum_floats(float *values, size_t count) {
  for (size_t done = 0; done < count; done += longest) {
    size_t part = count - done < longest ? count - done : longest;
    MPI_Request request;
    int code = MPI_Iallreduce(
        MPI_IN_PLACE, values + done, (int)part, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
    // MPI's own waiting would keep a processor busy that the network's computation needs.
    for (int is_done = 0; !code && !is_done;) {
      code = MPI_Test(&request, &is_done, MPI_STATUS_IGNORE);
      if (!code && !is_done) nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    if (code) return code;
  }
  return 0;
}

static int sum_doubles(double *values, size_t count) {
  if (count > INT_MAX) return MPI_ERR_COUNT;
  return MPI_Allreduce(
      MPI_IN_PLACE, values, (int)count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

static int gather_floats(float *values, size_t count) {
  if (count > INT_MAX) return MPI_ERR_COUNT;
  return MPI_Allgather(
      MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values, (int)count, MPI_FLOAT, MPI_COMM_WORLD);
}

static int broadcast(void *bytes, size_t count, int root) {
  for (size_t done = 0; done < count; done += longest) {
    size_t part = count - done < longest ? count - done : longest;
    int code = MPI_Bcast((char *)bytes + done, (int)part, MPI_BYTE, root, MPI_COMM_WORLD);
    if (code) return code;
  }
  return 0;
}

static int barrier(void) { return MPI_Barrier(MPI_COMM_WORLD); }
static int finish(void) { return MPI_Finalize(); }
static void stop(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

static void describe(int code, char *text, size_t capacity) {
  char words[MPI_MAX_ERROR_STRING + 1] = {0};
  int length = 0;
  if (MPI_Error_string(code, words, &length)) snprintf(words, sizeof words, "MPI error %d", code);
  // One line: libraries put stacks of calls below it.
  words[strcspn(words, "\n")] = 0;
  snprintf(text, capacity, "%s", words);
}

const restormer_mpi *restormer_mpi_plugin(void);
const restormer_mpi *restormer_mpi_plugin(void) {
  static const restormer_mpi table = {
      RESTORMER_MPI_INTERFACE, start, host, sum_floats, sum_doubles, gather_floats, broadcast,
      barrier, finish, stop, describe,
  };
  return &table;
}
