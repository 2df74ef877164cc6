#ifndef RESTORMER_CVERSION_H
#define RESTORMER_CVERSION_H

/// The program's version: the one place that names it.
#define RESTORMER_VERSION "0.2.0"

/// The version and, where the sources were a git checkout, their commit: "0.2.0 (1a2b3c4d5e6f)".
const char *restormer_version(void);

#endif
