/* What bodies may hold, by the table of fields; and the schemas of the OpenAPI document. */
#include "admin/api.h"

enum field_type {
  FIELD_NAME,
  FIELD_TEXT,
  FIELD_LONG,
  FIELD_TEXTS,
  FIELD_ROLES,
  FIELD_POLICIES,
  FIELD_COUNT,
  FIELD_COUNTS,
  FIELD_NUMBER,
  FIELD_BOOL,
  FIELD_OBJECT
};

enum {
  REQUIRED = 1,
  FIXED = 2,
  NAME_MAX_BYTES = 64,
  TEXT_MAX_BYTES = 256,
  LONG_MAX_BYTES = 65536,
  ITEMS_MAX = 256
};

static const struct field {
  enum entity_kind kind;
  const char *name;
  enum field_type type;
  int flags;
  const char *what;
} fields[] = {
#define FIELD(kind, name, type, flags, what) {ENTITY_##kind, name, type, flags, what},
#include "admin/fields.def"
#undef FIELD
};

enum { FIELDS = sizeof fields / sizeof *fields };

static const struct type {
  const char *wanted, *schema;
} types[] = {
    [FIELD_NAME] = {"1 to 64 letters, digits, - _ or . and no . in front",
                    "\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$\""},
    [FIELD_TEXT] = {"a text of up to 256 bytes without control characters",
                    "\"type\":\"string\",\"maxLength\":256"},
    [FIELD_LONG] = {"a text of up to 65536 bytes", "\"type\":\"string\",\"maxLength\":65536"},
    [FIELD_TEXTS] = {"a list of texts",
                     "\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":256"},
    [FIELD_ROLES] = {"a list of role names, or of {\"role\":NAME,\"project\":ID}",
                     "\"type\":\"array\",\"items\":{\"oneOf\":[{\"type\":\"string\"},{\"type\":"
                     "\"object\",\"properties\":{\"role\":{\"type\":\"string\"},\"project\":{"
                     "\"type\":\"string\"}},\"required\":[\"role\"]}]}"},
    [FIELD_POLICIES] =
        {"a list of policies' names, or of {\"name\":NAME} with settings beside it",
         "\"type\":\"array\",\"items\":{\"oneOf\":[{\"type\":\"string\"},{\"type\":"
         "\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"on_error\":{"
         "\"enum\":[\"deny\",\"pass\"]}},\"required\":[\"name\"]}]},\"maxItems\":256"},
    [FIELD_COUNT] = {"a whole number of 0 or more", "\"type\":\"integer\",\"minimum\":0"},
    [FIELD_COUNTS] = {"a list of whole numbers",
                      "\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0}"},
    [FIELD_NUMBER] = {"a number of 0 or more", "\"type\":\"number\",\"minimum\":0"},
    [FIELD_BOOL] = {"true or false", "\"type\":\"boolean\""},
    [FIELD_OBJECT] = {"an object", "\"type\":\"object\""},
};

static bool is_name(struct slice text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                   c == '_' || c == '-' || c == '.';
    if (!is_word) return false;
  }
  return text.len > 0 && text.len <= NAME_MAX_BYTES && text.data[0] != '.'; /* no path climbs */
}

/* Escapes are looked at as what they stand for. */
static bool is_text(struct slice value, bool as_name) {
  struct bytes text;
  bool fine = json_type(value) == JSON_STRING;
  if (!fine) return false;
  bytes_init(&text);
  (void)json_string(value, &text);
  fine = text.len <= TEXT_MAX_BYTES;
  for (size_t i = 0; i < text.len; i++)
    fine = fine && (unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f;
  if (as_name) fine = is_name(bytes_slice(&text));
  bytes_fini(&text);
  return fine;
}

static bool is_long(struct slice value) {
  struct bytes text;
  bytes_init(&text);
  bool fine = json_string(value, &text) && text.len <= LONG_MAX_BYTES;
  bytes_fini(&text);
  return fine;
}

static bool is_role(struct slice value) {
  if (json_type(value) == JSON_STRING) return is_text(value, true);
  if (json_type(value) != JSON_OBJECT) return false;
  struct slice role = json_find(value, "role"), project = json_find(value, "project");
  for (struct json_walk w = json_walk_of(value); json_walk_next(&w);)
    if (!json_key_equal(w.key, SLICE("role")) && !json_key_equal(w.key, SLICE("project")))
      return false; /* a misspelt project would be none, and the role hold everywhere */
  return role.data && is_text(role, true) && (!project.data || is_text(project, false));
}

static bool is_policy(struct slice value) {
  if (json_type(value) == JSON_STRING) return is_text(value, true);
  if (json_type(value) != JSON_OBJECT) return false;
  struct slice name = json_find(value, "name"), on_error = json_find(value, "on_error");
  struct slice choice = json_string_raw(on_error);
  bool is_choice = slice_equal_text(choice, "deny") || slice_equal_text(choice, "pass");
  return name.data && is_text(name, true) && (!on_error.data || is_choice);
}

static bool is_item(enum field_type list, struct slice value) {
  uint64_t number;
  if (list == FIELD_ROLES) return is_role(value);
  if (list == FIELD_POLICIES) return is_policy(value);
  if (list == FIELD_COUNTS) return json_to_u64(value, &number);
  return is_text(value, false);
}

static bool is_list(enum field_type type, struct slice value) {
  size_t count = 0;
  if (json_type(value) != JSON_ARRAY) return false;
  for (struct json_walk w = json_walk_of(value); json_walk_next(&w);)
    if (!is_item(type, w.value) || ++count > ITEMS_MAX) return false;
  return true;
}

static bool is_of(enum field_type type, struct slice value) {
  uint64_t count;
  double number;
  switch (type) {
  case FIELD_NAME: return is_text(value, true);
  case FIELD_TEXT: return is_text(value, false);
  case FIELD_LONG: return is_long(value);
  case FIELD_COUNT: return json_to_u64(value, &count) && count < INT64_MAX;
  case FIELD_NUMBER: return json_to_double(value, &number) && number >= 0;
  case FIELD_BOOL: return json_type(value) == JSON_TRUE || json_type(value) == JSON_FALSE;
  case FIELD_OBJECT: return json_type(value) == JSON_OBJECT;
  default: return is_list(type, value);
  }
}

static bool check_known(struct call *c) {
  for (struct json_walk w = json_walk_of(c->body); json_walk_next(&w);) {
    struct bytes names;
    bool is_known = false;
    bytes_init(&names);
    for (int i = 0; i < FIELDS; i++) {
      if (fields[i].kind != c->route->kind) continue;
      is_known = is_known || json_key_equal(w.key, slice_of(fields[i].name));
      bytes_printf(&names, "%s%s", names.len ? ", " : "", fields[i].name);
    }
    if (!is_known) {
      const char *name =
          arena_text(&c->arena, (struct slice){w.key.data, w.key.len < 64 ? w.key.len : 64});
      call_fail(c, 400, name, "%s is not known; there are: %s", name, bytes_text(&names));
    }
    bytes_fini(&names);
    if (!is_known) return false;
  }
  return true;
}

/* Where a field that is no member of the body is kept. */
static struct slice *column_of(struct entity *e, const char *name) {
  if (strcmp(name, "id") == 0) return &e->id;
  if (strcmp(name, "tenant") == 0) return &e->tenant;
  if (strcmp(name, "name") == 0) return &e->name;
  if (strcmp(name, "service") == 0) return &e->owner;
  if (e->kind == ENTITY_SUBSCRIPTION && strcmp(name, "project") == 0) return NULL;
  if (strcmp(name, "parent") == 0 || strcmp(name, "project") == 0) return &e->owner;
  return NULL;
}

static bool take_column(struct call *c, const struct field *f, struct slice *column, bool is_new) {
  struct slice before = *column, text = call_text(c, c->body, f->name);
  if (!is_new && f->flags & FIXED && !slice_equal(before, text)) {
    call_fail(c, 400, f->name, "%s cannot be changed; make a new %s instead", f->name,
              row_noun(c->route->kind));
    return false;
  }
  *column = text;
  return true;
}

static bool same_json(struct slice a, struct slice b) {
  return slice_equal(slice_trim(a), slice_trim(b));
}

static bool take_member(struct call *c, const struct field *f, const struct entity *old,
                        struct bytes *body) {
  struct slice given = json_find(c->body, f->name);
  struct slice before = old ? json_find(old->body, f->name) : (struct slice){NULL, 0};
  struct slice value = given.data ? given : before;
  if (old && given.data && f->flags & FIXED && !same_json(given, before)) {
    call_fail(c, 400, f->name, "%s cannot be changed; make a new %s instead", f->name,
              row_noun(c->route->kind));
    return false;
  }
  if (!value.data || json_type(value) == JSON_NULL) return true;
  bytes_printf(body, "%s\"%s\":", body->len > 1 ? "," : "", f->name);
  bytes_append_slice(body, value);
  return true;
}

/* What the gateway keeps beside what people said. */
static void take_own(const struct entity *old, struct bytes *body) {
  static const char *const names[] = {"last4",   "previous",     "budget_id",
                                      "service", "subscription", "history",
                                      "canary",  "published",    "decided_by"};
  for (size_t i = 0; old && i < sizeof names / sizeof *names; i++) {
    struct slice value = json_find(old->body, names[i]);
    if (!value.data) continue;
    bytes_printf(body, "%s\"%s\":", body->len > 1 ? "," : "", names[i]);
    bytes_append_slice(body, value);
  }
}

static bool check_field(struct call *c, const struct field *f, bool is_new) {
  struct slice given = json_find(c->body, f->name);
  bool is_absent = !given.data || json_type(given) == JSON_NULL;
  if (is_absent && f->flags & REQUIRED && (is_new || given.data)) {
    call_fail(c, 400, f->name, "%s is missing: %s", f->name, f->what);
    return false;
  }
  bool is_empty = f->flags & REQUIRED && f->type == FIELD_TEXT && !json_string_raw(given).len;
  if (is_absent || (is_of(f->type, given) && !is_empty)) return true;
  if (is_empty && json_type(given) == JSON_STRING) {
    call_fail(c, 400, f->name, "%s is empty: %s", f->name, f->what);
    return false;
  }
  call_fail(c, 400, f->name, "%s: expects %s", f->name, types[f->type].wanted);
  return false;
}

bool fields_merge(struct call *c, const struct entity *old, struct entity *out) {
  struct bytes body;
  bool fine = check_known(c);
  *out = old ? *old : (struct entity){.kind = c->route->kind};
  bytes_init(&body);
  bytes_append_byte(&body, '{');
  for (int i = 0; i < FIELDS && fine; i++) {
    const struct field *f = &fields[i];
    if (f->kind != c->route->kind) continue;
    struct slice *column = column_of(out, f->name);
    bool is_given = json_find(c->body, f->name).data != NULL;
    fine = check_field(c, f, !old) && (!column || !is_given || take_column(c, f, column, !old));
    bool in_both = column == &out->name && (f->kind == ENTITY_ROLE || f->kind == ENTITY_LIMIT);
    if (fine && (!column || in_both)) fine = take_member(c, f, old, &body);
  }
  take_own(old, &body);
  bytes_append_byte(&body, '}');
  out->body = arena_slice(&c->arena, bytes_slice(&body));
  bytes_fini(&body);
  return fine;
}

struct slice fields_schema(struct arena *arena, enum entity_kind kind, bool is_change) {
  struct bytes out, required;
  bytes_init(&out);
  bytes_init(&required);
  bytes_append_text(&out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
  bool first = true;
  for (int i = 0; i < FIELDS; i++) {
    const struct field *f = &fields[i];
    if (f->kind != kind || (is_change && f->flags & FIXED)) continue;
    bytes_printf(&out, "%s\"%s\":{%s,\"description\":", first ? "" : ",", f->name,
                 types[f->type].schema);
    json_quote(&out, slice_of(f->what));
    bytes_append_byte(&out, '}');
    first = false;
    if (f->flags & REQUIRED && !is_change)
      bytes_printf(&required, "%s\"%s\"", required.len ? "," : "", f->name);
  }
  bytes_append_byte(&out, '}');
  if (required.len) bytes_printf(&out, ",\"required\":[%s]", bytes_text(&required));
  bytes_append_byte(&out, '}');
  struct slice schema = arena_slice(arena, bytes_slice(&out));
  bytes_fini(&out);
  bytes_fini(&required);
  return schema;
}

void fields_append_shown(enum entity_kind kind, struct bytes *out) {
  for (int i = 0; i < FIELDS; i++) {
    const struct field *f = &fields[i];
    if (f->kind != kind || strcmp(f->name, "id") == 0) continue;
    bytes_printf(out, ",\"%s\":{\"anyOf\":[{%s},{\"type\":\"null\"}],\"description\":", f->name,
                 types[f->type].schema);
    json_quote(out, slice_of(f->what));
    bytes_append_byte(out, '}');
  }
}
