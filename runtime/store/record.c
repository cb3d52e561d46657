#include "store/record.h"

#include <stdio.h>

#include "base/checksum.h"
#include "base/json.h"

enum kind { KIND_NUMBER = 0, KIND_TEXT = 1 };
enum { VARINT_BYTES = 10 };

static const uint8_t mark[4] = {0xf5, 'g', 'y', 0x01}; /* 0xf5 is no byte of UTF-8 */

static void put_u32(char *at, uint32_t value) {
  for (int i = 0; i < 4; i++)
    at[i] = (char)(value >> 8 * i);
}

static uint32_t get_u32(const char *at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++)
    value |= (uint32_t)(uint8_t)at[i] << 8 * i;
  return value;
}

static inline char *write_varint(char *at, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    *at++ = (char)(value | 0x80);
  *at++ = (char)value;
  return at;
}

struct reader {
  const uint8_t *at, *end;
};

static bool take_long_varint(struct reader *r, uint64_t *value) {
  *value = 0;
  for (unsigned i = 0; i < VARINT_BYTES && r->at < r->end; i++) {
    uint8_t byte = *r->at++;
    *value |= (uint64_t)(byte & 0x7f) << 7 * i;
    if (!(byte & 0x80)) return true;
  }
  return false;
}

/* Tags and most lengths are one byte. */
static inline bool take_varint(struct reader *r, uint64_t *value) {
  if (r->at == r->end || *r->at & 0x80) return take_long_varint(r, value);
  *value = *r->at++;
  return true;
}

static inline void put_number(struct bytes *out, uint64_t tag, uint64_t value) {
  if (value == 0) return;
  char *at = bytes_reserve(out, 2 * VARINT_BYTES);
  at = write_varint(write_varint(at, tag * 2 + KIND_NUMBER), value);
  out->len = (size_t)(at - out->data);
}

static inline void put_bytes(struct bytes *out, uint64_t tag, struct slice text) {
  char *at = bytes_reserve(out, 2 * VARINT_BYTES + text.len);
  at = write_varint(write_varint(at, tag * 2 + KIND_TEXT), text.len);
  memcpy(at, text.data, text.len);
  out->len = (size_t)(at + text.len - out->data);
}

static inline void put_text(struct bytes *out, uint64_t tag, struct slice text) {
  if (text.len == 0) return;
  if (text.len > RECORD_TEXT_MAX) text.len = RECORD_TEXT_MAX;
  put_bytes(out, tag, text);
}

static void put_json(struct bytes *out, uint64_t tag, struct slice text) {
  char note[64];
  if (text.len > RECORD_JSON_MAX)
    text = (struct slice){
        note, (size_t)snprintf(note, sizeof note, "{\"left_out_bytes\":%zu}", text.len)};
  if (text.len) put_bytes(out, tag, text);
}

void record_encode(const struct ledger_record *record, struct bytes *out) {
  size_t start = out->len;
  bytes_reserve(out, RECORD_FRAME_BYTES);
  out->len += RECORD_FRAME_BYTES;
#define TEXT(tag, column, member) put_text(out, tag, record->member);
#define JSON(tag, column, member) put_json(out, tag, record->member);
#define NUMBER(tag, column, member) put_number(out, tag, (uint64_t)record->member);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  char *frame = out->data + start;
  size_t payload = out->len - start - RECORD_FRAME_BYTES;
  must(payload + RECORD_FRAME_BYTES <= RECORD_BYTES_MAX);
  memcpy(frame, mark, sizeof mark);
  put_u32(frame + 8, (uint32_t)payload);
  put_u32(frame + 4, checksum_crc32c((struct slice){frame + 8, payload + 4}));
}

static void set_field(struct ledger_record *record, uint64_t tag, uint64_t number,
                      struct slice text) {
  switch (tag) {
#define TEXT(tag, column, member)                                                                  \
  case tag:                                                                                        \
    record->member = text;                                                                         \
    break;
#define JSON(tag, column, member)                                                                  \
  case tag:                                                                                        \
    record->member = text;                                                                         \
    break;
#define NUMBER(tag, column, member)                                                                \
  case tag:                                                                                        \
    record->member = number;                                                                       \
    break;
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  }
}

static bool read_fields(struct slice payload, struct ledger_record *record) {
  struct reader r = {(const uint8_t *)payload.data, (const uint8_t *)payload.data + payload.len};
  *record = (struct ledger_record){0};
  while (r.at < r.end) {
    uint64_t key, number;
    struct slice text = {"", 0};
    if (!take_varint(&r, &key) || !take_varint(&r, &number)) return false;
    if (key % 2 == KIND_TEXT) {
      if (number > (size_t)(r.end - r.at)) return false;
      text = (struct slice){(const char *)r.at, (size_t)number};
      r.at += text.len;
    }
    set_field(record, key / 2, number, text);
  }
  if (record->usage_source > USAGE_ESTIMATED) record->usage_source = USAGE_ESTIMATED;
  return true;
}

void record_turn(char *frames, size_t bytes, uint32_t life) {
  if (!life) return;
  for (size_t at = 0; at < bytes; at += RECORD_FRAME_BYTES + get_u32(frames + at + 8))
    put_u32(frames + at + 4, get_u32(frames + at + 4) ^ life);
}

enum record_result record_check(struct slice data, uint32_t life, size_t *size) {
  size_t seen = data.len < sizeof mark ? data.len : sizeof mark;
  if (memcmp(data.data, mark, seen) != 0) return RECORD_DAMAGED;
  if (data.len < RECORD_FRAME_BYTES) return RECORD_SHORT;
  uint32_t payload = get_u32(data.data + 8);
  if (payload > RECORD_BYTES_MAX - RECORD_FRAME_BYTES) return RECORD_DAMAGED;
  if (data.len - RECORD_FRAME_BYTES < payload) return RECORD_SHORT;
  *size = RECORD_FRAME_BYTES + payload;
  uint32_t checksum = checksum_crc32c((struct slice){data.data + 8, payload + 4});
  uint32_t found = checksum ^ get_u32(data.data + 4);
  if (found == life) return RECORD_WHOLE;
  return found < life ? RECORD_OLD : RECORD_DAMAGED;
}

enum record_result record_decode(struct slice data, struct ledger_record *record, size_t *size) {
  enum record_result result = record_check(data, 0, size);
  if (result != RECORD_WHOLE) return result;
  struct slice fields = {data.data + RECORD_FRAME_BYTES, *size - RECORD_FRAME_BYTES};
  return read_fields(fields, record) ? RECORD_WHOLE : RECORD_DAMAGED;
}

bool record_read(struct slice data, struct ledger_record *record, size_t *size) {
  must(data.len >= RECORD_FRAME_BYTES);
  uint32_t payload = get_u32(data.data + 8);
  must(payload <= data.len - RECORD_FRAME_BYTES);
  *size = RECORD_FRAME_BYTES + payload;
  return read_fields((struct slice){data.data + RECORD_FRAME_BYTES, payload}, record);
}

size_t record_resync(struct slice data) {
  for (size_t at = 1; at < data.len; at++) {
    const char *found = memchr(data.data + at, mark[0], data.len - at);
    if (!found) break;
    at = (size_t)(found - data.data);
    size_t seen = data.len - at < sizeof mark ? data.len - at : sizeof mark;
    if (memcmp(found, mark, seen) == 0) return at;
  }
  return data.len;
}

static void json_name(struct bytes *out, size_t start, const char *name) {
  bytes_append_text(out, out->len > start ? ",\"" : "\"");
  bytes_append_text(out, name);
  bytes_append_text(out, "\":");
}

static void json_text(struct bytes *out, struct slice text, bool is_json) {
  if (!is_json)
    json_quote(out, text);
  else if (json_validate(text, JSON_DEPTH_DEFAULT, NULL))
    bytes_append_slice(out, text);
  else
    bytes_append_text(out, "null");
}

void record_write_json(const struct ledger_record *record, struct bytes *out) {
  bytes_append_byte(out, '{');
  size_t start = out->len;
#define TEXT(tag, column, member)                                                                  \
  if (record->member.len) json_name(out, start, #column), json_text(out, record->member, false);
#define JSON(tag, column, member)                                                                  \
  if (record->member.len) json_name(out, start, #column), json_text(out, record->member, true);
#define NUMBER(tag, column, member)                                                                \
  json_name(out, start, #column), bytes_append_u64(out, (uint64_t)record->member);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  bytes_append_byte(out, '}');
}
