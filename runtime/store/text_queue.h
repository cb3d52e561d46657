/* Texts on their way from workers to the store: the bookkeeper's. */
#pragma once
#include <uv.h>

#include "base/list.h"
#include "store/stored_text.h"

struct text_job {
  struct list link;
  bool is_deletion;
  struct stored_text about; /* slices point behind the job */
  struct slice plain;
};

struct text_queue {
  uv_mutex_t lock;
  struct list jobs;
  size_t bytes, max_bytes;
  uint64_t lost;
};

void text_queue_init(struct text_queue *q, size_t max_bytes);
void text_queue_fini(struct text_queue *q);
void text_queue_put(struct text_queue *q, const struct stored_text *about, struct slice plain);
void text_queue_delete(struct text_queue *q, enum text_kind kind, struct slice id);
struct text_job *text_queue_take(struct text_queue *q); /* the oldest, or NULL */
void text_queue_give_back(struct text_queue *q, struct text_job *job);
void text_job_free(struct text_job *job);
/* Waiting bytes and texts that found no room. */
void text_queue_stats(struct text_queue *q, uint64_t *bytes, uint64_t *lost);
