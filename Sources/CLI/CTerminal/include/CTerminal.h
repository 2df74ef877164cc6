#ifndef CTERMINAL_H
#define CTERMINAL_H

#include <stdint.h>

/// The columns that a terminal gives a character, as the system's locale for UTF-8 has it: 0 to 2, or -1 for one that it
/// does not know.
int cterminal_columns(uint32_t character);

#endif
