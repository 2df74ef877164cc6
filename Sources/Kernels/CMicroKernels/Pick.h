#ifndef RESTORMER_PICK_H
#define RESTORMER_PICK_H

#include "InstructionSet.h"

#define INLINE static inline __attribute__((always_inline))

// The function of EachInstructionSet.h for the instructions in use.
#if defined(__x86_64__)
#define PICK(name)                                                \
  (restormer_instructions() == restormer_avx512 ? name##_avx512 \
   : restormer_instructions() == restormer_avx2 ? name##_avx2   \
                                                : name##_portable)
#else
#define PICK(name) name##_portable
#endif

#endif
