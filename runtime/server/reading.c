#include "server/reading.h"

#include <string.h>

#include "base/must.h"
#include "load.h"
#include "server/file.h"
#include "server/ledger.h"

void server_reading_init(struct server_reading *r) {
  bytes_init(&r->awaited);
  bytes_init(&r->next);
}

void server_reading_fini(struct server_reading *r) {
  bytes_fini(&r->awaited);
  bytes_fini(&r->next);
}

/* The configuration itself is made on the loop: one that lives would keep a heap of each thread of
 * the pool from ever shrinking. */
static void read_file(uv_work_t *work) {
  struct server_reading *r = work->data;
  config_tree_init(&r->tree, r->path, &r->problems);
}

static void tell_awaiting(struct server_reading *r, bool is_in_force) {
  struct bytes tokens = r->awaited;
  r->awaited = r->next;
  bytes_init(&r->next);
  for (size_t at = 0; at < tokens.len; at += sizeof(void *)) {
    void *token;
    memcpy(&token, tokens.data + at, sizeof token);
    r->on_awaited(token, is_in_force);
  }
  bytes_fini(&tokens);
}

static void on_file_read(uv_work_t *work, int status) {
  (void)status;
  struct server_reading *r = work->data;
  struct config *config = load_config_tree(&r->tree, r->path, &r->problems);
  config_tree_fini(&r->tree);
  r->is_busy = false;
  bool is_in_force = r->on_read(r->context, config, &r->problems);
  config_problems_fini(&r->problems);
  tell_awaiting(r, is_in_force);
  if (r->is_asked && !r->is_busy) server_reading_start(r);
}

void server_reading_start(struct server_reading *r) {
  r->is_asked = r->is_busy;
  if (r->is_busy) return;
  r->is_busy = true;
  server_file_note(r->path, r->loaded);
  config_problems_init(&r->problems);
  r->work.data = r;
  must(uv_queue_work(r->loop, &r->work, read_file, on_file_read) == 0);
}

void server_reading_await(struct server_reading *r, void *token) {
  bytes_append(r->is_busy ? &r->next : &r->awaited, &token, sizeof token);
  server_reading_start(r);
}

static bool same_addresses(struct addresses a, struct addresses b) {
  if (a.count != b.count) return false;
  for (size_t i = 0; i < a.count; i++)
    if (!slice_equal(a.items[i].text, b.items[i].text)) return false;
  return true;
}

bool server_can_apply(const struct config *now, const struct config *next,
                      struct config_problems *problems) {
  if (!same_addresses(now->listen, next->listen) ||
      !same_addresses(now->admin_listen, next->admin_listen))
    config_problem(problems, "%s: listen: the addresses changed; that takes a restart", next->file);
  if (!slice_equal(now->unix_mode, next->unix_mode))
    config_problem(problems, "%s: unix_mode: it changed; that takes a restart", next->file);
  if (next->workers != now->workers)
    config_problem(problems, "%s: workers: the number changed; that takes a restart", next->file);
  if (!next->tls.certificate != !now->tls.certificate)
    config_problem(problems, "%s: tls: switching it on or off takes a restart", next->file);
  server_ledger_compare(now, next, problems);
  return problems->count == 0;
}
