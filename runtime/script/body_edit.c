#include "script/body_edit.h"

#define NO_PATH "no such place; name existing objects and lists, as in \"metadata.team\""

/* body with the bytes of `old`, which lie in it, replaced by `fresh`. */
static void splice(struct slice body, struct slice old, struct slice fresh, struct bytes *out) {
  size_t offset = (size_t)(old.data - body.data);
  bytes_append(out, body.data, offset);
  bytes_append_slice(out, fresh);
  bytes_append_slice(out, slice_skip(body, offset + old.len));
}

static bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* A member or element with the one comma that goes with it. */
static struct slice with_comma(struct slice body, struct slice part) {
  const char *start = part.data, *end = part.data + part.len;
  const char *after = end, *before = start;
  while (is_space(*after))
    after++;
  if (*after == ',') {
    after++;
    while (is_space(*after))
      after++;
    return (struct slice){start, (size_t)(after - start)};
  }
  while (before > body.data && is_space(before[-1]))
    before--;
  if (before > body.data && before[-1] == ',') start = before - 1;
  return (struct slice){start, (size_t)(end - start)};
}

struct place {
  struct slice container; /* the last one that is there */
  struct slice value;     /* no data: not there */
  struct slice member;    /* with its key, in an object */
  struct slice rest;      /* of the path, from the part that was not found; empty when found */
  size_t count;           /* elements of a list */
};

static bool step_into(struct place *p, struct slice part) {
  uint64_t wanted = 0, at = 0;
  bool is_list = json_type(p->container) == JSON_ARRAY;
  if (is_list && !slice_to_u64(part, &wanted)) return false;
  p->value = (struct slice){NULL, 0};
  for (struct json_walk w = json_walk_of(p->container); json_walk_next(&w);) {
    at++;
    if (is_list ? at != wanted : !json_key_equal(w.key, part)) continue;
    const char *start = is_list ? w.value.data : w.key.data - 1;
    p->value = w.value;
    p->member = (struct slice){start, (size_t)(w.value.data + w.value.len - start)};
  }
  p->count = at;
  return p->value.data != NULL;
}

static struct place find_place(struct slice body, struct slice path) {
  struct place p = {.container = body, .rest = path};
  while (p.rest.len > 0) {
    struct slice rest, part = slice_cut(p.rest, '.', &rest);
    if (!step_into(&p, part)) return p;
    p.rest = rest;
    enum json_type type = json_type(p.value);
    if (rest.len == 0 || (type != JSON_OBJECT && type != JSON_ARRAY)) return p;
    p.container = p.value;
  }
  return p;
}

struct slice body_edit_find(struct slice body, struct slice path) {
  struct place p = find_place(body, path);
  return p.rest.len ? (struct slice){NULL, 0} : p.value;
}

/* Where a new last member or element goes: before the closing bracket. */
static struct slice end_of(struct slice container) {
  const char *last = container.data + container.len;
  while (is_space(last[-1]))
    last--;
  return (struct slice){last - 1, 0};
}

static bool is_empty(struct slice container) {
  struct json_walk w = json_walk_of(container);
  return !json_walk_next(&w);
}

/* {"team":value} for the path "team", and so on inwards. */
static void write_new(struct slice path, struct slice json, struct bytes *out) {
  size_t open = 0;
  while (path.len > 0) {
    struct slice part = slice_cut(path, '.', &path);
    if (open++ > 0) bytes_append_byte(out, '{');
    json_quote(out, part);
    bytes_append_byte(out, ':');
  }
  bytes_append_slice(out, json);
  while (open-- > 1)
    bytes_append_byte(out, '}');
}

static const char *insert(struct slice body, const struct place *p, struct slice json,
                          struct bytes *out) {
  struct bytes fresh;
  uint64_t wanted = 0;
  bool is_list = json_type(p->container) == JSON_ARRAY;
  struct slice rest, part = slice_cut(p->rest, '.', &rest);
  if (is_list && (!slice_to_u64(part, &wanted) || wanted != p->count + 1 || rest.len))
    return "a list has no such place; one past its end appends";
  if (p->value.data) return NO_PATH; /* the path goes on inside a text or a number */
  bytes_init(&fresh);
  if (!is_empty(p->container)) bytes_append_byte(&fresh, ',');
  if (is_list)
    bytes_append_slice(&fresh, json);
  else
    write_new(p->rest, json, &fresh);
  splice(body, end_of(p->container), bytes_slice(&fresh), out);
  bytes_fini(&fresh);
  return NULL;
}

const char *body_edit_set(struct slice body, struct slice path, struct slice json,
                          struct bytes *out) {
  struct place p = find_place(body, path);
  if (!path.len) return NO_PATH;
  bool found = p.rest.len == 0 && p.value.data;
  if (json.data && !found) return insert(body, &p, json, out);
  if (found)
    splice(body, json.data ? p.value : with_comma(body, p.member), json, out);
  else
    bytes_append_slice(out, body);
  return NULL;
}

void body_edit_texts(struct slice body, const struct body_texts *texts,
                     struct bytes *const *replaced, struct bytes *out) {
  const char *done = body.data;
  for (size_t i = 0; i < texts->count; i++) {
    if (!replaced[i]) continue;
    struct slice raw = texts->items[i].raw;
    size_t quote = texts->items[i].is_number ? 0 : 1;
    bytes_append(out, done, (size_t)(raw.data - quote - done));
    json_quote(out, bytes_slice(replaced[i]));
    done = raw.data + raw.len + quote;
  }
  bytes_append(out, done, (size_t)(body.data + body.len - done));
}

/* The system text in a member of its own: a string, a list of blocks, or not there. */
static const char *add_to_member(struct slice body, const char *name, struct slice text,
                                 struct bytes *out) {
  struct slice old = json_find(body, name);
  enum json_type type = json_type(old);
  struct bytes fresh;
  bytes_init(&fresh);
  if (type == JSON_ARRAY) {
    bytes_append_text(&fresh, is_empty(old) ? "{\"type\":\"text\",\"text\":"
                                            : ",{\"type\":\"text\",\"text\":");
    json_quote(&fresh, text);
    bytes_append_byte(&fresh, '}');
    splice(body, end_of(old), bytes_slice(&fresh), out);
  } else {
    struct bytes whole;
    bytes_init(&whole);
    if (json_string(old, &whole) && whole.len) bytes_append_text(&whole, "\n\n");
    bytes_append_slice(&whole, text);
    json_quote(&fresh, bytes_slice(&whole));
    bytes_fini(&whole);
    (void)body_edit_set(body, slice_of(name), bytes_slice(&fresh), out);
  }
  bytes_fini(&fresh);
  return NULL;
}

static bool is_system(struct slice message) {
  struct slice role = json_string_raw(json_find(message, "role"));
  return slice_equal_text(role, "system") || slice_equal_text(role, "developer");
}

/* A message of its own, behind those that lead the conversation. */
static const char *add_message(struct slice body, struct slice text, struct bytes *out) {
  struct slice messages = json_find(body, "messages"), before = {NULL, 0};
  if (json_type(messages) != JSON_ARRAY) return "this request has no messages";
  for (struct json_walk w = json_walk_of(messages); json_walk_next(&w);) {
    if (is_system(w.value)) continue;
    before = (struct slice){w.value.data, 0};
    break;
  }
  struct bytes fresh;
  bytes_init(&fresh);
  bool is_last = before.data == NULL;
  if (is_last && !is_empty(messages)) bytes_append_byte(&fresh, ',');
  bytes_append_text(&fresh, "{\"role\":\"system\",\"content\":");
  json_quote(&fresh, text);
  bytes_append_text(&fresh, is_last ? "}" : "},");
  splice(body, is_last ? end_of(messages) : before, bytes_slice(&fresh), out);
  bytes_fini(&fresh);
  return NULL;
}

const char *body_edit_add_system(enum dialect dialect, struct slice body, struct slice text,
                                 struct bytes *out) {
  switch (dialect) {
  case DIALECT_CHAT: return add_message(body, text, out);
  case DIALECT_MESSAGES: return add_to_member(body, "system", text, out);
  case DIALECT_RESPONSES: return add_to_member(body, "instructions", text, out);
  default: return "requests of this endpoint have no system text";
  }
}

struct slice body_tool_name(struct slice tool) {
  struct slice inner = json_find(tool, "function");
  return json_string_raw(json_find(json_type(inner) == JSON_OBJECT ? inner : tool, "name"));
}

static bool remove_from(struct slice body, const char *list_name, struct slice name,
                        struct bytes *out) {
  struct slice list = json_find(body, list_name);
  size_t count = 0;
  struct slice found = {NULL, 0};
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w); count++)
    if (!found.data && json_key_equal(body_tool_name(w.value), name)) found = w.value;
  if (!found.data) return false;
  if (count > 1) {
    splice(body, with_comma(body, found), SLICE(""), out);
    return true;
  }
  /* Providers refuse an empty list, and a choice without tools. */
  struct bytes without;
  bytes_init(&without);
  (void)body_edit_set(body, slice_of(list_name), (struct slice){NULL, 0}, &without);
  (void)body_edit_set(bytes_slice(&without), SLICE("tool_choice"), (struct slice){NULL, 0}, out);
  bytes_fini(&without);
  return true;
}

static bool choice_names(struct slice choice, struct slice name) {
  return json_type(choice) == JSON_OBJECT && json_key_equal(body_tool_name(choice), name);
}

void body_edit_remove_tool(struct slice body, struct slice name, struct bytes *out, bool *found) {
  struct bytes copy;
  bytes_init(&copy);
  *found = remove_from(body, "tools", name, &copy) || remove_from(body, "functions", name, &copy);
  struct slice now = *found ? bytes_slice(&copy) : body;
  if (*found && choice_names(json_find(now, "tool_choice"), name))
    (void)body_edit_set(now, SLICE("tool_choice"), (struct slice){NULL, 0}, out);
  else
    bytes_append_slice(out, now);
  bytes_fini(&copy);
}
