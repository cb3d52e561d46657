#include "response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STAMP_DIGITS = 19 };

void response_init(struct response *r, void (*on_stamp)(struct response *, uint64_t)) {
  r->state = RESPONSE_HEAD;
  r->closes = r->ended_well = false;
  r->status = 0;
  r->left = r->text_len = r->stamps = 0;
  r->on_stamp = on_stamp;
}

static const char *head_value(const char *head, const char *name) {
  size_t len = strlen(name);
  for (const char *line = head; (line = strchr(line, '\n'));) {
    line++;
    if (strncasecmp(line, name, len) == 0 && line[len] == ':')
      return line + len + 1 + strspn(line + len + 1, " ");
  }
  return NULL;
}

static void read_head(struct response *r) {
  const char *length = head_value(r->text, "content-length");
  const char *coding = head_value(r->text, "transfer-encoding");
  const char *connection = head_value(r->text, "connection");
  r->status = r->text_len > 12 ? atoi(r->text + 9) : 0;
  r->closes = connection && strncasecmp(connection, "close", 5) == 0;
  r->text_len = 0;
  if (coding && strncasecmp(coding, "chunked", 7) == 0) {
    r->state = RESPONSE_SIZE;
  } else if (length) {
    r->left = strtoull(length, NULL, 10);
    r->state = r->left ? RESPONSE_LENGTH : RESPONSE_DONE;
  } else {
    r->state = RESPONSE_BROKEN;
  }
}

static size_t feed_head(struct response *r, const char *data, size_t len) {
  size_t before = r->text_len, room = sizeof r->text - 1 - before, take = len < room ? len : room;
  memcpy(r->text + before, data, take);
  r->text[before + take] = 0;
  char *end = strstr(r->text + (before > 3 ? before - 3 : 0), "\r\n\r\n");
  if (!end) {
    r->text_len += take;
    if (take == room) r->state = RESPONSE_BROKEN;
    return take;
  }
  r->text_len = (size_t)(end + 4 - r->text);
  size_t used = r->text_len - before;
  end[2] = 0;
  read_head(r);
  return used;
}

static void read_line(struct response *r, const char *line, size_t len) {
  if (len < 6) return;
  if (memmem(line, len, "[DONE]", 6) || memmem(line, len, "\"message_stop\"", 14))
    r->ended_well = true;
  const char *at = memmem(line, len, "\"@", 2);
  if (!at || line + len - at < STAMP_DIGITS + 2) return;
  uint64_t stamp = 0;
  for (int i = 0; i < STAMP_DIGITS; i++)
    stamp = stamp * 10 + (uint64_t)(at[2 + i] - '0');
  r->stamps++;
  r->on_stamp(r, stamp);
}

static void feed_body(struct response *r, const char *data, size_t len) {
  while (len) {
    const char *newline = memchr(data, '\n', len);
    size_t part = newline ? (size_t)(newline - data) : len;
    if (newline && r->text_len == 0) {
      read_line(r, data, part);
    } else {
      size_t room = sizeof r->text - r->text_len, take = part < room ? part : room;
      memcpy(r->text + r->text_len, data, take);
      r->text_len += take;
      if (newline) {
        read_line(r, r->text, r->text_len);
        r->text_len = 0;
      }
    }
    if (!newline) return;
    data = newline + 1;
    len -= part + 1;
  }
}

static size_t feed_counted(struct response *r, const char *data, size_t len) {
  size_t take = len < r->left ? len : (size_t)r->left;
  feed_body(r, data, take);
  r->left -= take;
  if (r->left == 0) r->state = r->state == RESPONSE_CHUNK ? RESPONSE_CHUNK_END : RESPONSE_DONE;
  return take;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void feed_framing(struct response *r, char c) {
  if (r->state == RESPONSE_SIZE) {
    int digit = hex_digit(c);
    if (digit >= 0)
      r->left = r->left * 16 + (unsigned)digit;
    else if (c == '\n')
      r->state = r->left ? RESPONSE_CHUNK : RESPONSE_TRAILER;
    else if (c != '\r')
      r->state = RESPONSE_BROKEN;
  } else if (c == '\n') {
    r->state = r->state == RESPONSE_CHUNK_END ? RESPONSE_SIZE : RESPONSE_DONE;
  } else if (c != '\r') {
    r->state = RESPONSE_BROKEN;
  }
}

void response_feed(struct response *r, const char *data, size_t len) {
  while (len && r->state != RESPONSE_BROKEN) {
    size_t used = 1;
    switch (r->state) {
    case RESPONSE_HEAD: used = feed_head(r, data, len); break;
    case RESPONSE_LENGTH:
    case RESPONSE_CHUNK: used = feed_counted(r, data, len); break;
    case RESPONSE_DONE: r->state = RESPONSE_BROKEN; break;
    default: feed_framing(r, *data); break;
    }
    data += used;
    len -= used;
  }
}
