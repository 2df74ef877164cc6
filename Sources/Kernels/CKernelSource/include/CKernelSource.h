#ifndef RESTORMER_KERNEL_SOURCE_H
#define RESTORMER_KERNEL_SOURCE_H

/// The text of kernels.cl, embedded at build time and terminated by a zero byte.
const char *restormer_kernel_source_text(void);

#endif
