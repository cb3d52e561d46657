#include "mock/conn.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { HEAD_MAX = 1 << 20, BODY_KEEP_MAX = 64 << 20, AHEAD_MAX = 1 << 20, WATCH_MS = 20 };

static void on_closed(uv_handle_t *handle) {
  struct conn *c = handle->data;
  if (--c->open_handles) return;
  bytes_fini(&c->cipher);
  bytes_fini(&c->head);
  bytes_fini(&c->target);
  bytes_fini(&c->body);
  bytes_fini(&c->ahead);
  tls_session_free(c->tls);
  free(c->lines);
  free(c->headers);
  free(c);
}

static void close_timers(struct conn *c) {
  c->phase = CONN_CLOSING;
  list_remove(&c->link);
  mock_state_connection(c->server->state, -1);
  uv_close((uv_handle_t *)&c->play_timer, on_closed);
  uv_close((uv_handle_t *)&c->intake_timer, on_closed);
}

void mock_conn_close(struct conn *c) {
  if (c->phase == CONN_CLOSING) return;
  close_timers(c);
  uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_reset(struct conn *c) {
  if (c->phase == CONN_CLOSING) return;
  close_timers(c);
  if (uv_tcp_close_reset(&c->tcp, on_closed)) uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static struct mock_request describe(struct conn *c) {
  for (size_t i = 0; i < c->line_count; i++) {
    const struct head_line *line = &c->lines[i];
    c->headers[i].name = (struct slice){c->head.data + line->name_at, line->name_len};
    c->headers[i].value = (struct slice){c->head.data + line->value_at, line->value_len};
  }
  return (struct mock_request){
      .id = c->request_id,
      .connection = c->number,
      .port = c->port,
      .wall_ms = c->head_wall_ms,
      .method = slice_of(llhttp_method_name((llhttp_method_t)c->parser.method)),
      .target = bytes_slice(&c->target),
      .body = bytes_slice(&c->body),
      .headers = {c->headers, c->line_count},
      .body_bytes = c->body_bytes,
  };
}

static void accept_request(struct conn *c) {
  struct mock_request request = describe(c);
  mock_state_accept(c->server->state, &request, &c->intake);
  c->accepted = true;
}

void conn_lost(struct conn *c, enum mock_outcome outcome) {
  if (c->phase == CONN_READING && c->head_done) {
    if (!c->accepted) accept_request(c);
    conn_report(c, outcome);
  } else if (c->phase == CONN_PLAYING) {
    conn_report(c, outcome);
  }
  mock_conn_close(c);
}

static void append_head(struct conn *c, const char *at, size_t len) {
  bytes_append(&c->head, at, len);
}

static int on_url(llhttp_t *parser, const char *at, size_t len) {
  struct conn *c = parser->data;
  bytes_append(&c->target, at, len);
  return c->target.len > HEAD_MAX ? HPE_USER : HPE_OK;
}

static void new_line(struct conn *c) {
  if (c->line_count == c->line_cap) {
    c->line_cap = c->line_cap ? 2 * c->line_cap : 16;
    c->lines = must_realloc(c->lines, c->line_cap * sizeof *c->lines);
    c->headers = must_realloc(c->headers, c->line_cap * sizeof *c->headers);
  }
  c->lines[c->line_count++] = (struct head_line){c->head.len, 0, c->head.len, 0};
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len) {
  struct conn *c = parser->data;
  if (c->head_done) return HPE_OK; /* a trailer */
  if (c->in_value || !c->line_count) new_line(c);
  c->in_value = false;
  append_head(c, at, len);
  c->lines[c->line_count - 1].name_len += len;
  return c->head.len > HEAD_MAX ? HPE_USER : HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len) {
  struct conn *c = parser->data;
  if (c->head_done || !c->line_count) return HPE_OK;
  struct head_line *line = &c->lines[c->line_count - 1];
  if (!c->in_value) line->value_at = c->head.len;
  c->in_value = true;
  append_head(c, at, len);
  line->value_len += len;
  return c->head.len > HEAD_MAX ? HPE_USER : HPE_OK;
}

static int on_header_value_complete(llhttp_t *parser) {
  struct conn *c = parser->data;
  if (c->head_done || !c->line_count) return HPE_OK;
  if (!c->in_value) c->lines[c->line_count - 1].value_at = c->head.len;
  c->in_value = true; /* also when the value was empty: the next field is a new line */
  return HPE_OK;
}

/* Only these can hold an instruction on how the body is to be taken. */
static bool has_instructions(struct conn *c, const struct mock_request *request) {
  return header_find(request->headers, "x-mock").data ||
         memmem(c->target.data, c->target.len, "mock=", 5) ||
         mock_state_has_defaults(c->server->state);
}

static int on_headers_complete(llhttp_t *parser) {
  struct conn *c = parser->data;
  c->head_done = true;
  c->head_ns = clock_mono_ns();
  c->head_wall_ms = clock_wall_ms();
  c->request_id = ++c->server->request_count;
  struct mock_request request = describe(c);
  if (has_instructions(c, &request)) accept_request(c);
  struct slice expect = header_find(request.headers, "expect");
  bool waits = slice_equal_nocase(expect, SLICE("100-continue"));
  if (waits && !c->intake.early && c->intake.reading != MOCK_READ_NEVER) {
    conn_send_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
  }
  return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
  struct conn *c = parser->data;
  c->body_bytes += len;
  if (!c->intake.early && c->body.len + len <= BODY_KEEP_MAX) bytes_append(&c->body, at, len);
  return HPE_OK;
}

static int on_message_complete(llhttp_t *parser) {
  struct conn *c = parser->data;
  c->message_done = true;
  c->keep_alive = llhttp_should_keep_alive(parser);
  return HPE_PAUSED;
}

static const llhttp_settings_t *parser_settings(void) {
  static llhttp_settings_t settings;
  if (!settings.on_url) {
    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_header_field;
    settings.on_header_value = on_header_value;
    settings.on_header_value_complete = on_header_value_complete;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
  }
  return &settings;
}

static void begin_reply(struct conn *c) {
  struct mock_request request = describe(c);
  c->phase = CONN_PLAYING;
  c->action = 0;
  c->offset = 0;
  mock_state_respond(c->server->state, &request, &c->plan);
  conn_play(c);
}

static void on_watch(uv_timer_t *timer);

/* After the head: the body may have to be taken in an odd way. */
static void apply_intake(struct conn *c) {
  if (c->intake.reading == MOCK_READ_NEVER && !c->message_done) {
    uv_read_stop((uv_stream_t *)&c->tcp);
    uv_timer_start(&c->intake_timer, on_watch, WATCH_MS, WATCH_MS);
  }
}

static void refuse(struct conn *c) {
  conn_send_text(c, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  conn_linger(c);
}

static void feed(struct conn *c, const char *data, size_t len) {
  bool had_head = c->head_done;
  enum llhttp_errno error = llhttp_execute(&c->parser, data, len);
  if (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) {
    const char *stop = llhttp_get_error_pos(&c->parser);
    bytes_append(&c->ahead, stop, (size_t)(data + len - stop));
  } else if (error != HPE_OK) {
    refuse(c);
    return;
  }
  if (c->head_done && !had_head) apply_intake(c);
  bool ready = c->message_done || (c->head_done && c->intake.early);
  if (c->phase == CONN_READING && ready) begin_reply(c);
}

static void take_plain(struct conn *c, const char *data, size_t len) {
  if (c->phase == CONN_LINGERING || c->phase == CONN_CLOSING) return;
  if (c->phase == CONN_READING && !c->head_done) uv_timer_stop(&c->play_timer);
  if (!c->message_done) {
    feed(c, data, len);
    return;
  }
  bytes_append(&c->ahead, data, len);
  if (c->ahead.len > AHEAD_MAX) uv_read_stop((uv_stream_t *)&c->tcp);
}

static void take_cipher(struct conn *c, const char *data, size_t len) {
  struct bytes plain;
  if (c->server->tls_fault == MOCK_TLS_RESET) conn_reset(c);
  if (c->server->tls_fault == MOCK_TLS_RESET || c->server->tls_fault == MOCK_TLS_STALL) return;
  bytes_init(&plain);
  bool alive = tls_session_feed(c->tls, (struct slice){data, len}, &plain, &c->cipher);
  if (conn_flush_cipher(c)) alive = false;
  if (plain.len) take_plain(c, plain.data, plain.len);
  if (!alive && c->phase != CONN_CLOSING) conn_lost(c, MOCK_CLIENT_RESET);
  bytes_fini(&plain);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  struct conn *c = handle->data;
  size_t room = sizeof c->read_buffer;
  if (c->head_done && c->intake.reading == MOCK_READ_SLOWLY && c->intake.bytes < room) {
    room = c->intake.bytes;
  }
  *buf = uv_buf_init(c->read_buffer, (unsigned)room);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

static void on_read_again(uv_timer_t *timer) {
  struct conn *c = timer->data;
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void pause_reading(struct conn *c) {
  bool slow = c->head_done && c->intake.reading == MOCK_READ_SLOWLY && !c->message_done;
  if (!slow || c->phase == CONN_CLOSING) return;
  uv_read_stop((uv_stream_t *)&c->tcp);
  uv_timer_start(&c->intake_timer, on_read_again, c->intake.pause_ms, 0);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  struct conn *c = stream->data;
  if (got == 0) return;
  if (got < 0) {
    c->eof = true;
    conn_lost(c, got == UV_EOF ? MOCK_CLIENT_CLOSED : MOCK_CLIENT_RESET);
    return;
  }
  if (c->tls) {
    take_cipher(c, buf->base, (size_t)got);
  } else {
    take_plain(c, buf->base, (size_t)got);
  }
  pause_reading(c);
}

/* Without reading no end of file is ever seen: the kernel's state of the connection tells. */
static void on_watch(uv_timer_t *timer) {
  struct conn *c = timer->data;
  struct tcp_info info = {0};
  socklen_t len = sizeof info;
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&c->tcp, &fd)) return;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)) return;
  if (info.tcpi_state == TCP_CLOSE) conn_lost(c, MOCK_CLIENT_RESET);
  if (info.tcpi_state == TCP_CLOSE_WAIT) conn_lost(c, MOCK_CLIENT_CLOSED);
}

static void on_turn(uv_timer_t *timer) {
  struct conn *c = timer->data;
  struct bytes ahead = c->ahead;
  bytes_init(&c->ahead);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
  feed(c, ahead.data, ahead.len);
  bytes_fini(&ahead);
}

static void clear_request(struct conn *c) {
  bytes_clear(&c->head);
  bytes_clear(&c->target);
  if (c->body.cap > 1 << 20) bytes_fini(&c->body);
  bytes_clear(&c->body);
  c->line_count = 0;
  c->in_value = c->head_done = c->message_done = c->accepted = false;
  c->body_bytes = c->bytes_sent = 0;
  c->intake = (struct mock_intake){0};
}

void conn_next_request(struct conn *c) {
  c->phase = CONN_READING;
  clear_request(c);
  llhttp_resume(&c->parser);
  if (c->ahead.len) uv_timer_start(&c->play_timer, on_turn, 0, 0);
}

static int open_handles(struct conn *c) {
  uv_loop_t *loop = &c->server->loop;
  c->open_handles = 3;
  uv_timer_init(loop, &c->play_timer);
  uv_timer_init(loop, &c->intake_timer);
  c->tcp.data = c->play_timer.data = c->intake_timer.data = c;
  c->write.data = c->shutdown.data = c;
  return uv_tcp_init(loop, &c->tcp);
}

void mock_conn_accept(struct mock_server *server, uv_stream_t *listener, uint16_t port) {
  struct conn *c = must_calloc(1, sizeof *c);
  c->server = server;
  c->port = port;
  c->number = ++server->connection_count;
  must(open_handles(c) == 0);
  list_append(&server->connections, &c->link);
  mock_state_connection(server->state, 1);
  llhttp_init(&c->parser, HTTP_REQUEST, parser_settings());
  c->parser.data = c;
  if (server->tls) c->tls = tls_session_new(server->tls);
  if (uv_accept(listener, (uv_stream_t *)&c->tcp)) {
    mock_conn_close(c);
    return;
  }
  uv_tcp_nodelay(&c->tcp, 1);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}
