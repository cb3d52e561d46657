/* Inside of the operators' side, for the files admin*.c only. */
#pragma once
#include "admin/admin.h"
#include "admin/lockout.h"
#include "admin/scripts.h"
#include "base/bytes.h"

struct call;
struct admin_route;

struct admin {
  uv_loop_t *loop;
  struct http_server *http;
  struct config *config;
  const struct admin_callbacks *callbacks;
  void *context;
  struct lockout lockout;
  uv_mutex_t lock; /* on_pool */
  uv_cond_t idle;
  unsigned on_pool, unanswered; /* calls there; and those whose answer is still to come */
  bool is_closing, is_http_closed;
};

struct visit { /* one request on the admin listener */
  struct admin *admin;
  struct http_stream *stream; /* NULL once the client has left */
  bool waiting;               /* an answer is being collected elsewhere */
  bool takes_body;            /* asks when the body is there */
  struct scripts_question question;
  char *tenant; /* of the question */
  struct bytes body;
  struct call *call; /* of the JSON API; else NULL */
  uv_work_t work;
};

void admin_answer_json(struct visit *v, int status, struct slice body);
void admin_answer_with(struct visit *v, int status, struct headers extra, struct slice json);
void admin_visit_free(struct visit *v);
void admin_refuse(struct visit *v, int status, const char *code, const char *message);

/* admin/scripts.c: true when the request is about scripts; it has been dealt with then. */
bool admin_scripts_request(struct visit *v, const struct http_request *request);
void admin_scripts_ask(struct visit *v);

/* admin/run.c: true when the request is one of the JSON API; it goes on by itself then. */
bool admin_api_request(struct visit *v, const struct http_request *request);
void admin_api_start(struct visit *v); /* its body is there */
void admin_api_wait(struct admin *a);  /* until no call is on the pool */
void admin_call_free(struct call *c);  /* NULL is fine */
/* Who asks, and may they at all? c->status says what is wrong. NULL: it has been refused already.
 */
struct call *admin_call_open(struct visit *v, const struct http_request *request,
                             const struct admin_route *route, struct slice id);
/* Every piece of work on the pool: the store outlives it. */
void admin_pool_enter(struct admin *a);
void admin_pool_leave(struct admin *a);
/* admin/guard.c: for endpoints that are not of the JSON API. route->action "": any caller who is
 * known; tenant: whose things it is about, empty: the whole gateway's. False: it has been, or will
 * be, refused. Changes are audited. */
bool admin_guard(struct visit *v, const struct http_request *request,
                 const struct admin_route *route, struct slice tenant);
void admin_free_if_over(struct admin *a);
/* admin/openapi.c */
void admin_openapi_write(struct bytes *out);
