/* Specs of a tenant, run as busted runs them: in a sandbox of their own for each file, with
 * luassert and fakes for everything outside of Lua. */
#pragma once
#include "script/bundle.h"

enum spec_status { SPEC_SUCCESS, SPEC_FAILURE, SPEC_ERROR, SPEC_PENDING, SPEC_STATUS_COUNT };

struct spec_outcome {
  enum spec_status status; /* failure: an assertion; error: anything else that went wrong */
  struct slice file, name, message;
  unsigned line; /* of the test in its file; 0: unknown */
  struct slice tenant;
  uint64_t file_ns; /* that its whole file took */
};

struct spec_report {
  struct arena arena;
  struct spec_outcome *outcomes;
  size_t count, room;
  size_t totals[SPEC_STATUS_COUNT];
};

void spec_report_init(struct spec_report *r);
void spec_report_fini(struct spec_report *r);
/* Runs one file of the bundle; config: of the tenant. Any thread, while a watchdog runs. */
void spec_run(const struct config *config, struct bundle *bundle, const struct bundle_file *file,
              struct spec_report *report);
/* All spec files of the bundle's own layer. */
void spec_run_all(const struct config *config, struct bundle *bundle, struct spec_report *report);
/* False, with a problem for each failure and error, unless all is well. */
bool spec_report_judge(const struct spec_report *r, struct config_problems *problems);
