#include "exchange/recording.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"

struct recording {
  struct list link; /* in the list of the process, the oldest first; alone once forgotten */
  unsigned refs;
  struct bytes owner, id, frames;
  enum recording_state state;
  uint64_t ended_ns;
};

/* Held for copying at most: followers read in pieces. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list all = {&all, &all};
static size_t all_bytes;

static void give_up_frames(struct recording *r) {
  all_bytes -= r->frames.len;
  bytes_fini(&r->frames);
}

static void unref(struct recording *r) {
  if (--r->refs > 0) return;
  give_up_frames(r);
  bytes_fini(&r->owner);
  bytes_fini(&r->id);
  free(r);
}

static void forget(struct recording *r) {
  list_remove(&r->link);
  unref(r);
}

static void forget_old(uint64_t now_ns) {
  list_each_safe(node, &all) {
    struct recording *r = list_entry(node, struct recording, link);
    bool is_old = r->ended_ns && now_ns > r->ended_ns + RECORDING_KEPT_MS * 1000000ull;
    if (is_old || (r->ended_ns && all_bytes > RECORDINGS_BYTES)) forget(r);
  }
}

static struct recording *find(struct slice owner, struct slice id) {
  list_each(node, &all) {
    struct recording *r = list_entry(node, struct recording, link);
    if (slice_equal(bytes_slice(&r->id), id) && slice_equal(bytes_slice(&r->owner), owner))
      return r;
  }
  return NULL;
}

struct recording *recording_start(struct slice owner, struct slice id) {
  struct recording *r = must_calloc(1, sizeof *r);
  r->refs = 2; /* the list's and the writer's */
  bytes_append_slice(&r->owner, owner);
  bytes_append_slice(&r->id, id);
  pthread_mutex_lock(&lock);
  forget_old(clock_mono_ns());
  list_append(&all, &r->link);
  pthread_mutex_unlock(&lock);
  return r;
}

void recording_append(struct recording *r, struct slice frames) {
  pthread_mutex_lock(&lock);
  if (all_bytes + frames.len > RECORDINGS_BYTES) forget_old(clock_mono_ns());
  if (r->frames.len + frames.len > RECORDING_BYTES || all_bytes + frames.len > RECORDINGS_BYTES) {
    r->state = RECORDING_LOST;
    give_up_frames(r);
  }
  if (r->state == RECORDING_GOES_ON) {
    bytes_append_slice(&r->frames, frames);
    all_bytes += frames.len;
  }
  pthread_mutex_unlock(&lock);
}

void recording_end(struct recording *r) {
  pthread_mutex_lock(&lock);
  if (r->state == RECORDING_GOES_ON) r->state = RECORDING_OVER;
  r->ended_ns = clock_mono_ns();
  unref(r);
  pthread_mutex_unlock(&lock);
}

struct recording *recording_find(struct slice owner, struct slice id) {
  pthread_mutex_lock(&lock);
  forget_old(clock_mono_ns());
  struct recording *r = find(owner, id);
  if (r) r->refs++;
  pthread_mutex_unlock(&lock);
  return r;
}

void recording_unref(struct recording *r) {
  pthread_mutex_lock(&lock);
  unref(r);
  pthread_mutex_unlock(&lock);
}

void recording_forget(struct slice owner, struct slice id) {
  pthread_mutex_lock(&lock);
  struct recording *r = find(owner, id);
  if (r) forget(r);
  pthread_mutex_unlock(&lock);
}

enum recording_state recording_read(struct recording *r, size_t *at, size_t most,
                                    struct bytes *out) {
  pthread_mutex_lock(&lock);
  size_t left = r->frames.len > *at ? r->frames.len - *at : 0, taken = left < most ? left : most;
  if (taken) bytes_append(out, r->frames.data + *at, taken);
  *at += taken;
  enum recording_state state = r->state;
  pthread_mutex_unlock(&lock);
  return state;
}
