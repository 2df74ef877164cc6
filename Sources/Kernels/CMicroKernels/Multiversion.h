#ifndef RESTORMER_MULTIVERSION_H
#define RESTORMER_MULTIVERSION_H

// The thread sanitizer is not there yet when the loader picks.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LOADER_MAY_NOT_PICK
#endif
#endif

// A function marked MULTIVERSION is compiled for several vector units; the loader picks the best one.
#if defined(__x86_64__) && defined(__linux__) && !defined(LOADER_MAY_NOT_PICK)
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSION
#endif

#endif
