#include "mock/conn.h"

#include <string.h>

#include "base/clock.h"

enum { FILL_BLOCK = 65536, TURN_BYTES = 262144, TURN_WRITES = 256, LINGER_MS = 500 };

enum send_result { SEND_DONE, SEND_WAIT, SEND_FAILED };

static void on_written(uv_write_t *write, int status) {
  struct conn *c = write->data;
  c->writing = false;
  bytes_clear(&c->cipher);
  if (c->phase == CONN_CLOSING) return;
  if (status < 0) {
    conn_lost(c, MOCK_CLIENT_RESET);
  } else if (c->phase == CONN_PLAYING) {
    conn_play(c);
  }
}

/* The memory must stay until SEND_DONE or on_written. */
static enum send_result send_raw(struct conn *c, const char *data, size_t len) {
  uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
  int sent = c->writing ? UV_EAGAIN : uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
  if (sent == UV_EAGAIN) sent = 0;
  if (sent < 0) return SEND_FAILED;
  if ((size_t)sent == len) return SEND_DONE;
  if (c->writing) return SEND_FAILED;
  buf = uv_buf_init((char *)data + sent, (unsigned)(len - (size_t)sent));
  if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written)) return SEND_FAILED;
  c->writing = true;
  return SEND_WAIT;
}

static enum send_result send_piece(struct conn *c, struct slice piece) {
  if (!c->tls) return send_raw(c, piece.data, piece.len);
  if (!tls_session_write(c->tls, piece, &c->cipher)) return SEND_FAILED;
  enum send_result result = send_raw(c, c->cipher.data, c->cipher.len);
  if (result == SEND_DONE) bytes_clear(&c->cipher);
  return result;
}

int conn_flush_cipher(struct conn *c) {
  if (!c->cipher.len || c->writing) return 0;
  enum send_result result = send_raw(c, c->cipher.data, c->cipher.len);
  if (result == SEND_DONE) bytes_clear(&c->cipher);
  return result == SEND_FAILED ? UV_EPIPE : 0;
}

void conn_send_text(struct conn *c, const char *text) {
  if (!c->writing) (void)send_piece(c, slice_of(text));
}

static void on_linger_over(uv_timer_t *timer) {
  mock_conn_close(timer->data);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status) {
  struct conn *c = shutdown->data;
  if (c->phase == CONN_CLOSING) return;
  if (status < 0 || c->eof) mock_conn_close(c);
}

void conn_linger(struct conn *c) {
  c->phase = CONN_LINGERING;
  if (c->tls && !c->writing) {
    tls_session_shutdown(c->tls, &c->cipher);
    (void)conn_flush_cipher(c);
  }
  if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown)) {
    mock_conn_close(c);
    return;
  }
  uv_timer_start(&c->play_timer, on_linger_over, LINGER_MS, 0);
}

static void on_wake(uv_timer_t *timer) {
  conn_play(timer->data);
}

static void on_idle_over(uv_timer_t *timer) {
  conn_linger(timer->data);
}

void conn_report(struct conn *c, enum mock_outcome outcome) {
  uint64_t unsent = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
  uint64_t sent = c->bytes_sent > unsent ? c->bytes_sent - unsent : 0;
  struct mock_ending ending = {outcome, sent, c->body_bytes,
                               (clock_mono_ns() - c->head_ns) / 1000000};
  mock_state_finished(c->server->state, c->request_id, &ending);
  mock_plan_release(c->server->state, &c->plan);
}

static void finish(struct conn *c) {
  bool close = c->plan.close || !c->keep_alive || !c->message_done;
  uint64_t idle_ms = c->plan.idle_ms;
  conn_report(c, MOCK_COMPLETE);
  if (close) {
    conn_linger(c);
    return;
  }
  if (idle_ms) uv_timer_start(&c->play_timer, on_idle_over, idle_ms, 0);
  conn_next_request(c);
}

/* The part of a write or fill that goes out in one system call. */
static struct slice next_piece(struct conn *c, const struct mock_action *action) {
  static char block[FILL_BLOCK];
  if (action->op == MOCK_FILL) {
    uint64_t rest = action->amount - c->offset;
    memset(block, action->text.data[0], sizeof block);
    return (struct slice){block, rest < FILL_BLOCK ? (size_t)rest : FILL_BLOCK};
  }
  struct slice rest = slice_skip(action->text, (size_t)c->offset);
  if (c->tls && rest.len > FILL_BLOCK) rest.len = FILL_BLOCK;
  return rest;
}

static void step(struct conn *c) {
  c->action++;
  c->offset = 0;
}

/* True while the caller may go on in this turn. */
static bool play_bytes(struct conn *c, const struct mock_action *action, size_t *turn_bytes) {
  struct slice piece = next_piece(c, action);
  uint64_t whole = action->op == MOCK_FILL ? action->amount : action->text.len;
  enum send_result result = piece.len ? send_piece(c, piece) : SEND_DONE;
  if (result == SEND_FAILED) {
    conn_lost(c, MOCK_CLIENT_RESET);
    return false;
  }
  c->bytes_sent += piece.len;
  *turn_bytes += piece.len;
  c->offset += piece.len;
  if (c->offset == whole) step(c);
  return result == SEND_DONE;
}

/* True while the caller may go on in this turn. */
static bool play_action(struct conn *c, const struct mock_action *action, size_t *turn_bytes) {
  switch (action->op) {
  case MOCK_WRITE:
  case MOCK_FILL: return play_bytes(c, action, turn_bytes);
  case MOCK_SLEEP:
    step(c);
    uv_update_time(&c->server->loop);
    uv_timer_start(&c->play_timer, on_wake, action->amount, 0);
    return false;
  case MOCK_FIN:
    conn_report(c, MOCK_COMPLETE);
    conn_linger(c);
    return false;
  case MOCK_RESET:
    conn_report(c, MOCK_COMPLETE);
    conn_reset(c);
    return false;
  case MOCK_STALL: return false;
  }
  return false;
}

void conn_play(struct conn *c) {
  size_t turn_bytes = 0;
  for (int writes = 0; c->action < c->plan.count; writes++) {
    if (writes == TURN_WRITES || turn_bytes > TURN_BYTES) {
      uv_timer_start(&c->play_timer, on_wake, 0, 0);
      return;
    }
    if (!play_action(c, &c->plan.actions[c->action], &turn_bytes)) return;
  }
  if (!c->writing) finish(c);
}
