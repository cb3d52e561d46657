/* The provider's reply on its way to the client: frame by frame, or whole. Until the first content
 * has come the frames wait here, so that a failure can still move on to another target. */
#include "account/usage_json.h"
#include "base/clock.h"
#include "base/json_edit.h"
#include "exchange/content.h"
#include "exchange/follow.h"
#include "exchange/guard.h"
#include "exchange/policy.h"
#include "exchange/recording.h"
#include "exchange/shadow.h"

static void flush(struct exchange *x);

/* Content goes out before the failure behind it is dealt with: whether both came in one read must
 * make no difference to what the client sees. */
static bool is_before_content(struct exchange *x) {
  if (!x->committed && x->has_content) flush(x);
  return !x->committed;
}

static void fail_relay(struct exchange *x, enum failure_kind kind, const char *sentence) {
  if (is_before_content(x)) {
    send_abandon(x, kind, sentence);
    return;
  }
  exchange_fail(x, kind, "%s", sentence);
  send_cancel(x);
  exchange_wake(x);
}

/* An error event of the provider. Before the first content it is a failed attempt like any other;
 * after it the client gets it in its own protocol. */
static void on_error_event(struct exchange *x, const struct error_detail *detail) {
  struct error_detail event = *detail, told;
  if (event.status < 400) event.status = 502;
  if (is_before_content(x)) {
    send_refuse(x, &event);
    return;
  }
  bool is_operators = send_event(x, &event, &told) == FAILURE_UPSTREAM_AUTH;
  exchange_fail_with(x, is_operators ? FAILURE_UPSTREAM_AUTH : FAILURE_UPSTREAM_ERROR, &told);
  send_cancel(x);
  exchange_wake(x);
}

static void note_content(struct exchange *x) {
  x->has_content = true;
  x->first_content_ns = clock_mono_ns();
  target_works(x);
  if (x->attempt) attempt_first_token(x->attempt);
}

/* The provider saw neither the id of the earlier response nor that of a background response. */
static bool has_own_ids(const struct exchange *x) {
  return x->route.dialect == DIALECT_RESPONSES &&
         (x->response_id.len || x->fields.previous_response_id.type == JSON_STRING);
}

static void write_response(const struct exchange *x, struct slice text, struct bytes *out) {
  if (has_own_ids(x))
    native_write_response(x, text, out);
  else
    bytes_append_slice(out, text);
}

/* Responses: the newest event that carries the whole object lets a broken stream end with it, and
 * the last one is what is stored. */
static void note_response_event(struct exchange *x, const struct sse_frame *frame, unsigned flags) {
  x->sequence++;
  bool carries = slice_equal(frame->name, SLICE("response.created")) ||
                 slice_equal(frame->name, SLICE("response.in_progress"));
  if (!carries && !(flags & METER_END)) return;
  bytes_clear(&x->last_response);
  write_response(x, frame->data, &x->last_response);
}

/* Usage that the client did not ask for stays here, and with it the line feed of its last line
 * break where a read came between the two. */
static bool is_withheld(struct exchange *x, const struct sse_frame *frame, unsigned flags) {
  bool was_withheld = x->withheld;
  x->withheld = (flags & METER_USAGE_ONLY) && !x->include_usage;
  return x->withheld || (was_withheld && slice_equal(frame->raw, SLICE("\n")));
}

/* "usage": null stands in the chunks of those who asked for usage: here the gateway did. */
static bool write_without_usage(struct exchange *x, const struct sse_frame *frame) {
  struct slice member = x->meter.unset_usage, data = frame->data, raw = frame->raw;
  bool is_inside = data.data >= raw.data && data.data + data.len <= raw.data + raw.len;
  if (!member.data || x->include_usage || !is_inside) return false;
  struct json_edits edits;
  struct slice pieces[JSON_PIECES_MAX];
  json_edits_init(&edits, data);
  json_edit_remove(&edits, member);
  size_t before = (size_t)(data.data - raw.data), count = json_edit_pieces(&edits, pieces, NULL);
  bytes_append(&x->out, raw.data, before);
  for (size_t i = 0; i < count; i++)
    bytes_append_slice(&x->out, pieces[i]);
  bytes_append_slice(&x->out, slice_skip(raw, before + data.len));
  return true;
}

static void write_native(struct exchange *x, const struct sse_frame *frame) {
  if (frame->has_data && write_without_usage(x, frame)) return;
  bool is_line = frame->has_data && !memchr(frame->data.data, '\n', frame->data.len);
  if (!has_own_ids(x) || !is_line || !json_find(frame->data, "response").data) {
    bytes_append_slice(&x->out, frame->raw);
    return;
  }
  if (frame->name.len) {
    bytes_append_text(&x->out, "event: ");
    bytes_append_slice(&x->out, frame->name);
    bytes_append_byte(&x->out, '\n');
  }
  bytes_append_text(&x->out, "data: ");
  native_write_response(x, frame->data, &x->out);
  bytes_append_text(&x->out, "\n\n");
}

/* May the client read the provider's own error event? */
static bool is_for_clients(struct exchange *x, const struct error_detail *event) {
  struct error_detail told;
  return send_event(x, event, &told) != FAILURE_UPSTREAM_AUTH &&
         slice_equal(told.message, event->message);
}

/* The provider's error in the client's own protocol: behind content it is passed on as it is. A
 * bare `error` event of Responses becomes response.failed: clients take only that for an end. */
static void relay_native_error(struct exchange *x, const struct sse_frame *frame) {
  struct error_detail detail = {0};
  struct provider_error reply = {x->adapter->name, frame->data, 0};
  script_provider_error(policies_generation(x, x->records[x->record_count - 1].target), &reply,
                        &x->arena, &detail);
  bool ends =
      x->route.dialect != DIALECT_RESPONSES || slice_equal(frame->name, SLICE("response.failed"));
  if (!is_before_content(x) && ends && is_for_clients(x, &detail)) {
    write_native(x, frame);
    x->error_relayed = true;
  }
  on_error_event(x, &detail);
}

static bool relay_native(struct exchange *x, const struct sse_frame *frame) {
  unsigned flags = frame->has_data ? meter_frame(&x->meter, frame->name, frame->data) : 0;
  if (flags & METER_ERROR) {
    relay_native_error(x, frame);
    return false;
  }
  if (x->route.dialect == DIALECT_RESPONSES && frame->has_data)
    note_response_event(x, frame, flags);
  if (!is_withheld(x, frame, flags)) write_native(x, frame);
  if ((flags & METER_CONTENT) && !x->has_content) note_content(x);
  if (flags & METER_END) x->relay_ended = true;
  return true; /* what follows the end mark is the provider's to say, and relayed like the rest */
}

/* The adapter has read it from the provider's own form. What comes before the finish counts what
 * was produced so far, at most. */
static void take_usage(struct exchange *x, const struct usage *usage, struct slice said,
                       bool is_final) {
  enum service_tier before = x->meter.usage.service; /* a stream's first event may have said it */
  x->meter.usage = *usage;
  x->meter.usage.service = before;
  usage_find_service(said, &x->meter.usage);
  x->meter.has_usage = true;
  x->meter.usage_is_final = is_final;
  x->meter.output_bytes_at_usage = x->meter.output_bytes;
}

static void take_text(struct exchange *x, struct slice text) {
  if (x->meter.text.on_text)
    x->meter.text.on_text(text, x->meter.text.user);
  else
    estimate_feed(&x->meter.output, text);
  x->meter.output_bytes += text.len;
}

static bool take_translated(struct exchange *x, bool fine, const struct translated *t,
                            struct slice said) {
  if (!fine) { /* our script's fault: the provider's health must not suffer for it */
    exchange_fail_with(x, FAILURE_TRANSLATION, &t->failure);
    send_cancel(x);
    exchange_wake(x);
    return false;
  }
  if (t->has_failed) {
    on_error_event(x, &t->failure);
    return false;
  }
  bytes_append_slice(&x->out, t->out);
  if (t->finish.len) x->finish = arena_slice(&x->arena, t->finish);
  take_text(x, t->text);
  if (t->has_usage) take_usage(x, &t->usage, said, t->has_ended || x->finish.len > 0);
  if (t->has_content && !x->has_content) note_content(x);
  if (t->has_ended) x->relay_ended = true;
  return !x->relay_ended;
}

static bool relay_translated(struct exchange *x, const struct sse_frame *frame) {
  if (!frame->has_data) return true;
  struct translated t;
  bool fine = translation_event(x->translation, frame->name.len ? frame->name : SLICE("message"),
                                frame->data, &t);
  return take_translated(x, fine, &t, frame->data);
}

static bool on_frame(const struct sse_frame *frame, void *user) {
  struct exchange *x = user;
  x->has_event = x->has_event || frame->has_data;
  if (frame->has_data && x->attempt) attempt_touch(x->attempt);
  if (frame->is_partial && !frame->has_data) return true;
  return x->is_native ? relay_native(x, frame) : relay_translated(x, frame);
}

void relay_begin(struct exchange *x) {
  if (x->has_sse) sse_fini(&x->sse);
  sse_init(&x->sse, x->config->limits.frame_bytes, on_frame, x);
  x->has_sse = true;
  bytes_clear(&x->out);
  bytes_clear(&x->last_response);
  x->sequence = 0;
  x->has_event = false;
  x->withheld = false;
}

static void open_stream(struct exchange *x) {
  if (x->opened) return;
  x->opened = true;
  if (x->stream)
    stream_begin(x->stream, 200, reply_headers(x, SLICE("text/event-stream; charset=utf-8")));
}

static void commit(struct exchange *x) {
  x->committed = true;
  x->step = STEP_RELAY;
  if (policies_guard(x) && !x->guard) x->guard = guard_new(x);
}

/* Keeps proxies and clients from taking a thinking model for a dead one. A comment is no content:
 * another target may still take over. */
void relay_ping(struct exchange *x, uint64_t now_ns) {
  bool is_relayed = x->is_stream && x->attempt && !x->relay_ended;
  if (!x->config->ping_ms || !x->stream || x->is_paused || !(is_relayed || x->follow)) return;
  uint64_t since_ns = x->written_ns ? x->written_ns : x->started_ns;
  if (now_ns - since_ns < x->config->ping_ms * 1000000ull) return;
  open_stream(x);
  x->written_ns = now_ns;
  (void)stream_write(x->stream, SLICE(": ping\n\n"));
}

/* Frames without content wait as long as another target could take over; comments alone always
 * wait. They are small; a provider that sends a flood of them is not waited for. */
static bool must_hold(const struct exchange *x) {
  if (x->has_content || x->relay_ended || x->out.len >= x->config->limits.frame_bytes) return false;
  return x->candidate + 1 < x->candidate_count || !x->has_event;
}

static bool is_guarding(const struct exchange *x) {
  return x->guard && guard_is_busy(x->guard);
}

/* What may go out of what is waiting to. A guard that waits for a hook bounds what gathers behind
 * it by not reading on. */
static struct bytes *guarded(struct exchange *x) {
  shadow_feed(x, bytes_slice(&x->out));
  if (!x->guard) return &x->out;
  guard_feed(x->guard, bytes_slice(&x->out));
  bytes_clear(&x->out);
  if (!x->guard_paused && x->attempt && !x->relay_ended &&
      guard_pending_bytes(x->guard) > x->config->limits.write_high_bytes) {
    x->guard_paused = true;
    attempt_pause(x->attempt);
  }
  return guard_released(x->guard);
}

static void flush(struct exchange *x) {
  if (!x->committed) {
    if (!x->out.len || must_hold(x)) return;
    commit(x);
  }
  if (x->relay_ended && settle_awaits_count(x)) return; /* on in relay_counted */
  struct bytes *out = guarded(x);
  if (policies_denied(x)) return; /* nothing more of this reply */
  if (x->relay_ended && !is_guarding(x)) {
    if (settle_book(x) == STEP_FAIL) {
      exchange_wake(x);
      return;
    }
    settle_store(x);
  }
  if (x->guard && !out->len) return;
  shadow_sent(x, bytes_slice(out));
  if (x->recording) recording_append(x->recording, bytes_slice(out));
  content_append(x, bytes_slice(out));
  open_stream(x);
  bool is_full = out->len && x->stream && !stream_write(x->stream, bytes_slice(out));
  /* After the last frame nobody would let a provider go on. */
  if (is_full && x->attempt && (x->is_native || !x->relay_ended)) {
    x->is_paused = true;
    attempt_pause(x->attempt);
    bytes_fini(out); /* a client that does not read may hold this for long */
  }
  if (x->config->ping_ms) x->written_ns = clock_mono_ns();
  bytes_clear(out);
}

/* A hook has answered: what waited behind it goes on. */
void relay_guard_answered(struct exchange *x) {
  guard_continue(x->guard);
  if (x->failure == FAILURE_NONE) flush(x);
  if (x->guard_paused && !guard_is_busy(x->guard)) {
    x->guard_paused = false;
    if (x->attempt && !x->is_paused) attempt_resume(x->attempt);
  }
  if (!guard_is_busy(x->guard)) exchange_wake(x);
}

void relay_counted(struct exchange *x) {
  if (x->step == STEP_RELAY && x->committed && x->failure == FAILURE_NONE) flush(x);
}

void relay_overdue(struct exchange *x) {
  if (x->failure != FAILURE_NONE || x->relay_ended) return;
  guard_let_go(x->guard);
  if (x->failure == FAILURE_NONE) flush(x);
}

/* Words that were held back are the client's, unless a policy has just denied them. */
void relay_release(struct exchange *x) {
  if (!x->guard || policies_denied(x) || guard_is_busy(x->guard)) return;
  guard_finish(x->guard);
  struct bytes *released = guard_released(x->guard);
  if (!policies_denied(x) && !guard_is_busy(x->guard))
    bytes_append_slice(&x->out, bytes_slice(released));
}

void relay_data(struct exchange *x, struct slice data) {
  if ((x->relay_ended && !x->is_native) || x->failure != FAILURE_NONE) return;
  if (sse_feed(&x->sse, data) == SSE_TOO_LONG)
    fail_relay(x, FAILURE_UPSTREAM_FRAME, "the provider sent an event larger than limits.frame");
  if (x->attempt_state == ATTEMPT_FAILED) return; /* moved on: what was held back is of no use */
  if (x->failure != FAILURE_NONE) flush(x);
}

/* One read of the provider's, one write to the client. */
void relay_read_end(struct exchange *x) {
  if (!x->is_event_stream || x->failure != FAILURE_NONE) return;
  flush(x);
  if (!x->relay_ended) return;
  if (x->attempt) attempt_linger(x->attempt);
  if (!x->is_native) exchange_wake(x);
}

/* The provider has closed cleanly: what is left in the reader, and what the adapter makes of the
 * end. */
void relay_finish(struct exchange *x) {
  if (!x->is_event_stream || x->relay_ended || x->failure != FAILURE_NONE) return;
  (void)!sse_finish(&x->sse);
  if (!x->is_native && !x->relay_ended && x->failure == FAILURE_NONE &&
      x->attempt_state == ATTEMPT_ENDED) {
    struct translated t;
    bool fine = translation_end(x->translation, &t);
    if (fine && !t.has_failed) take_translated(x, true, &t, (struct slice){"", 0});
  }
  if (x->relay_ended) flush(x);
}

static enum step_result stream_step(struct exchange *x) {
  if (x->failure != FAILURE_NONE) return STEP_FAIL;
  if (x->attempt_state == ATTEMPT_ENDED) relay_finish(x);
  if (is_guarding(x) || x->token_job) return STEP_PARK;
  if (x->relay_ended && (!x->is_native || x->attempt_state != ATTEMPT_RUNNING)) return STEP_NEXT;
  if (x->attempt_state == ATTEMPT_FAILED)
    return exchange_fail(x, x->records[x->record_count - 1].failure, "%s", send_failure(x));
  if (x->attempt_state == ATTEMPT_ENDED)
    return exchange_fail(x, FAILURE_UPSTREAM_CUT,
                         "the provider ended its stream without the mark of a complete one");
  return STEP_PARK;
}

static enum step_result whole_native(struct exchange *x) {
  struct slice text = bytes_slice(&x->reply);
  if (has_own_ids(x)) {
    native_write_response(x, text, &x->out);
    text = bytes_slice(&x->out);
  }
  x->answer = (struct answer){x->upstream_status, SLICE("application/json"), text};
  return STEP_NEXT;
}

static enum step_result whole_translated(struct exchange *x) {
  struct translated t;
  if (!translation_reply(x->translation, bytes_slice(&x->reply), &t))
    return exchange_fail_with(x, FAILURE_UPSTREAM_PROTOCOL, &t.failure);
  bytes_append_slice(&x->out, t.out);
  if (t.has_usage) take_usage(x, &t.usage, bytes_slice(&x->reply), true);
  take_text(x, t.text);
  x->finish = arena_slice(&x->arena, t.finish);
  x->answer = (struct answer){200, SLICE("application/json"), bytes_slice(&x->out)};
  return STEP_NEXT;
}

enum step_result relay_step(struct exchange *x) {
  if (x->follow) return follow_step(x);
  if (x->committed) return stream_step(x);
  if (!x->reply_texts) {
    enum step_result result = x->is_native ? whole_native(x) : whole_translated(x);
    if (result != STEP_NEXT) return result;
  }
  return policies_reply(x);
}
