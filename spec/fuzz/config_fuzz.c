/* Whatever the program: it ends, and there is either a configuration or a problem that names the
 * file. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "script/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct config_problems problems;
  char path[32];
  int fd = memfd_create("gateyes.lua", MFD_CLOEXEC);
  must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  config_problems_init(&problems);
  struct config *config = config_file_load(path, NULL, &problems);
  must((config != NULL) == (problems.count == 0));
  for (size_t i = 0; i < problems.count; i++) {
    must(strncmp(problems.items[i], path, strlen(path)) == 0);
    must(i == 0 || problems.lines[i] == 0 || problems.lines[i] >= problems.lines[i - 1]);
  }
  config_unref(config);
  config_problems_fini(&problems);
  close(fd);
  return 0;
}
