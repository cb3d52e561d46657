#include "exchange/token_job.h"

#include <stdlib.h>

struct token_job {
  struct list link; /* waiting */
  struct token_jobs *jobs;
  struct exchange *x; /* NULL: has left */
  uv_work_t work;
  struct prompt prompt; /* its body lies in text */
  bool makes_ids;
  struct bytes text, ids;
  uint64_t tokens;
};

struct token_jobs {
  uv_loop_t *loop;
  struct list waiting;
  struct token_job *running;
  struct encoder encoder; /* of the running one */
};

struct token_jobs *token_jobs_new(uv_loop_t *loop) {
  struct token_jobs *jobs = must_calloc(1, sizeof *jobs);
  jobs->loop = loop;
  list_init(&jobs->waiting);
  encoder_init(&jobs->encoder);
  return jobs;
}

void token_jobs_free(struct token_jobs *jobs) {
  must(!jobs->running && list_empty(&jobs->waiting));
  encoder_fini(&jobs->encoder);
  free(jobs);
}

static void job_free(struct token_job *job) {
  bytes_fini(&job->text);
  bytes_fini(&job->ids);
  free(job);
}

static void on_work(uv_work_t *work) {
  struct token_job *job = work->data;
  if (job->makes_ids)
    prompt_write_ids(job->prompt.tokenizer, &job->jobs->encoder, job->prompt.body, &job->ids);
  else
    job->tokens = prompt_count(&job->prompt, &job->jobs->encoder);
}

static void on_work_end(uv_work_t *work, int status);

static void run_next(struct token_jobs *jobs) {
  if (jobs->running || list_empty(&jobs->waiting)) return;
  struct token_job *job = list_entry(jobs->waiting.next, struct token_job, link);
  list_remove(&job->link);
  jobs->running = job;
  job->work.data = job;
  must(uv_queue_work(jobs->loop, &job->work, on_work, on_work_end) == 0);
}

static void give(const struct token_job *job) {
  struct exchange *x = job->x;
  x->token_job = NULL;
  if (job->makes_ids) {
    x->token_ids = arena_slice(&x->arena, bytes_slice(&job->ids));
  } else {
    x->prompt_tokens = job->tokens;
    x->has_prompt_tokens = true;
  }
  relay_counted(x);
  exchange_wake(x);
}

static void on_work_end(uv_work_t *work, int status) {
  struct token_job *job = work->data;
  struct token_jobs *jobs = job->jobs;
  must(status == 0);
  jobs->running = NULL;
  if (job->x) give(job);
  job_free(job);
  run_next(jobs);
}

void token_job_start(struct exchange *x, const struct prompt *prompt, struct slice value) {
  must(!x->token_job);
  struct token_job *job = must_calloc(1, sizeof *job);
  job->jobs = x->host->token_jobs;
  job->x = x;
  job->prompt = *prompt;
  job->makes_ids = value.data != NULL;
  bytes_init(&job->text);
  bytes_init(&job->ids);
  bytes_append_slice(&job->text, job->makes_ids ? value : prompt->body);
  job->prompt.body = bytes_slice(&job->text);
  list_init(&job->link);
  list_append(&job->jobs->waiting, &job->link);
  x->token_job = job;
  run_next(job->jobs);
}

void token_job_leave(struct exchange *x) {
  struct token_job *job = x->token_job;
  if (!job) return;
  x->token_job = NULL;
  job->x = NULL;
  if (job == job->jobs->running) return;
  list_remove(&job->link);
  job_free(job);
}
