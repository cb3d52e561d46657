#include "stream/sse.h"

#include "check.h"

struct record {
  struct bytes events, raw;
  size_t frames, comments, stop_after;
};

static bool on_frame(const struct sse_frame *frame, void *user) {
  struct record *r = user;
  bytes_append_slice(&r->raw, frame->raw);
  r->frames++;
  r->comments += frame->has_comment;
  if (frame->has_data) {
    if (frame->is_partial) bytes_append_text(&r->events, "partial ");
    bytes_append_slice(&r->events, frame->name);
    bytes_append_byte(&r->events, '|');
    bytes_append_slice(&r->events, frame->data);
    bytes_append_byte(&r->events, ';');
  }
  return r->frames != r->stop_after;
}

static void record_init(struct record *r) {
  *r = (struct record){0};
  bytes_init(&r->events);
  bytes_init(&r->raw);
}

static void record_fini(struct record *r) {
  bytes_fini(&r->events);
  bytes_fini(&r->raw);
}

struct vector {
  struct slice input;
  const char *events;
};

#define VECTOR(text, events)                                                                       \
  { {"" text, sizeof(text) - 1}, events }

static const struct vector vectors[] = {
    VECTOR("", ""),
    VECTOR("\n", ""),
    VECTOR("\r\n\r\n", ""),
    VECTOR("data: a\n\n", "|a;"),
    VECTOR("data:a\n\n", "|a;"),
    VECTOR("data:  a \n\n", "| a ;"),
    VECTOR("data\n\n", "|;"),
    VECTOR("data:\n\n", "|;"),
    VECTOR("data\ndata\n\n", "|\n;"),
    VECTOR("data: a\r\n\r\n", "|a;"),
    VECTOR("data: a\r\r", "|a;"),
    VECTOR("data: a\r\n\ndata: b\n\r\n", "|a;|b;"),
    VECTOR("data: a\r\rdata: b\n\n", "|a;|b;"),
    VECTOR("data: a\n\r\ndata: b\r\r\n", "|a;|b;"),
    VECTOR("data: a\ndata: b\ndata: c\n\n", "|a\nb\nc;"),
    VECTOR("data: a\r\ndata: b\r\n\r\n", "|a\nb;"),
    VECTOR("data:\ndata: b\n\n", "|\nb;"),
    VECTOR("event: ping\ndata: {}\n\n", "ping|{};"),
    VECTOR("data: {}\nevent: late\n\n", "late|{};"),
    VECTOR("event: one\nevent: two\ndata: x\n\n", "two|x;"),
    VECTOR("event: only\n\ndata: x\n\n", "|x;"),
    VECTOR(": comment\n\ndata: x\n\n", "|x;"),
    VECTOR(":\n:\ndata: x\n:y\n\n", "|x;"),
    VECTOR("id: 1\nretry: 5\ndata: x\nunknown: z\n\n", "|x;"),
    VECTOR("\xef\xbb\xbf"
           "data: x\n\n",
           "|x;"),
    VECTOR("\xef\xbb\xbf\ndata: x\n\n", "|x;"),
    VECTOR("data: x\n\n\xef\xbb\xbf"
           "data: y\n\n",
           "|x;"),
    VECTOR("\xef\xbb\xbf\xef\xbb\xbf"
           "data: x\n\n",
           ""),
    VECTOR("\n\n\ndata: x\n\n\n\n", "|x;"),
    VECTOR("data: x\n\ndata: unfinished", "|x;partial |unfinished;"),
    VECTOR("data: x\n\ndata: [DONE]\n", "|x;partial |[DONE];"),
    VECTOR("data: x\n\ndata: [DONE]\r\n", "|x;partial |[DONE];"),
    VECTOR("Data: x\nDATA:y\n data: z\n\n", ""),
    VECTOR("data: a:b: c\n\n", "|a:b: c;"),
    VECTOR("data: \0\x01\xff\n\n", "|"),
    VECTOR("data: {\"content\":\"\xe4\xbd\xa0\xe5\xa5\xbd\xf0\x9f\x98\x80\"}\n\n",
           "|{\"content\":\"\xe4\xbd\xa0\xe5\xa5\xbd\xf0\x9f\x98\x80\"};"),
    VECTOR("data: a\xe2\x80\xa8"
           "b\xc2\x85\n\n",
           "|a\xe2\x80\xa8"
           "b\xc2\x85;"),
    VECTOR("event:message_start\ndata:{\"type\":\"message_start\"}\n\nevent: ping\ndata: {}\n\n",
           "message_start|{\"type\":\"message_start\"};ping|{};"),
    VECTOR("\r\r\rdata: x\r\r\n\r\n", "|x;"),
};

enum { VECTORS = sizeof vectors / sizeof *vectors };

static void feed(struct sse *s, const char *data, size_t len) {
  char *copy = must_alloc(len + 1); /* exact bounds for the sanitizer */
  memcpy(copy, data, len);
  CHECK(sse_feed(s, (struct slice){copy, len}) == SSE_READ);
  free(copy);
}

static void check_vector(const struct vector *v, const struct record *r) {
  CHECK(slice_equal(bytes_slice(&r->raw), v->input));
  if (memchr(v->input.data, 0, v->input.len))
    CHECK(slice_equal(bytes_slice(&r->events), SLICE("|\0\x01\xff;")));
  else
    CHECK_TEXT(bytes_slice(&r->events), v->events);
}

static void run_split(const struct vector *v, size_t first, size_t second) {
  struct record r;
  struct sse s;
  record_init(&r);
  sse_init(&s, 4096, on_frame, &r);
  feed(&s, v->input.data, first);
  feed(&s, v->input.data + first, second - first);
  feed(&s, v->input.data + second, v->input.len - second);
  CHECK(sse_finish(&s) == SSE_READ);
  check_vector(v, &r);
  sse_fini(&s);
  record_fini(&r);
}

static void run_bytes(const struct vector *v) {
  struct record r;
  struct sse s;
  record_init(&r);
  sse_init(&s, 4096, on_frame, &r);
  for (size_t i = 0; i < v->input.len; i++)
    feed(&s, v->input.data + i, 1);
  CHECK(sse_finish(&s) == SSE_READ);
  check_vector(v, &r);
  sse_fini(&s);
  record_fini(&r);
}

static void test_splits(void) {
  for (size_t i = 0; i < VECTORS; i++) {
    size_t len = vectors[i].input.len;
    for (size_t first = 0; first <= len; first++)
      for (size_t second = first; second <= len; second++)
        run_split(&vectors[i], first, second);
    run_bytes(&vectors[i]);
  }
}

/* All vectors that end with a whole frame, one after another, cut into pieces of one size. */
static void test_sizes(void) {
  struct bytes all, want;
  bytes_init(&all);
  bytes_init(&want);
  for (size_t i = 0; i < VECTORS; i++) {
    const struct vector *v = &vectors[i];
    if (strstr(v->events, "partial") || memchr(v->input.data, 0, v->input.len)) continue;
    if (v->input.len && v->input.data[0] == '\xef') continue;
    bytes_append_slice(&all, v->input);
    bytes_append_text(&want, v->events);
  }
  for (size_t size = 1; size < all.len; size++) {
    struct record r;
    struct sse s;
    record_init(&r);
    sse_init(&s, 4096, on_frame, &r);
    for (size_t at = 0; at < all.len; at += size)
      feed(&s, all.data + at, all.len - at < size ? all.len - at : size);
    CHECK(slice_equal(bytes_slice(&r.raw), bytes_slice(&all)) || sse_held(&s).len);
    CHECK(slice_equal(bytes_slice(&r.events), bytes_slice(&want)));
    sse_fini(&s);
    record_fini(&r);
  }
  bytes_fini(&all);
  bytes_fini(&want);
}

static void test_long_frames(void) {
  enum { LINE = 1 << 20, PIECE = 4096 };
  struct record r;
  struct sse s;
  char piece[PIECE];
  memset(piece, 'x', sizeof piece);
  record_init(&r);
  sse_init(&s, LINE + 16, on_frame, &r);
  feed(&s, "data: ", 6);
  for (size_t sent = 0; sent < LINE; sent += PIECE)
    CHECK(sse_feed(&s, (struct slice){piece, PIECE}) == SSE_READ);
  feed(&s, "\n\n", 2);
  CHECK(r.frames == 1 && r.events.len == LINE + 2);
  CHECK(s.held.cap == 0);
  enum sse_result result = SSE_READ;
  size_t sent = 0;
  for (; result == SSE_READ; sent += PIECE)
    result = sse_feed(&s, (struct slice){piece, PIECE});
  CHECK(result == SSE_TOO_LONG && sent <= LINE + 2 * PIECE);
  CHECK(s.held.cap <= 2 * LINE);
  sse_fini(&s);
  sse_init(&s, 8, on_frame, &r);
  CHECK(sse_feed(&s, SLICE("data:x\n\n")) == SSE_READ);
  CHECK(sse_feed(&s, SLICE("data:xy\n\n")) == SSE_TOO_LONG);
  sse_fini(&s);
  record_fini(&r);
}

static void test_stop_and_comments(void) {
  struct record r;
  struct sse s;
  record_init(&r);
  r.stop_after = 2;
  sse_init(&s, 64, on_frame, &r);
  CHECK(sse_feed(&s, SLICE(": hi\n\ndata: 1\n\ndata: 2\n\n")) == SSE_STOPPED);
  CHECK(r.frames == 2 && r.comments == 1);
  CHECK_TEXT(bytes_slice(&r.events), "|1;");
  sse_fini(&s);
  record_fini(&r);
}

/* Many line ends of one kind and none of the other must not be searched for again and again. */
static void test_linear(void) {
  enum { LEN = 4 << 20 };
  char *text = must_alloc(LEN);
  static const char ends[] = {'\n', '\r'};
  for (int kind = 0; kind < 2; kind++) {
    struct record r;
    struct sse s;
    for (size_t i = 0; i < LEN; i += 2) {
      text[i] = ':';
      text[i + 1] = ends[kind];
    }
    record_init(&r);
    sse_init(&s, LEN + 2, on_frame, &r);
    feed(&s, text, LEN - 1);
    feed(&s, (char[]){ends[kind], ends[kind]}, 2);
    CHECK(r.frames == 1 && r.raw.len == LEN + 1);
    sse_fini(&s);
    record_fini(&r);
  }
  free(text);
}

int main(void) {
  test_splits();
  test_sizes();
  test_long_frames();
  test_stop_and_comments();
  test_linear();
  return checks_end();
}
