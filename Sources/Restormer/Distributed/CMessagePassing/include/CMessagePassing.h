#ifndef RESTORMER_CMESSAGEPASSING_H
#define RESTORMER_CMESSAGEPASSING_H

// What the program asks of an MPI library. The one that started the processes decides which library that is, so it is
// reached through a plug-in that is built against it (`make mpi`) and loaded at run time: the program itself needs none.

#include <stddef.h>
#include <stdint.h>

// Counted up with every change of the table below.
#define RESTORMER_MPI_INTERFACE 2

typedef struct {
  int interface;
  // Every function but `stop` gives 0, or MPI's error code, which `describe` puts into words.
  int (*start)(int *rank, int *size, int *local_rank);
  int (*host)(char *name, size_t capacity);
  // Adds up `count` values of all ranks, in place. Sums of floats may be waited for beside other work: waiting takes no
  // processor's time.
  int (*sum_floats)(float *values, size_t count);
  int (*sum_doubles)(double *values, size_t count);
  // Every rank gives `count` values at rank * count and gets those of the others.
  int (*gather_floats)(float *values, size_t count);
  // Rank `root` gives `count` bytes, all others get them.
  int (*broadcast)(void *bytes, size_t count, int root);
  int (*barrier)(void);
  int (*finish)(void);
  // Ends every rank of the job.
  void (*stop)(int code);
  void (*describe)(int code, char *text, size_t capacity);
} restormer_mpi;

// The one symbol of a plug-in.
#define RESTORMER_MPI_SYMBOL "restormer_mpi_plugin"
typedef const restormer_mpi *(*restormer_mpi_entry)(void);

#endif
