/* The functions `may` of role files: they decide what data cannot say. Each role has a sandbox of
 * its own, made when it is first asked; its budget is that of a hook. One for each worker. */
#pragma once
#include "base/bytes.h"

struct role_judge;

struct role_question {
  struct slice role, text;                 /* of the role, and of its file */
  const char *action;                      /* "chat" */
  struct slice tenant, project, user, key; /* who asks; empty: none */
  const struct slice *tags;
  size_t tag_count;
  struct slice model, path; /* empty: not asked about */
};

struct role_judge *role_judge_new(void);
void role_judge_free(struct role_judge *j);
/* True only when the function returned true: errors, broken limits and anything else are no. What
 * went wrong is appended to error, in one line; empty when nothing did. */
bool role_judge_may(struct role_judge *j, const struct role_question *question,
                    struct bytes *error);
