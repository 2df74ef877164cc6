#ifndef RESTORMER_MULTIVERSION_H
#define RESTORMER_MULTIVERSION_H

// A function marked MULTIVERSION is compiled for several vector units; the loader picks the best one.
#if defined(__x86_64__) && defined(__linux__)
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSION
#endif

#endif
