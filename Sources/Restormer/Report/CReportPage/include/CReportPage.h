#ifndef RESTORMER_REPORT_PAGE_H
#define RESTORMER_REPORT_PAGE_H

/// The parts of a report's page, embedded at build time and terminated by a zero byte: page.html with its `{{name}}`
/// placeholders, view.html (stage and toolbar), page.css, and the scripts in the order in which they use each other.
const char *restormer_report_template(void);
const char *restormer_report_view(void);
const char *restormer_report_style(void);
const char *restormer_report_script(void);

#endif
