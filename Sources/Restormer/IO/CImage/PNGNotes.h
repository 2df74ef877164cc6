#ifndef RESTORMER_CIMAGE_PNG_NOTES_H
#define RESTORMER_CIMAGE_PNG_NOTES_H

#include <png.h>

#include "Bytes.h"

// The chunks that are carried along rather than understood: ICC profile, EXIF, XMP and cICP.
// libpng's own reader drops every profile that breaks one of its rules, many real ones among them,
// and sees nothing that stands behind the pixels before these are decoded.

// Tells libpng to pass over the chunks that `cimage_read_png_notes` reads.
void cimage_skip_png_notes(png_structp png);

// Walks the chunks of the file. A damaged one is left out, as viewers do.
void cimage_read_png_notes(CImageReader *reader);

// Writes the chunks at the current place of the file, using `chunk` for memory, which the caller
// releases.
void cimage_write_png_notes(png_structp png, const CImageNotes *notes, CImageBytes *chunk);

#endif
