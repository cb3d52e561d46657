#include "server/reading.h"

#include "base/must.h"
#include "load.h"
#include "script/config_file.h"
#include "server/file.h"
#include "server/ledger.h"

enum { SLOW_NS = 250 * 1000 * 1000 };

/* What is made here is thrown away: a configuration that lives would keep a heap of each thread of
 * the pool from ever shrinking. */
static void try_file(uv_work_t *work) {
  struct server_reading *r = work->data;
  uint64_t started = uv_hrtime();
  config_unref(config_file_load(r->path, NULL, &r->problems));
  r->is_slow = r->problems.count > 0 && uv_hrtime() - started > SLOW_NS;
}

static void on_file_tried(uv_work_t *work, int status) {
  (void)status;
  struct server_reading *r = work->data;
  struct config *config = NULL;
  r->is_busy = false;
  if (!r->is_slow) {
    config_problems_fini(&r->problems);
    config_problems_init(&r->problems);
    config = load_config(r->path, &r->problems);
  }
  r->was_good = config != NULL;
  bool goes_on = r->on_read(r->context, config, &r->problems);
  config_problems_fini(&r->problems);
  if (goes_on && r->is_asked) server_reading_start(r);
}

void server_reading_start(struct server_reading *r) {
  r->is_asked = r->is_busy;
  if (r->is_busy) return;
  r->is_busy = true;
  uv_stat_t before = *r->loaded;
  server_file_note(r->path, r->loaded);
  config_problems_init(&r->problems);
  r->work.data = r;
  if (r->was_good && server_file_is(&before, r->loaded)) { /* it has been tried */
    r->is_slow = false;
    on_file_tried(&r->work, 0);
    return;
  }
  must(uv_queue_work(r->loop, &r->work, try_file, on_file_tried) == 0);
}

void server_reading_repeat(struct server_reading *r) {
  r->is_asked = r->is_busy;
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
  if (next->workers != now->workers)
    config_problem(problems, "%s: workers: the number changed; that takes a restart", next->file);
  if (!next->tls.certificate != !now->tls.certificate)
    config_problem(problems, "%s: tls: switching it on or off takes a restart", next->file);
  server_ledger_compare(now, next, problems);
  return problems->count == 0;
}
