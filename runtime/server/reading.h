/* The configuration read again while the gateway serves. What the file computes may take its whole
 * second of a processor, which the loop has not: so it is run on a thread of libuv's pool, and the
 * loop makes the configuration of what came out. */
#pragma once
#include <stdbool.h>
#include <uv.h>

#include "base/bytes.h"
#include "config/config.h"
#include "script/config_file.h"

struct server_reading {
  uv_loop_t *loop;
  const char *path;
  uv_stat_t *loaded; /* the state of the file that was read last */
  /* Takes config; NULL when the file was refused, for the reasons in problems. False: it is not in
   * force. */
  bool (*on_read)(void *context, struct config *config, struct config_problems *problems);
  /* To each token of server_reading_await. */
  void (*on_awaited)(void *token, bool is_in_force);
  void *context;
  uv_work_t work;
  struct config_tree tree;
  struct config_problems problems;
  struct bytes awaited, next; /* tokens of this reading, and of the one that follows it */
  bool is_busy, is_asked;     /* is_asked: once more, when this reading is done */
};

void server_reading_init(struct server_reading *r);
void server_reading_fini(struct server_reading *r);
/* on_read comes later on the loop, once for any number of calls before the reading begins. */
void server_reading_start(struct server_reading *r);
/* The same; on_awaited says what became of the file as it is now. */
void server_reading_await(struct server_reading *r, void *token);
/* Can a process that runs with now go on with next? False: what takes a restart is in problems. */
bool server_can_apply(const struct config *now, const struct config *next,
                      struct config_problems *problems);
