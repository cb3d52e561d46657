#include "server/harden.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "observe/log.h"

static struct rlimit cores; /* as the process was given them */

/* Keys and prompts are in memory. A program that takes cores in (core_pattern with a pipe) does not
 * ask for the limit, a file does not ask for the flag where fs.suid_dumpable is 1: so both. */
static void forbid_dumps(void) {
  prctl(PR_SET_DUMPABLE, 0);
  if (getrlimit(RLIMIT_CORE, &cores) != 0) cores = (struct rlimit){0, 0};
  struct rlimit none = {0, cores.rlim_max};
  setrlimit(RLIMIT_CORE, &none);
}

void harden_allow_dumps(void) {
  setrlimit(RLIMIT_CORE, &cores);
  prctl(PR_SET_DUMPABLE, 1);
  log_process(LOG_WARN, "core_dumps is set: a core file of this process holds keys and prompts");
}

void harden(void) {
  struct rlimit files;
  forbid_dumps();
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}
