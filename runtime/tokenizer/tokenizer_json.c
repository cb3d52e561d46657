#include "tokenizer/tokenizer_json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

enum { FILE_BYTES_MAX = 256 << 20 };

bool json_refuse(struct json_reading *r, const char *format, ...) {
  if (r->error->len) return false;
  va_list list;
  va_start(list, format);
  bytes_printf(r->error, "%.*s: ", (int)r->t->name.len, r->t->name.data);
  bytes_vprintf(r->error, format, list);
  va_end(list);
  return false;
}

struct slice json_arena_text(struct json_reading *r, struct slice value) {
  struct bytes text;
  bytes_init(&text);
  if (value.data) json_string(value, &text);
  struct slice kept = arena_slice(&r->t->arena, bytes_slice(&text));
  bytes_fini(&text);
  return kept;
}

bool json_is_true(struct slice value) {
  return value.data && json_type(value) == JSON_TRUE;
}

static bool read_all(struct json_reading *r, struct slice json) {
  struct json_member m[] = {{.key = SLICE("model")},
                            {.key = SLICE("added_tokens")},
                            {.key = SLICE("normalizer")},
                            {.key = SLICE("pre_tokenizer")}};
  struct json_error error;
  if (!json_members(json, m, 4, JSON_DEPTH_DEFAULT, &error))
    return json_refuse(r, "is no tokenizer.json: %s at byte %zu", error.message, error.offset);
  if (m[0].type != JSON_OBJECT) return json_refuse(r, "is no tokenizer.json: it has no model");
  if (!json_read_normalizer(r, m[2].value) || !json_read_pre_tokenizer(r, m[3].value) ||
      !json_read_model(r, m[0].value, m[1].value))
    return false;
  struct tokenizer *t = r->t;
  if (t->split_count == 0 && t->vocabulary.head->flags & VOCABULARY_SPACED && !r->is_byte_level)
    t->splits[t->split_count++] = (struct split){.kind = SPLIT_MARKED_SPACE};
  return true;
}

struct tokenizer *tokenizer_parse(struct slice name, struct slice json, struct bytes *error) {
  struct tokenizer *t = tokenizer_new(name);
  bytes_clear(error);
  struct json_reading r = {t, error, false};
  if (read_all(&r, json)) return t;
  tokenizer_unref(t);
  return NULL;
}

static bool read_file(const char *path, struct bytes *out, struct bytes *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  bool fine = file >= 0 && fstat(file, &status) == 0;
  if (fine && (!S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX)) {
    fine = false;
    errno = EFBIG;
  }
  ssize_t got = 1;
  if (fine) bytes_reserve(out, (size_t)status.st_size);
  while (fine && got > 0 && out->len < (size_t)status.st_size) {
    got = read(file, out->data + out->len, (size_t)status.st_size - out->len);
    if (got > 0) out->len += (size_t)got;
  }
  fine = fine && got >= 0;
  if (!fine) bytes_printf(error, "%s: %s", path, strerror(errno));
  if (file >= 0) close(file);
  return fine;
}

struct tokenizer *tokenizer_read(struct slice path, struct bytes *error) {
  struct bytes name, json;
  bytes_init(&name);
  bytes_init(&json);
  bytes_append_slice(&name, path);
  struct tokenizer *t = NULL;
  if (read_file(bytes_text(&name), &json, error))
    t = tokenizer_parse(path, bytes_slice(&json), error);
  bytes_fini(&name);
  bytes_fini(&json);
  return t;
}
