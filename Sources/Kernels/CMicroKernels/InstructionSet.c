#include "InstructionSet.h"

#include <stdatomic.h>

restormer_instruction_set restormer_machine_instructions(void) {
#if defined(__x86_64__)
  // Features that also compilers' older support libraries know.
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2"))
    return restormer_portable;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return restormer_avx512;
  return restormer_avx2;
#else
  return restormer_portable;
#endif
}

static atomic_int most = restormer_avx512;

restormer_instruction_set restormer_instructions(void) {
  const int asked = atomic_load_explicit(&most, memory_order_relaxed), there = (int)restormer_machine_instructions();
  return (restormer_instruction_set)(asked < there ? asked : there);
}

void restormer_use_instructions(restormer_instruction_set set) {
  atomic_store_explicit(&most, (int)set, memory_order_relaxed);
}
