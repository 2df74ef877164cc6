#ifndef RESTORMER_CIMAGE_JPEG_FAULT_H
#define RESTORMER_CIMAGE_JPEG_FAULT_H

#include <setjmp.h>
#include <stdio.h>

// libjpeg's header needs `size_t` and `FILE` declared before it.
#include <jpeglib.h>

#include "Bytes.h"

// libjpeg's error manager with a way out; `manager` must come first.
typedef struct {
  struct jpeg_error_mgr manager;
  char *error;
  jmp_buf jump;
} JPEGFault;

// Makes every error jump to `fault->jump`, and passes over warnings.
struct jpeg_error_mgr *cimage_jpeg_fault(JPEGFault *fault, char *error);

// Leaves with a message of our own, or with libjpeg's last one.
_Noreturn void cimage_jpeg_fail(j_common_ptr common, const char *message);
_Noreturn void cimage_jpeg_leave(j_common_ptr common);

#endif
