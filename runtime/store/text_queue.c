#include "store/text_queue.h"

#include <stdlib.h>

void text_queue_init(struct text_queue *q, size_t max_bytes) {
  *q = (struct text_queue){.max_bytes = max_bytes};
  list_init(&q->jobs);
  must(uv_mutex_init(&q->lock) == 0);
}

void text_job_free(struct text_job *job) {
  free(job);
}

void text_queue_fini(struct text_queue *q) {
  list_each_safe(node, &q->jobs) text_job_free(list_entry(node, struct text_job, link));
  uv_mutex_destroy(&q->lock);
}

static struct slice put(char **to, struct slice from) {
  struct slice copy = {*to, from.len};
  if (from.len) memcpy(*to, from.data, from.len);
  *to += from.len;
  return copy;
}

static struct text_job *job_new(const struct stored_text *about, struct slice plain) {
  struct text_job *job =
      must_alloc(sizeof *job + about->id.len + about->tenant.len + plain.len + 1);
  char *to = (char *)(job + 1);
  *job = (struct text_job){.about = *about};
  job->about.id = put(&to, about->id);
  job->about.tenant = put(&to, about->tenant);
  job->plain = put(&to, plain);
  list_init(&job->link);
  return job;
}

static size_t job_bytes(const struct text_job *job) {
  return sizeof *job + job->about.id.len + job->about.tenant.len + job->plain.len;
}

void text_queue_put(struct text_queue *q, const struct stored_text *about, struct slice plain) {
  struct text_job *job = job_new(about, plain);
  uv_mutex_lock(&q->lock);
  bool fits = q->bytes + job_bytes(job) <= q->max_bytes;
  if (fits) {
    q->bytes += job_bytes(job);
    list_append(&q->jobs, &job->link);
  } else {
    q->lost++;
  }
  uv_mutex_unlock(&q->lock);
  if (!fits) text_job_free(job);
}

/* A deletion always fits: what a user wanted gone must go. */
void text_queue_delete(struct text_queue *q, enum text_kind kind, struct slice id) {
  struct stored_text about = {.kind = kind, .id = id};
  struct text_job *job = job_new(&about, (struct slice){"", 0});
  job->is_deletion = true;
  uv_mutex_lock(&q->lock);
  q->bytes += job_bytes(job);
  list_append(&q->jobs, &job->link);
  uv_mutex_unlock(&q->lock);
}

struct text_job *text_queue_take(struct text_queue *q) {
  uv_mutex_lock(&q->lock);
  struct text_job *job =
      list_empty(&q->jobs) ? NULL : list_entry(q->jobs.next, struct text_job, link);
  if (job) {
    list_remove(&job->link);
    q->bytes -= job_bytes(job);
  }
  uv_mutex_unlock(&q->lock);
  return job;
}

void text_queue_give_back(struct text_queue *q, struct text_job *job) {
  uv_mutex_lock(&q->lock);
  list_prepend(&q->jobs, &job->link);
  q->bytes += job_bytes(job);
  uv_mutex_unlock(&q->lock);
}

void text_queue_stats(struct text_queue *q, uint64_t *bytes, uint64_t *lost) {
  uv_mutex_lock(&q->lock);
  *bytes = q->bytes;
  *lost = q->lost;
  uv_mutex_unlock(&q->lock);
}
