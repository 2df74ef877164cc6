#include "CReportPage.h"

static const char template_text[] = {
#embed "page.html"
  , 0
};

static const char view_text[] = {
#embed "view.html"
  , 0
};

static const char style_text[] = {
#embed "page.css"
  , 0
};

static const char script_text[] = {
#embed "list.js"
  ,
#embed "viewer.js"
  ,
#embed "controls.js"
  ,
#embed "page.js"
  , 0
};

const char *restormer_report_template(void) { return template_text; }
const char *restormer_report_view(void) { return view_text; }
const char *restormer_report_style(void) { return style_text; }
const char *restormer_report_script(void) { return script_text; }
