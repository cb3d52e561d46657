/* The roles there are: those that ship (lua/rbac), the operator's, those of tenants' folders, and
 * those of the store. Immutable once built, shared by count. */
#pragma once
#include "auth/permission.h"
#include "base/value.h"
#include "config/config.h"

struct roles;

struct roles *roles_new(void);
struct roles *roles_ref(struct roles *r);
void roles_unref(struct roles *r); /* NULL is fine */

struct role_file {
  struct slice name;        /* the file's name without .lua: the role must have the same */
  struct slice tenant;      /* empty: it ships, or is the operator's */
  const char *file;         /* in problems; NULL: a row of the store */
  const struct value *root; /* what the file returns; copied */
  struct slice text;        /* of the file, kept where a function decides */
};

/* False with problems "file:line: …". A tenant's role may not take the name of one for all, nor
 * allow what its tenant_admin may not: roles for all are therefore added first. */
bool roles_add(struct roles *r, const struct role_file *file, struct config_problems *problems);
/* A row of the store: body is a JSON object with the same members. */
bool roles_add_json(struct roles *r, const struct role_file *file, struct slice body,
                    struct config_problems *problems);
/* The tenant's own, or the one for all; NULL when there is none. */
const struct role *roles_find(const struct roles *r, struct slice tenant, struct slice name);
size_t roles_count(const struct roles *r);
const struct role *roles_at(const struct roles *r, size_t index); /* in the order they were added */
/* A set that begins with those of another. */
struct roles *roles_copy(const struct roles *from);
