#include "JPEGFault.h"

#include <jerror.h>

_Noreturn void cimage_jpeg_fail(j_common_ptr common, const char *message) {
  JPEGFault *fault = (JPEGFault *)common->err;
  cimage_say(fault->error, message);
  longjmp(fault->jump, 1);
}

_Noreturn void cimage_jpeg_leave(j_common_ptr common) {
  char message[JMSG_LENGTH_MAX];
  if (common->err->msg_code == JERR_INPUT_EOF) cimage_jpeg_fail(common, "the file is truncated");
  common->err->format_message(common, message);
  cimage_jpeg_fail(common, message);
}

static void leave(j_common_ptr common) { cimage_jpeg_leave(common); }

static void pass(j_common_ptr common, int level) {
  (void)common;
  (void)level;
}

static void ignore(j_common_ptr common) { (void)common; }

struct jpeg_error_mgr *cimage_jpeg_fault(JPEGFault *fault, char *error) {
  struct jpeg_error_mgr *manager = jpeg_std_error(&fault->manager);
  manager->error_exit = leave;
  manager->emit_message = pass;
  manager->output_message = ignore;
  fault->error = error;
  return manager;
}
