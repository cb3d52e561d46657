/* Endpoints beside the JSON API stand under the same rules: who asks, may they, and what they
 * change is written down. */
#include <stdlib.h>

#include "admin/api.h"
#include "admin/private.h"
#include "auth/directory.h"

struct note { /* one row of the audit log on its way */
  struct admin *admin;
  struct call *call;
  uv_work_t work;
};

static void on_pool(uv_work_t *work) {
  struct note *n = work->data;
  call_audit(n->call, "asked", (struct slice){"", 0});
  admin_pool_leave(n->admin);
}

static void on_done(uv_work_t *work, int status) {
  (void)status;
  struct note *n = work->data;
  struct admin *a = n->admin;
  a->unanswered--;
  admin_call_free(n->call);
  free(n);
  admin_free_if_over(a);
}

static void write_down(struct admin *a, struct call *c) {
  struct note *n = must_calloc(1, sizeof *n);
  n->admin = a;
  n->call = c;
  n->work.data = n;
  admin_pool_enter(a);
  must(uv_queue_work(a->loop, &n->work, on_pool, on_done) == 0);
}

/* Without any key only this machine may look, and nobody may change. */
static bool is_local(struct slice peer) {
  return slice_starts(peer, SLICE("127.")) || slice_starts(peer, SLICE("[::1]")) ||
         slice_starts(peer, SLICE("unix"));
}

bool admin_guard(struct visit *v, const struct http_request *request,
                 const struct admin_route *route, struct slice tenant) {
  bool is_change = strcmp(route->method, "GET") != 0;
  struct slice secret = credential_find(request->headers);
  if (!v->admin->config->has_admin_key && !secret.len && !is_change && is_local(request->peer))
    return true;
  struct call *c = admin_call_open(v, request, route, tenant);
  if (!c) return false; /* locked out, and told so */
  struct resource what = {.tenant = c->id};
  if (!c->status && *route->action && !call_may(c, &what)) call_deny_at(c, &what);
  if (c->status) {
    v->call = c;
    v->takes_body = true;
    return false;
  }
  if (is_change && c->backend.store)
    write_down(v->admin, c);
  else
    admin_call_free(c);
  return true;
}
