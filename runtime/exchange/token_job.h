/* Counting that another thread does while the exchange is parked: one text at a time for each
 * worker, so that the pool is there for others, too. */
#pragma once
#include "exchange/prompt.h"
#include "exchange/state.h"

struct token_jobs;

struct token_jobs *token_jobs_new(uv_loop_t *loop);
void token_jobs_free(struct token_jobs *jobs); /* the loop has ended */

/* Counts the prompt, or, where value has data, makes the ids of that JSON string. The texts are
 * copied. The exchange, which has no job yet, is woken with prompt_tokens or token_ids set. */
void token_job_start(struct exchange *x, const struct prompt *prompt, struct slice value);
void token_job_leave(struct exchange *x); /* nobody waits for it any more */
