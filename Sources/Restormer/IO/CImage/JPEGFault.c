#include "JPEGFault.h"

#include <jerror.h>

_Noreturn void cimage_jpeg_fail(j_common_ptr common, const char *message) {
  JPEGFault *fault = (JPEGFault *)common->err;
  cimage_say(fault->error, message);
  longjmp(fault->jump, 1);
}

static void leave(j_common_ptr common) {
  char message[JMSG_LENGTH_MAX];
  if (common->err->msg_code == JWRN_JPEG_EOF || common->err->msg_code == JERR_INPUT_EOF)
    cimage_jpeg_fail(common, "the file is truncated");
  common->err->format_message(common, message);
  cimage_jpeg_fail(common, message);
}

// libjpeg goes on after damage and fills in gray. Only what costs no pixel is let pass: odd
// version numbers and colour flags, stray bytes that some cameras put before a marker, and a
// broken profile.
static void warn(j_common_ptr common, int level) {
  if (level >= 0) return;
  switch (common->err->msg_code) {
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_BOGUS_ICC:
      return;
    default:
      leave(common);
  }
}

static void ignore(j_common_ptr common) { (void)common; }

struct jpeg_error_mgr *cimage_jpeg_fault(JPEGFault *fault, char *error) {
  struct jpeg_error_mgr *manager = jpeg_std_error(&fault->manager);
  manager->error_exit = leave;
  manager->emit_message = warn;
  manager->output_message = ignore;
  fault->error = error;
  return manager;
}
