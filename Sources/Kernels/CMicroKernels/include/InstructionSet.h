#ifndef RESTORMER_INSTRUCTION_SET_H
#define RESTORMER_INSTRUCTION_SET_H

/// The vector instructions that functions are compiled for, from the least to the most: what every machine of its kind
/// has; AVX2 with fused multiply-adds and bit manipulation; AVX-512 with the extensions that came with its first servers.
typedef enum { restormer_portable, restormer_avx2, restormer_avx512 } restormer_instruction_set;

/// The most that this machine has.
restormer_instruction_set restormer_machine_instructions(void);

/// What functions use: the most there is, or less where restormer_use_instructions asked for it.
restormer_instruction_set restormer_instructions(void);

/// From now on functions use `set`, or the most there is if that is less.
void restormer_use_instructions(restormer_instruction_set set);

#endif
