#ifndef RESTORMER_SERVE_PAGE_H
#define RESTORMER_SERVE_PAGE_H

/// The parts of the server's page, embedded at build time and terminated by a zero byte. Style, script and view, which
/// stands for `{{view}}` in the page, are shared with a report's page; the description of the API is OpenAPI in JSON.
const char *restormer_serve_html(void);
const char *restormer_serve_view(void);
const char *restormer_serve_style(void);
const char *restormer_serve_script(void);
const char *restormer_serve_description(void);

#endif
