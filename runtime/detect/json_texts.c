#include "detect/json_texts.h"

#include "detect/json_words.h"

/* Objects deeper than this take the role of what is around them without a look at their "type". */
enum { PEEK_DEPTH = 10, KEY_MOST = 64, NAME_MOST = 128, NUMBER_LEAST = 8 };

struct frame {
  enum text_role role;
  const char *media; /* of what stands in data and url */
  bool array;
  bool free;    /* no known vocabulary: every string and long number is text, keys too */
  bool numbers; /* vectors and probabilities: nothing is text */
  bool turns;   /* the list of messages */
  bool base64;  /* "data" is base64 of a binary format */
};

struct walk {
  struct json_cursor c;
  struct frame frames[JSON_TEXTS_DEPTH];
  uint32_t depth;
  uint32_t turn;
  bool reply;
  void (*on_text)(void *context, const struct json_text *text);
  void *context;
};

const char *text_role_name(enum text_role role) {
  static const char *const names[TEXT_ROLES] = {
      [TEXT_OTHER] = "other",
      [TEXT_SYSTEM] = "system",
      [TEXT_USER] = "user",
      [TEXT_ASSISTANT] = "assistant",
      [TEXT_TOOL_ARGUMENTS] = "tool_arguments",
      [TEXT_TOOL_RESULT] = "tool_result",
      [TEXT_TOOL_SCHEMA] = "tool_schema",
      [TEXT_FILE] = "file",
      [TEXT_UNSCANNED] = "unscanned",
  };
  must((unsigned)role < TEXT_ROLES);
  return names[role];
}

static void report(struct walk *w, struct json_text text) {
  text.turn = w->turn;
  w->on_text(w->context, &text);
}

/* Letters of an identifier: no spaces, nothing outside ASCII, not long. */
static bool is_name(struct slice raw) {
  if (raw.len > NAME_MOST) return false;
  for (size_t i = 0; i < raw.len; i++) {
    char c = raw.data[i];
    bool letter = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (!letter && !strchr("_-.:/", c)) return false;
  }
  return true;
}

/* Seals and signatures: long runs of base64, which nobody can read. */
static bool is_sealed(struct slice raw) {
  for (size_t i = 0; i < raw.len; i++) {
    char c = raw.data[i];
    bool letter = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (!letter && !strchr("_-.:/+=", c)) return false;
  }
  return true;
}

static bool is_binary(struct slice media_type) {
  return !slice_starts(media_type, SLICE("text/")) &&
         !slice_starts(media_type, SLICE("application/json")) &&
         !slice_starts(media_type, SLICE("application/xml"));
}

/* data:<type>;base64,… of a type that holds no text. */
static bool is_media_url(struct slice raw) {
  return slice_starts(raw, SLICE("data:")) && is_binary(slice_skip(raw, 5));
}

struct member {
  struct slice key;
  struct key_meaning meaning;
};

static bool names_value(const struct member *m, struct slice raw) {
  bool sealed =
      slice_equal_text(m->key, "signature") || slice_equal_text(m->key, "encrypted_content");
  if (m->meaning.means == KEY_NUMBERS) return is_sealed(raw);
  return m->meaning.means == KEY_NAME && (sealed ? is_sealed(raw) : is_name(raw));
}

static void on_string(struct walk *w, const struct frame *f, const struct member *m,
                      struct slice token) {
  struct slice raw = {token.data + 1, token.len - 2};
  struct json_text text = {.role = f->role, .token = token, .key = m->key};
  const char *media = f->media ? f->media : m->meaning.media;
  if (raw.len == 0 || f->numbers) return;
  bool holds = m->meaning.means == KEY_MEDIA || is_media_url(raw) ||
               (f->base64 && slice_equal_text(m->key, "data")) ||
               (f->media && slice_equal_text(m->key, "result"));
  if (holds && !f->free) {
    text.role = TEXT_UNSCANNED;
    text.media = media ? media : "file";
    report(w, text);
    return;
  }
  if (!f->free && names_value(m, raw)) return;
  if (m->meaning.means == KEY_ROLE || m->meaning.means == KEY_FREE) text.role = m->meaning.role;
  if (m->meaning.means == KEY_PLACE && (f->media || m->meaning.role == TEXT_FILE) && !f->free) {
    struct json_text place =
        text; /* the picture behind the address is not looked at, the address is */
    place.role = TEXT_UNSCANNED;
    place.media = media;
    if (!slice_starts(raw, SLICE("data:"))) report(w, place);
  }
  report(w, text);
}

static void on_number(struct walk *w, const struct frame *f, const struct member *m,
                      struct slice token) {
  if (!f->free || f->numbers || token.len < NUMBER_LEAST) return;
  report(w, (struct json_text){.role = f->role, .token = token, .key = m->key});
}

/* What an object says about itself in role and type, wherever they stand in it. */
static void object_peek(struct walk *w, struct frame *f) {
  struct slice rest = {w->c.at, (size_t)(w->c.end - w->c.at)};
  enum text_role by_role = TEXT_ROLES, by_type = TEXT_ROLES;
  const char *media = NULL;
  for (struct json_walk o = json_walk_of(rest); json_walk_next(&o);) {
    if (json_type(o.value) != JSON_STRING || o.key.len > KEY_MOST) continue;
    struct slice value = json_string_raw(o.value);
    if (json_key_equal(o.key, SLICE("role"))) by_role = json_role_meaning(value);
    if (json_key_equal(o.key, SLICE("type"))) by_type = json_type_meaning(value, &media);
    if (json_key_equal(o.key, SLICE("media_type"))) f->base64 = is_binary(value);
  }
  if (by_type != TEXT_ROLES && f->role != TEXT_TOOL_SCHEMA)
    f->role = by_type == TEXT_FILE && f->role == TEXT_TOOL_RESULT ? TEXT_TOOL_RESULT : by_type;
  if (by_role != TEXT_ROLES) f->role = by_role;
  if (media) f->media = media;
}

static struct frame frame_for(const struct walk *w, const struct frame *f, const struct member *m,
                              bool array) {
  struct frame inner = *f;
  inner.array = array;
  inner.turns = false;
  if (f->free || f->numbers) return inner;
  inner.base64 = false;
  switch (m->meaning.means) {
  case KEY_ROLE: inner.role = m->meaning.role; break;
  case KEY_FREE:
    inner.role = m->meaning.role;
    inner.free = true;
    break;
  case KEY_NUMBERS: inner.numbers = true; break;
  case KEY_MEDIA:
    inner.media = m->meaning.media;
    inner.base64 = true;
    break;
  case KEY_PLACE: inner.media = m->meaning.media; break;
  default: break;
  }
  bool top = w->depth == 1;
  if (slice_equal_text(m->key, "messages") || (top && slice_equal_text(m->key, "input"))) {
    inner.turns = array;
    inner.role = TEXT_USER;
  } else if (slice_equal_text(m->key, "input") || slice_equal_text(m->key, "output")) {
    /* Of a tool call: what the model made of a schema. */
    inner.free = f->role == TEXT_TOOL_ARGUMENTS || (f->role == TEXT_TOOL_RESULT && !array);
  }
  return inner;
}

static bool push(struct walk *w, struct frame inner) {
  if (w->depth == JSON_TEXTS_DEPTH) return json_fail(&w->c, "nested too deeply");
  if (!inner.array && !inner.free && !inner.numbers && w->depth < PEEK_DEPTH)
    object_peek(w, &inner);
  w->frames[w->depth++] = inner;
  w->c.at++;
  json_skip_space(&w->c);
  return true;
}

/* One value: a scalar is done, a container is opened. */
static bool value_take(struct walk *w, const struct frame *f, const struct member *m) {
  const char *start = w->c.at;
  if (start == w->c.end) return json_fail(&w->c, "a value is expected here");
  if (*start == '{' || *start == '[') return push(w, frame_for(w, f, m, *start == '['));
  if (!json_scan_value(&w->c, 1)) return false;
  struct slice token = {start, (size_t)(w->c.at - start)};
  struct frame here = *f;
  if (w->depth == 1 && slice_equal_text(m->key, "input")) here.role = TEXT_USER;
  if (*start == '"')
    on_string(w, &here, m, token);
  else if (*start == '-' || (*start >= '0' && *start <= '9'))
    on_number(w, &here, m, token);
  return true;
}

static bool key_take(struct walk *w, const struct frame *f, struct member *m, char *room) {
  bool escaped;
  if (!json_scan_key(&w->c, &m->key, &escaped)) return false;
  struct slice plain = m->key;
  struct bytes text;
  bytes_init(&text);
  if (escaped && m->key.len <= KEY_MOST) {
    json_unescape(m->key, &text);
    plain = (struct slice){room, text.len < KEY_MOST ? text.len : KEY_MOST};
    memcpy(room, text.data, plain.len);
  }
  bytes_fini(&text);
  m->meaning = f->free ? (struct key_meaning){f->role, KEY_UNKNOWN, NULL} : json_key_meaning(plain);
  if (f->free && m->key.len)
    report(w, (struct json_text){.role = f->role,
                                 .token = {m->key.data - 1, m->key.len + 2},
                                 .key = m->key,
                                 .is_key = true});
  return true;
}

/* The next member or element of the innermost container, or its end. */
static bool step(struct walk *w, bool first) {
  struct frame *f = &w->frames[w->depth - 1];
  struct member m = {.meaning = {TEXT_OTHER, KEY_UNKNOWN, NULL}};
  char room[KEY_MOST];
  char closing = f->array ? ']' : '}';
  json_skip_space(&w->c);
  if (w->c.at < w->c.end && *w->c.at == closing) {
    w->c.at++;
    w->depth--;
    if (f->turns) w->turn = JSON_TEXT_NO_TURN;
    return true;
  }
  if (!first) {
    if (w->c.at == w->c.end || *w->c.at != ',') return json_fail(&w->c, "a comma is expected here");
    w->c.at++;
    json_skip_space(&w->c);
  }
  if (f->turns) w->turn = w->turn == JSON_TEXT_NO_TURN ? 0 : w->turn + 1;
  if (!f->array && !key_take(w, f, &m, room)) return false;
  return value_take(w, f, &m);
}

bool json_texts(struct slice body, enum json_texts_of what,
                void (*on_text)(void *context, const struct json_text *text), void *context) {
  struct walk w = {
      .c = json_cursor_of(body), .turn = JSON_TEXT_NO_TURN, .on_text = on_text, .context = context};
  struct frame outside = {.role = what == JSON_TEXTS_REPLY ? TEXT_ASSISTANT : TEXT_OTHER};
  struct member none = {.meaning = {TEXT_OTHER, KEY_UNKNOWN, NULL}};
  json_skip_space(&w.c);
  if (!value_take(&w, &outside, &none)) return false;
  uint32_t before = 0;
  while (w.depth > 0) {
    bool first = w.depth > before; /* this container was opened by the last step */
    before = w.depth;
    if (!step(&w, first)) return false;
    if (w.depth < before) before = w.depth;
  }
  return json_scan_end(&w.c);
}
