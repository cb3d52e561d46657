/* Callers who show a signed token instead of a key. A verified token is remembered until it ends,
 * or the directory changes; one table for each worker, of fixed size. Everything here belongs to
 * one thread. */
#pragma once
#include "auth/directory.h"
#include "auth/jwt.h"

struct session; /* one verified token: counted, holds the directory it was verified under */

/* Verifies. NULL, and why. Costs a signature: see sessions_find. */
struct session *session_open(struct directory *d, struct slice token, int64_t now_ms,
                             enum jwt_result *why);
const struct principal *session_principal(const struct session *s);
struct session *session_ref(struct session *s);
void session_unref(struct session *s); /* NULL is fine */

struct sessions;

struct sessions *sessions_new(void);
void sessions_free(struct sessions *s);
void sessions_clear(struct sessions *s); /* another directory is in force */
/* As session_open, from memory where possible. The reference is the caller's. */
struct session *sessions_find(struct sessions *s, struct directory *d, struct slice token,
                              int64_t now_ms, enum jwt_result *why);
