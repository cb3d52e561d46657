#include "stream/sse.h"

#include <string.h>

/* Where the next line feed and carriage return are; each byte is searched once for either. */
struct line_ends {
  const char *end, *feed, *carriage;
};

static const char *find_byte(const char *at, const char *end, char byte) {
  const char *hit = at < end ? memchr(at, byte, (size_t)(end - at)) : NULL;
  return hit ? hit : end;
}

static struct line_ends line_ends_of(struct slice text) {
  const char *end = text.data + text.len;
  return (struct line_ends){end, find_byte(text.data, end, '\n'), find_byte(text.data, end, '\r')};
}

static const char *line_end(struct line_ends *ends, const char *at) {
  if (ends->feed < at) ends->feed = find_byte(at, ends->end, '\n');
  if (ends->carriage < at) ends->carriage = find_byte(at, ends->end, '\r');
  return ends->feed < ends->carriage ? ends->feed : ends->carriage;
}

void sse_init(struct sse *s, size_t frame_bytes, sse_on_frame *on_frame, void *user) {
  *s = (struct sse){
      .on_frame = on_frame, .user = user, .frame_bytes = frame_bytes, .line_empty = true};
  bytes_init(&s->held);
  bytes_init(&s->joined);
}

void sse_fini(struct sse *s) {
  bytes_fini(&s->held);
  bytes_fini(&s->joined);
}

/* A long frame's memory is not kept: a server holds thousands of quiet streams. */
static void forget(struct bytes *b) {
  enum { KEPT_BYTES = 4096 };
  if (b->cap > KEPT_BYTES)
    bytes_fini(b);
  else
    bytes_clear(b);
}

static void add_data(struct sse *s, struct sse_frame *frame, struct slice value) {
  if (!frame->has_data) {
    frame->data = value;
    frame->has_data = true;
    return;
  }
  if (s->joined.len == 0) bytes_append_slice(&s->joined, frame->data);
  bytes_append_byte(&s->joined, '\n');
  bytes_append_slice(&s->joined, value);
  frame->data = bytes_slice(&s->joined);
}

static void read_line(struct sse *s, struct sse_frame *frame, struct slice line) {
  struct slice value;
  if (line.len == 0) return;
  struct slice field = slice_cut(line, ':', &value);
  if (value.len && value.data[0] == ' ') value = slice_skip(value, 1);
  if (field.len == 0)
    frame->has_comment = true;
  else if (slice_equal(field, SLICE("data")))
    add_data(s, frame, value);
  else if (slice_equal(field, SLICE("event")))
    frame->name = value;
}

static bool hand_over(struct sse *s, struct slice raw, bool is_partial) {
  struct sse_frame frame = {.raw = raw, .name = {"", 0}, .data = {"", 0}, .is_partial = is_partial};
  struct slice rest = raw;
  if (!s->past_mark && slice_starts(rest, SLICE("\xef\xbb\xbf"))) rest = slice_skip(rest, 3);
  s->past_mark = true;
  bytes_clear(&s->joined);
  struct line_ends ends = line_ends_of(rest);
  for (const char *at = rest.data; at < ends.end;) {
    const char *end = line_end(&ends, at);
    read_line(s, &frame, (struct slice){at, (size_t)(end - at)});
    at = end < ends.end ? end + 1 : end;
  }
  return s->on_frame(&frame, s->user);
}

/* Moves past the end of the line at `at`; returns true when that line was empty. A carriage return
 * at the end of a read ends its line at once; a line feed that follows it later is skipped. */
static bool take_line(struct sse *s, struct line_ends *ends, const char **at) {
  const char *end = line_end(ends, *at);
  if (end > *at) s->line_empty = false;
  *at = end;
  if (end == ends->end) return false;
  *at = end + 1;
  s->after_cr = *end == '\r';
  if (s->after_cr && *at < ends->end) {
    *at += **at == '\n';
    s->after_cr = false;
  }
  bool empty = s->line_empty;
  s->line_empty = true;
  return empty;
}

static enum sse_result finish_frame(struct sse *s, struct slice part) {
  struct slice raw = part;
  if (s->held.len + part.len > s->frame_bytes) return SSE_TOO_LONG;
  if (s->held.len) {
    bytes_append_slice(&s->held, part);
    raw = bytes_slice(&s->held);
  }
  if (!hand_over(s, raw, false)) return SSE_STOPPED;
  forget(&s->held);
  forget(&s->joined);
  return SSE_READ;
}

/* The line feed of a pair that a read split. Between frames it travels alone: the frame that it
 * belongs to was complete at the carriage return and is gone. */
static enum sse_result take_split_feed(struct sse *s, struct slice *data) {
  s->after_cr = false;
  if (data->data[0] != '\n') return SSE_READ;
  struct slice feed = {data->data, 1};
  *data = slice_skip(*data, 1);
  if (s->held.len == 0) return finish_frame(s, feed);
  bytes_append_slice(&s->held, feed);
  return SSE_READ;
}

enum sse_result sse_feed(struct sse *s, struct slice data) {
  enum sse_result result = SSE_READ;
  if (data.len == 0) return SSE_READ;
  if (s->after_cr && (result = take_split_feed(s, &data)) != SSE_READ) return result;
  struct line_ends ends = line_ends_of(data);
  const char *at = data.data, *start = at;
  while (at < ends.end) {
    if (!take_line(s, &ends, &at)) continue;
    result = finish_frame(s, (struct slice){start, (size_t)(at - start)});
    if (result != SSE_READ) return result;
    start = at;
  }
  struct slice rest = {start, (size_t)(ends.end - start)};
  if (s->held.len + rest.len > s->frame_bytes) return SSE_TOO_LONG;
  bytes_append_slice(&s->held, rest);
  return SSE_READ;
}

enum sse_result sse_finish(struct sse *s) {
  if (s->held.len == 0) return SSE_READ;
  if (!hand_over(s, bytes_slice(&s->held), true)) return SSE_STOPPED;
  forget(&s->held);
  return SSE_READ;
}

struct slice sse_held(const struct sse *s) {
  return bytes_slice(&s->held);
}
