#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

void processes_parse(struct processes *p, const char *list) {
  p->count = 0;
  while (*list && p->count < PROCESSES_MAX) {
    char *end;
    p->ids[p->count++] = strtol(list, &end, 10);
    list = *end == ',' ? end + 1 : end;
    if (end == list && *end) return;
  }
}

static uint64_t thread_cpu_ns(long process, const char *thread) {
  char path[300];
  unsigned long long ns = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", process, thread);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  if (fscanf(file, "%llu", &ns) != 1) ns = 0;
  fclose(file);
  return ns;
}

uint64_t processes_cpu_ns(const struct processes *p) {
  uint64_t sum = 0;
  for (size_t i = 0; i < p->count; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/task", p->ids[i]);
    DIR *threads = opendir(path);
    if (!threads) continue;
    for (struct dirent *entry; (entry = readdir(threads));)
      if (entry->d_name[0] != '.') sum += thread_cpu_ns(p->ids[i], entry->d_name);
    closedir(threads);
  }
  return sum;
}

uint64_t processes_memory_kib(const struct processes *p) {
  uint64_t sum = 0;
  for (size_t i = 0; i < p->count; i++) {
    char path[64], line[256];
    unsigned long long kib;
    snprintf(path, sizeof path, "/proc/%ld/status", p->ids[i]);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    while (fgets(line, sizeof line, file))
      if (sscanf(line, "RssAnon: %llu", &kib) == 1) sum += kib;
    fclose(file);
  }
  return sum;
}
