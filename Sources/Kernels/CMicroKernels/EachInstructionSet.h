// Includes BODY once for each instruction set, with NAME(x), a function's name for that set.

#define NAME(x) x##_portable
#include BODY
#undef NAME

#if defined(__x86_64__)
#define NAME(x) x##_avx2
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2"))), apply_to = function)
#include BODY
#pragma clang attribute pop
#undef NAME

#define NAME(x) x##_avx512
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,fma,bmi,bmi2"))), apply_to = function)
#include BODY
#pragma clang attribute pop
#undef NAME
#endif
