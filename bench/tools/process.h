/* What processes have used, from /proc (proc(5)). */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { PROCESSES_MAX = 64 };

struct processes {
  long ids[PROCESSES_MAX];
  size_t count;
};

/* "12,34" */
void processes_parse(struct processes *p, const char *list);
/* CPU time of all their threads. */
uint64_t processes_cpu_ns(const struct processes *p);
/* Resident memory without pages that they share with each other or with files: what a stream adds.
 */
uint64_t processes_memory_kib(const struct processes *p);
