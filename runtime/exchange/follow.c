/* A response that was begun with stream = true has a recording of its events, with the sequence
 * numbers that the first client saw; that is read along. One begun without has none: its items come
 * when it is done. Both are looked at on the timer that also finds what was cancelled. */
#include "exchange/follow.h"

#include <stdlib.h>

#include "exchange/background.h"
#include "exchange/recording.h"

enum { PIECE_BYTES = 64 * 1024 };

struct follow {
  struct slice id;
  struct recording *recording; /* NULL: there is none, or it was given up */
  size_t at;                   /* read so far */
  struct sse sse;
  int64_t after; /* sequence_number of the last event that the client has; -1: none */
  struct bytes piece, out;
};

static int64_t starting_after(struct slice query) {
  struct slice rest = query, name = SLICE("starting_after=");
  uint64_t number;
  while (rest.len) {
    struct slice field = slice_cut(rest, '&', &rest);
    if (slice_starts(field, name) && slice_to_u64(slice_skip(field, name.len), &number) &&
        number < INT64_MAX)
      return (int64_t)number;
  }
  return -1;
}

/* Events are numbered upwards; what has no number belongs to the event before it. The newest
 * response object is kept, for a failure to end the stream with. */
static bool on_frame(const struct sse_frame *frame, void *user) {
  struct exchange *x = user;
  struct follow *f = x->follow;
  if (!frame->has_data) return true;
  struct slice text = json_find(frame->data, "sequence_number");
  uint64_t number;
  if (text.data && slice_to_u64(text, &number)) {
    x->sequence = number + 1;
    if ((int64_t)number <= f->after) return true;
    f->after = (int64_t)number;
  }
  if (json_find(frame->data, "response").data) {
    bytes_clear(&x->last_response);
    bytes_append_slice(&x->last_response, frame->data);
  }
  bytes_append_slice(&f->out, frame->raw);
  return true;
}

static bool take(struct exchange *x, struct slice frames) {
  if (sse_feed(&x->follow->sse, frames) != SSE_TOO_LONG) return true;
  exchange_fail(x, FAILURE_UPSTREAM_FRAME, "the event is larger than a recording may be");
  return false;
}

static void write_out(struct exchange *x) {
  struct follow *f = x->follow;
  if (f->out.len && x->stream && !stream_write(x->stream, bytes_slice(&f->out)))
    x->is_paused = true;
  bytes_clear(&f->out);
}

/* What the store says of it now, from where the client is. */
static enum step_result write_rest(struct exchange *x) {
  struct follow *f = x->follow;
  char query[64];
  snprintf(query, sizeof query, "stream=true&starting_after=%lld", (long long)f->after);
  struct stored_request request = {x->owner, x->method, x->route.twin,
                                   f->after >= 0 ? slice_of(query) : SLICE("stream=true")};
  struct stored_answer stored = script_stored_answer(x->generation, &request, &x->arena);
  if (stored.status != 200)
    return exchange_fail(x, FAILURE_NOT_FOUND, "the response was deleted meanwhile");
  if (!take(x, stored.body)) return STEP_FAIL;
  write_out(x);
  return STEP_NEXT;
}

static enum step_result read_recording(struct exchange *x) {
  struct follow *f = x->follow;
  while (!x->is_paused) {
    bytes_clear(&f->piece);
    enum recording_state state = recording_read(f->recording, &f->at, PIECE_BYTES, &f->piece);
    if (f->piece.len == 0 && state == RECORDING_OVER) return STEP_NEXT;
    if (state == RECORDING_LOST) {
      recording_unref(f->recording);
      f->recording = NULL;
    }
    if (f->piece.len == 0) return STEP_PARK;
    if (!take(x, bytes_slice(&f->piece))) return STEP_FAIL;
    write_out(x);
  }
  return STEP_PARK;
}

enum step_result follow_step(struct exchange *x) {
  struct follow *f = x->follow;
  if (x->failure != FAILURE_NONE) return STEP_FAIL;
  if (x->is_paused) return STEP_PARK;
  if (f->recording) return read_recording(x);
  return background_is_running(x->owner, f->id) ? STEP_PARK : write_rest(x);
}

static void follow_new(struct exchange *x, const struct stored_answer *stored,
                       struct recording *recording) {
  struct follow *f = must_calloc(1, sizeof *f);
  x->follow = f;
  f->id = stored->streamed;
  f->recording = recording;
  f->after = starting_after(x->query);
  sse_init(&f->sse, 2 * RECORDING_BYTES, on_frame, x);
  x->opened = x->committed = true;
  stream_begin(x->stream, 200, reply_headers(x, stored->content_type));
  background_watch(x->host, true);
  (void)stream_write(x->stream, (struct slice){"", 0}); /* the head */
  if (recording || !take(x, stored->body)) return;
  write_out(x);
}

enum step_result follow_answer(struct exchange *x, const struct stored_request *request,
                               const struct stored_answer *stored) {
  bool is_stream = stored->streamed.len && x->stream;
  struct recording *recording = is_stream ? recording_find(request->owner, stored->streamed) : NULL;
  if (!recording && !(is_stream && stored->still_runs)) {
    x->answer = (struct answer){stored->status, stored->content_type, stored->body};
    return STEP_NEXT;
  }
  follow_new(x, stored, recording);
  x->step = STEP_RELAY;
  return STEP_JUMP;
}

void follow_poll(struct exchange *x) {
  if (x->follow && x->step == STEP_RELAY) exchange_wake(x);
}

void follow_free(struct exchange *x) {
  struct follow *f = x->follow;
  if (!f) return;
  x->follow = NULL;
  background_watch(x->host, false);
  if (f->recording) recording_unref(f->recording);
  sse_fini(&f->sse);
  bytes_fini(&f->piece);
  bytes_fini(&f->out);
  free(f);
}
