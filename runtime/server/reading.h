/* The configuration read again while the gateway serves. A file that loops has its whole second of
 * a processor, which the loop has not: so the file is tried on a thread of libuv's pool before, and
 * refused there when it is wrong and slow. */
#pragma once
#include <stdbool.h>
#include <uv.h>

#include "config/config.h"

struct server_reading {
  uv_loop_t *loop;
  const char *path;
  uv_stat_t *loaded; /* the state of the file that was read last */
  /* Takes config; NULL when the file was refused, for the reasons in problems. False: no more. */
  bool (*on_read)(void *context, struct config *config, struct config_problems *problems);
  void *context;
  uv_work_t work;
  struct config_problems problems;
  bool is_busy, is_slow, was_good, is_asked; /* is_asked: once more, when this reading is done */
};

/* on_read comes later on the loop, once for any number of calls before the reading begins. */
void server_reading_start(struct server_reading *r);
/* What is being read may be older than what was just put in force: it is read once more. */
void server_reading_repeat(struct server_reading *r);
/* Can a process that runs with now go on with next? False: what takes a restart is in problems. */
bool server_can_apply(const struct config *now, const struct config *next,
                      struct config_problems *problems);
