#ifndef RESTORMER_CEILINGS_H
#define RESTORMER_CEILINGS_H

// Multiply-adds that wait for nothing but each other, all in registers, of the widest kind there is. Returns how many
// floating-point operations `rounds` rounds took; *sink gets a number that depends on all of them.
double restormer_multiply_adds(long rounds, float *sink);

#endif
