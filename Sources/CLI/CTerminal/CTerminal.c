#define _XOPEN_SOURCE 700
#define _DARWIN_C_SOURCE

#include "CTerminal.h"

#include <locale.h>
#include <wchar.h>

int cterminal_columns(uint32_t character) {
  static int knows_unicode = 0;
  // The locale that a program starts in knows ASCII alone.
  if (!knows_unicode) {
    if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, "en_US.UTF-8");
    knows_unicode = 1;
  }
  return wcwidth((wchar_t)character);
}
