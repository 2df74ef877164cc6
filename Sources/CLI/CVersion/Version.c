#include "CVersion.h"

const char *restormer_version(void) {
#ifdef RESTORMER_COMMIT
  return RESTORMER_VERSION " (" RESTORMER_COMMIT ")";
#else
  return RESTORMER_VERSION;
#endif
}
