#include "CServePage.h"

static const char html_text[] = {
#embed "serve.html"
  , 0
};

static const char view_text[] = {
#embed "../../Restormer/Report/CReportPage/view.html"
  , 0
};

static const char style_text[] = {
#embed "../../Restormer/Report/CReportPage/page.css"
  ,
#embed "serve.css"
  , 0
};

static const char script_text[] = {
#embed "../../Restormer/Report/CReportPage/viewer.js"
  ,
#embed "../../Restormer/Report/CReportPage/controls.js"
  ,
#embed "jobs.js"
  ,
#embed "serve.js"
  , 0
};

static const char description_text[] = {
#embed "openapi.json"
  , 0
};

const char *restormer_serve_html(void) { return html_text; }
const char *restormer_serve_view(void) { return view_text; }
const char *restormer_serve_style(void) { return style_text; }
const char *restormer_serve_script(void) { return script_text; }
const char *restormer_serve_description(void) { return description_text; }
