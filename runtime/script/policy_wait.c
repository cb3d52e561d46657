/* What a hook waits for, and the end of its patience. */
#include <stdlib.h>

#include "base/clock.h"
#include "script/policy_private.h"
#include "script/surface_private.h"

static void on_timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void close_timer(struct policy_run *run) {
  if (!run->timer) return;
  run->timer->run = NULL;
  uv_close((uv_handle_t *)&run->timer->timer, on_timer_closed);
  run->timer = NULL;
}

static void on_timer(uv_timer_t *timer) {
  struct run_timer *t = timer->data;
  struct policy_run *run = t->run;
  if (!run) return;
  bool is_sleep = run->wait.is_sleep;
  close_timer(run);
  if (is_sleep)
    policy_resume(run);
  else
    policy_timeout(run);
}

const char *policy_wait_arm(struct policy_run *run) {
  uv_loop_t *loop = run->chain->settings.host->loop;
  if (!loop) return "nothing can be waited for here";
  uint64_t passed_ms = (clock_mono_ns() - run->started_ns) / 1000000;
  uint64_t wall_ms = run->chain->settings.wall_ms;
  uint64_t left_ms = passed_ms < wall_ms ? wall_ms - passed_ms : 0;
  /* A sleep that is too long ends with the budget. */
  run->wait.is_sleep = run->wait.sleep_ms > 0 && run->wait.sleep_ms <= left_ms;
  run->timer = must_calloc(1, sizeof *run->timer);
  run->timer->run = run;
  must(uv_timer_init(loop, &run->timer->timer) == 0);
  run->timer->timer.data = run->timer;
  uv_update_time(loop);
  must(uv_timer_start(&run->timer->timer, on_timer,
                      run->wait.is_sleep ? run->wait.sleep_ms : left_ms, 0) == 0);
  return NULL;
}

void policy_wait_stop(struct policy_run *run) {
  const struct policy_host *host = run->chain->settings.host;
  close_timer(run);
  if (run->wait.fetch) host->fetch_cancel(host->context, run->wait.fetch);
  run->wait = (struct wait){0};
}

static void push_headers(lua_State *L, struct headers headers) {
  lua_createtable(L, 0, (int)headers.count);
  for (size_t i = 0; i < headers.count; i++) {
    char name[128];
    size_t len = headers.items[i].name.len;
    if (len > sizeof name) continue;
    for (size_t k = 0; k < len; k++) {
      char c = headers.items[i].name.data[k];
      name[k] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    lua_pushlstring(L, name, len);
    surface_push_text(L, headers.items[i].value);
    lua_rawset(L, -3);
  }
}

static int push_reply(lua_State *L, const struct policy_fetch_reply *reply) {
  if (reply->error.len) {
    lua_pushnil(L);
    surface_push_text(L, reply->error);
    surface_push_text(L, reply->error_code);
    return 3;
  }
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, reply->status);
  lua_setfield(L, -2, "status");
  push_headers(L, reply->headers);
  lua_setfield(L, -2, "headers");
  surface_push_text(L, reply->body);
  lua_setfield(L, -2, "body");
  return 1;
}

int policy_wait_push(struct policy_run *run) {
  int results = run->wait.reply ? push_reply(run->L, run->wait.reply) : 0;
  close_timer(run);
  run->wait = (struct wait){0};
  return results;
}

static void on_fetched(void *wait, const struct policy_fetch_reply *reply) {
  struct policy_run *run = wait;
  run->wait.fetch = NULL;
  run->wait.reply = reply;
  policy_resume(run);
}

const char *policy_fetch(struct policy_run *run, const struct policy_fetch_request *request) {
  const struct policy_host *host = run->chain->settings.host;
  if (!host->fetch_start || !host->loop) return "fetch is not offered here";
  run->wait = (struct wait){.is_active = true, .request = *request};
  run->wait.fetch = host->fetch_start(host->context, &run->wait.request, on_fetched, run);
  if (run->wait.fetch) return NULL;
  run->wait = (struct wait){0};
  return "the fetch could not be started";
}

void policy_sleep(struct policy_run *run, uint64_t ms) {
  run->wait = (struct wait){.is_active = true, .sleep_ms = ms ? ms : 1};
}
