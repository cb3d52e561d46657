/* Inside of the operators' side: one call of the JSON API. Its handler runs on a thread of the
 * pool, where it may wait for the store; everything it touches is its own, or immutable, or made
 * for several threads. */
#pragma once
#include <uv.h>

#include "admin/admin.h"
#include "auth/permission.h"
#include "base/json.h"
#include "store/store.h"

enum params {
  PARAMS_NONE,
  PARAMS_LIST,
  PARAMS_STATES,
  PARAMS_PROJECTS,
  PARAMS_KEYS,
  PARAMS_DELIVERIES,
  PARAMS_OF_SERVICE,
  PARAMS_USE,
  PARAMS_USAGE,
  PARAMS_REQUESTS,
  PARAMS_AUDIT,
  PARAMS_KEY,
  PARAMS_SPEND
};

struct call;
struct session;

struct admin_route {
  const char *method, *path, *action;
  void (*handle)(struct call *c);
  enum entity_kind kind;
  enum params params;
  const char *summary, *name;
};

struct call { /* texts are borrowed from its arena */
  struct arena arena;
  const struct admin_route *route;
  enum action action;
  struct slice id, query, body, peer, if_match, idempotency_key;
  struct slice sent; /* the body as it came; `body` may be a translation of it */
  /* The name under which the caller knows a field; NULL: the same. */
  const char *(*field_name)(const char *field);
  struct admin_backend backend;
  struct config *config;
  const struct principal *caller; /* NULL: the operator's own key, which may do everything */
  int64_t now_ms;

  int status; /* of the answer: JSON in out */
  struct bytes out;
  uint64_t version;        /* of the one row that is shown: its ETag; 0: none */
  bool changed;            /* rows were written: workers must learn of it before the answer */
  bool changed_limits;     /* of them some were limits, though the route is about others */
  bool reloads;            /* files were: the configuration is read again before the answer */
  bool is_denied;          /* to be audited */
  bool is_stranger;        /* showed a key that is not known */
  struct session *session; /* of a caller with a token; else NULL */
};

/* admin/routes.c. *id is the path's variable part, as it was sent. allowed: when no method fits,
 * those that do, as the header Allow lists them; else empty. */
enum { ALLOWED_BYTES = 64 };
const struct admin_route *admin_route_find(const struct http_request *request, struct slice *id,
                                           char allowed[ALLOWED_BYTES]);
const struct admin_route *admin_route_at(size_t index); /* NULL at the end */
const char *params_names(enum params params);           /* "limit cursor …" */
/* The states that rows of a kind are listed by: "active blocked"; empty: none. */
const char *states_of(enum entity_kind kind);

/* admin/call.c. field may be NULL; the message names what to do. */
void call_fail(struct call *c, int status, const char *field, const char *format, ...) PRINTF(4, 5);
void call_fail_store(struct call *c, enum store_result result);
/* Ends {"object":"list","data":[…; last: the cursor of the next page, when there is one. */
void call_end_list(struct call *c, bool has_more, uint64_t last);
/* A part of the path, unescaped (RFC 3986, 2.1). */
struct slice call_path_part(struct call *c, struct slice text);
/* The value of a parameter of the query, unescaped; empty when it is not there. */
struct slice call_param(struct call *c, const char *name);
/* One of the words of a list "a b c", or empty when it is not there; false: refused. */
bool call_param_word(struct call *c, const char *name, const char *words, struct slice *out);
/* Where a list of rows goes on. Who reads pages hands back what they were given; false: refused. */
bool call_param_cursor(struct call *c, struct slice *after);
void call_write_cursor(struct call *c, struct slice last);
/* Refuses parameters that the route does not know, and those that stand twice. */
bool call_params_check(struct call *c);
bool call_param_u64(struct call *c, const char *name, uint64_t otherwise, uint64_t most,
                    uint64_t *out);
/* A day as 2026-11-22, or a time as 2026-11-22T10:00:00Z, or milliseconds. */
bool call_param_time(struct call *c, const char *name, int64_t otherwise, int64_t *out);
/* Both ends of a time; *to_ms 0: no end. False, refused: also when the end lies before the start.
 */
bool call_param_span(struct call *c, const char *from, const char *to, int64_t *from_ms,
                     int64_t *to_ms);
/* A member of the body as text; empty when it is not there. */
struct slice call_text(struct call *c, struct slice object, const char *name);
void call_time(struct call *c, const char *name, int64_t wall_ms); /* ,"name":"2026…" */

/* admin/access.c. Whom may the caller see or change with this route's action? */
bool call_may(struct call *c, const struct resource *what);
/* Of a listing: false, refused, when the caller may see nothing of it. *tenant: whose rows; empty:
 * all. `wanted` is the tenant that was asked for. */
bool call_scope(struct call *c, struct slice wanted, struct slice *tenant);
bool call_may_see_project(struct call *c, struct slice project_path);
/* For what cannot be told apart within a tenant; false: refused. */
bool call_reaches_tenant(struct call *c);
void call_deny(struct call *c); /* 403 */
/* 404 where it is another tenant's, else 403. */
void call_deny_at(struct call *c, const struct resource *what);
struct slice call_actor(struct call *c);
void call_audit(struct call *c, const char *outcome, struct slice after);
void call_audit_denied(struct call *c, const char *why);
struct resource row_resource(struct call *c, const struct entity *e);

/* admin/rows.c */
struct row_copy { /* a sink that keeps one row */
  struct call *call;
  struct entity entity;
  bool is_found;
};
void row_copy_take(struct row_copy *copy,
                   const struct entity *e); /* texts go to the call's arena */
enum store_result row_find_copy(struct call *c, enum entity_kind kind, struct slice id,
                                struct entity *out);
/* The row of the path, when the caller may see it; else refused. */
bool row_get(struct call *c, struct entity *out);
bool row_get_id(struct call *c, struct slice id, struct entity *out);
void row_write_json(struct call *c, const struct entity *e, struct bytes *out);
struct slice row_json(struct call *c, const struct entity *e);
/* Stores the change with its audit row. before may be NULL. extra: what the answer shows and
 * nothing else ever does, as JSON members with a leading comma. */
struct row_write {
  struct entity entity;
  const struct entity *before;
  bool is_deletion;
  uint64_t expected_version;
  const char *verb;
  struct slice extra;
};
bool row_store(struct call *c, struct row_write *w);
/* All that comes before a new row is stored; false: refused. */
bool row_prepare(struct call *c, struct row_write *w);
/* The same for a change of old. */
bool row_prepare_change(struct call *c, struct entity *old, struct row_write *w);
const char *row_noun(enum entity_kind kind); /* "key" */
struct slice row_new_id(struct call *c, enum entity_kind kind);
/* The version that If-Match names, or the old one; false, refused, when they differ. */
bool row_expected(struct call *c, const struct entity *old, uint64_t *version);
void row_set_state(struct call *c, const struct entity *old, const char *state, const char *verb);

/* Several changes, all or none; the answer shows the first. */
bool row_store_all(struct call *c, struct row_write *writes, size_t count);

/* admin/refer.c: users by name or e-mail address, and projects by path, become ids, where only one
 * in the row's tenant bears it. False: refused. */
bool row_refer(struct call *c, struct entity *e);

/* admin/once.c. True: this Idempotency-Key has been used, and the call is answered. */
bool once_replay(struct call *c);
/* What a change with that key leaves behind, for its own transaction; empty without a key. */
struct slice once_answer(struct call *c, const struct entity *e);

/* admin/keys.c: gives a key its secret, which *extra shows. */
void key_seal(struct call *c, struct entity *e, struct slice *extra);
/* members is JSON text ("a":1,"b":2), put behind those of the body. */
void row_add_members(struct call *c, struct entity *e, const char *members);
struct slice row_body_without(struct call *c, struct slice body, const char *const *names,
                              size_t count);

/* admin/services.c: what a new row takes from where it is put: ids, numbers, its service's tenant.
 * False: refused. */
bool row_place(struct call *c, struct entity *e);
bool service_row_check(struct call *c, const struct entity *e, bool is_new);
bool service_row_is_free(struct call *c, const struct entity *e);
/* "published" and "canary" are said of a version by its service. */
struct slice version_state(struct call *c, const struct entity *e);
/* admin/subscriptions.c: whose it is. */
void subscription_resource(struct call *c, const struct entity *e, struct resource *what);

/* admin/fields.c */
/* Checks the body's members against admin/fields.def and merges them over old (may be empty) into
 * *merged, which has only members that are kept in a row's body. False: refused. */
bool fields_merge(struct call *c, const struct entity *old, struct entity *out);
struct slice fields_schema(struct arena *arena, enum entity_kind kind, bool is_change);
/* ,"name":{schema},… of the members that a row shows; each may be null. */
void fields_append_shown(enum entity_kind kind, struct bytes *out);
/* admin/schemas.c: what answers hold. */
void schemas_append_answer(const struct admin_route *r, struct bytes *out);
void schemas_append_components(struct bytes *out); /* "tenant":{…},… */
/* admin/scripts.c: for the description; they are routed by their own table. NULL at the end. */
const struct admin_route *scripts_route_at(size_t index);
/* admin/checks.c: what one kind's rows must obey beyond the types. A limit's scope is written anew
 * with the names that requests bear. */
bool row_check(struct call *c, struct entity *e, bool is_new);
/* admin/reports.c: which requests the caller may see, of those that the parameters ask for; false:
 * refused. */
bool call_filter(struct call *c, struct usage_filter *filter);
struct ledger_record;
/* admin/trace.c: ,"steps":[…],"candidates":[…],"strategy_trace":[…],"trace":[…] */
void trace_write(struct call *c, const struct ledger_record *r, struct bytes *out);
/* admin/limits.c */
bool limit_check(struct call *c, struct entity *e, bool is_new);
bool limit_lets_rename(struct call *c, const struct entity *user);
bool row_is_free(struct call *c, const struct entity *e); /* nothing hangs in it: it may go */

#define ROUTE(method, path, action, handler, kind, params, summary) void handler(struct call *c);
#include "admin/routes.def"
#undef ROUTE
