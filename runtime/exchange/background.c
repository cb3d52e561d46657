/* A request to cancel may reach another worker than the one that runs the response. It marks the
 * response in a list of the process; the running worker looks at its own marks on a timer, which
 * runs only while it has any. The lock also makes reading and replacing a stored response one step:
 * what was cancelled never reads as completed later. Ordinary requests never take it. */
#include "exchange/background.h"

#include <pthread.h>

#include "exchange/follow.h"
#include "exchange/recording.h"

enum { POLL_MS = 50 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list running = {&running, &running};

static void stop_cancelled(struct exchange *x) {
  if (!x->background || x->step >= STEP_SETTLE || !atomic_load(&x->background->is_cancelled))
    return;
  exchange_fail(x, FAILURE_CLIENT_GONE, "the client cancelled this response");
  x->step = STEP_SETTLE;
  send_cancel(x);
  exchange_wake(x);
}

static void on_poll(uv_timer_t *timer) {
  struct exchange_host *host = timer->data;
  list_each_safe(node, &host->exchanges) {
    struct exchange *x = list_entry(node, struct exchange, link);
    stop_cancelled(x);
    follow_poll(x);
  }
}

void background_watch(struct exchange_host *host, bool begins) {
  host->background_timer.data = host;
  if (begins && host->background_count++ == 0)
    uv_timer_start(&host->background_timer, on_poll, POLL_MS, POLL_MS);
  if (!begins && --host->background_count == 0) uv_timer_stop(&host->background_timer);
}

static void enlist(struct exchange *x) {
  struct background *b = arena_alloc(&x->arena, sizeof *b);
  b->owner = x->owner;
  b->id = x->response_id;
  atomic_init(&b->is_cancelled, false);
  list_append(&running, &b->link);
  x->background = b;
  background_watch(x->host, true);
  if (x->is_stream) x->recording = recording_start(x->owner, x->response_id);
}

/* Another target may be tried after the connection has closed, and gets the same head. */
static void keep_headers(struct exchange *x) {
  struct header *items = arena_alloc(&x->arena, (x->headers.count + 1) * sizeof *items);
  for (size_t i = 0; i < x->headers.count; i++) {
    items[i].name = arena_slice(&x->arena, x->headers.items[i].name);
    items[i].value = arena_slice(&x->arena, x->headers.items[i].value);
  }
  x->headers.items = items;
}

enum step_result background_begin(struct exchange *x) {
  struct stored_begin begin = {x->owner, x->response_id, bytes_slice(&x->body), x->public_model};
  struct slice queued;
  struct error_detail error = {0};
  keep_headers(x);
  pthread_mutex_lock(&lock);
  bool fine = script_stored_begin(x->generation, &begin, &x->arena, &queued, &error);
  if (fine) enlist(x);
  pthread_mutex_unlock(&lock);
  if (!fine) return exchange_fail_with(x, FAILURE_BAD_REQUEST, &error);
  if (x->is_stream) return STEP_NEXT;
  x->is_answered = true;
  if (x->stream)
    stream_respond(x->stream, 200, reply_headers(x, SLICE("application/json")), queued);
  return STEP_NEXT;
}

void background_settle(struct exchange *x, struct slice text) {
  pthread_mutex_lock(&lock);
  list_remove(&x->background->link);
  if (x->failure == FAILURE_NONE && text.len)
    script_stored_finish(x->generation, x->owner, x->response_id, text);
  else
    script_stored_fail(x->generation, x->owner, x->response_id, &x->detail);
  pthread_mutex_unlock(&lock);
  x->background = NULL;
  background_watch(x->host, false);
}

bool background_is_running(struct slice owner, struct slice id) {
  bool is_running = false;
  pthread_mutex_lock(&lock);
  list_each(node, &running) {
    struct background *b = list_entry(node, struct background, link);
    is_running = is_running || (slice_equal(b->id, id) && slice_equal(b->owner, owner));
  }
  pthread_mutex_unlock(&lock);
  return is_running;
}

struct stored_answer background_answer(struct exchange *x, const struct stored_request *request) {
  if (slice_equal(request->method, SLICE("GET")))
    return script_stored_answer(x->generation, request, &x->arena);
  pthread_mutex_lock(&lock);
  struct stored_answer answer = script_stored_answer(x->generation, request, &x->arena);
  list_each(node, &running) {
    struct background *b = list_entry(node, struct background, link);
    if (answer.stopped.len && slice_equal(b->id, answer.stopped) &&
        slice_equal(b->owner, request->owner))
      atomic_store(&b->is_cancelled, true);
  }
  pthread_mutex_unlock(&lock);
  if (answer.stopped.len && slice_equal_text(request->method, "DELETE"))
    recording_forget(request->owner, answer.stopped);
  return answer;
}

/* What its own client is told at the end, or would have been told. */
void background_finish(struct exchange *x) {
  struct bytes frames;
  if (!x->recording) return;
  bytes_init(&frames);
  if (x->failure != FAILURE_NONE && !x->error_relayed) error_frames(x, &frames);
  recording_append(x->recording, bytes_slice(&frames));
  recording_end(x->recording);
  x->recording = NULL;
  bytes_fini(&frames);
}

void background_detach(struct exchange *x) {
  if (!x->is_paused) return;
  x->is_paused = false;
  if (x->attempt) attempt_resume(x->attempt);
}
