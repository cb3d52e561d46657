/* `gateyes keys`, `tenants`, `projects`, `users`, `roles`, `limits`, `usage`, `requests`: ask the
 * running gateway's admin listener. */
#include "command/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/commands.h"
#include "command/door.h"
#include "command/http.h"

enum { OPTIONS_MAX = 32 };

static const struct noun {
  const char *name, *columns, *verbs;
} nouns[] = {
    {"tenants", "id name state created_at", "list show create update delete block unblock"},
    {"projects", "id tenant name parent created_at", "list show create update delete"},
    {"users", "id tenant name state roles", "list show create update delete block unblock"},
    {"roles", "id tenant name reach allow", "list show create update delete"},
    {"keys", "id tenant project name last4 state roles",
     "list show create update delete block unblock revoke rotate"},
    {"limits", "id tenant name window requests total_tokens money scope",
     "list show create update delete use"},
    {"services", "id tenant name state published canary description",
     "list show create update delete block unblock publish canary rollback"},
    {"service-versions", "id number state model template created_at",
     "list show create update delete stage"},
    {"subscriptions", "id service name state project user key created_at",
     "list show create approve reject revoke"},
    {"usage", "tenant project user key_id customer model provider day requests", "list"},
    {"requests", "request_id time tenant model provider status input_tokens output_tokens cost",
     "list show"},
    {"audit", "number time tenant actor action target outcome peer", "list verify"},
};

struct words {
  const struct noun *noun;
  const char *verb, *id, *config_path;
  const char *names[OPTIONS_MAX], *values[OPTIONS_MAX];
  size_t count;
  bool json;
};

static bool is_word(const char *list, const char *word) {
  struct slice rest = slice_of(list);
  while (rest.len)
    if (slice_equal_text(slice_cut(rest, ' ', &rest), word)) return true;
  return false;
}

static int usage_text(const struct noun *n) {
  fprintf(stderr,
          "usage: gateyes %s %s [ID] [--NAME VALUE]… [--config PATH] [--json]\n"
          "  list and show take the API's parameters as options (--tenant acme), create and update "
          "its fields;\n"
          "  lists are written a,b. The key is GATEYES_ADMIN_KEY, else admin.key of the "
          "configuration.\n"
          "  A gateway elsewhere: GATEYES_ADMIN_URL=http://HOST:PORT\n",
          n->name, n->verbs);
  return 2;
}

static bool read_option(struct words *w, int argc, char **argv, int *at) {
  const char *name = argv[*at] + 2, *equal = strchr(name, '=');
  if (strcmp(name, "json") == 0) {
    w->json = true;
    return true;
  }
  if (!equal && *at + 1 >= argc) return false;
  const char *value = equal ? equal + 1 : argv[++*at];
  if (strncmp(name, "config", 6) == 0 && (!name[6] || name[6] == '=')) {
    w->config_path = value;
    return true;
  }
  if (w->count == OPTIONS_MAX) return false;
  w->names[w->count] = name; /* ends at "=" when there is one */
  w->values[w->count++] = value;
  return true;
}

static bool read_words(struct words *w, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--", 2) == 0) {
      if (!read_option(w, argc, argv, &i)) return false;
    } else if (!w->verb) {
      w->verb = argv[i];
    } else if (!w->id) {
      w->id = argv[i];
    } else {
      return false;
    }
  }
  if (!w->verb) w->verb = "list";
  if (!is_word(w->noun->verbs, w->verb)) return false;
  bool has_id = !is_word("list create use verify", w->verb);
  return has_id == (w->id != NULL);
}

static size_t name_len(const char *name) {
  return strcspn(name, "=");
}

static void append_escaped(struct bytes *out, const char *text) {
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    bool is_plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= 'a' && *c <= 'z') || strchr("-_.~:", *c);
    bytes_printf(out, is_plain ? "%c" : "%%%02X", *c);
  }
}

static void append_path(const struct words *w, bool is_get, struct bytes *out) {
  bytes_printf(out, "/admin/v1/%s", w->noun->name);
  if (w->id) {
    bytes_append_byte(out, '/');
    append_escaped(out, w->id);
  }
  if (is_word("use block unblock revoke rotate publish canary rollback stage approve reject verify",
              w->verb))
    bytes_printf(out, "/%s", w->verb);
  for (size_t i = 0; i < w->count && is_get; i++) {
    bytes_printf(out, "%c%.*s=", i ? '&' : '?', (int)name_len(w->names[i]), w->names[i]);
    append_escaped(out, w->values[i]);
  }
}

static void append_list(struct bytes *out, const char *text, bool is_raw) {
  struct slice rest = slice_of(text);
  const char *separator = "[";
  while (rest.len) {
    struct slice item = slice_cut(rest, ',', &rest);
    bytes_append_text(out, separator);
    if (is_raw)
      bytes_append_slice(out, item);
    else
      json_quote(out, item);
    separator = ",";
  }
  bytes_append_text(out, *separator == '[' ? "[]" : "]");
}

/* key=ID,model=gpt-4o */
static void append_scope(struct bytes *out, const char *text) {
  struct slice rest = slice_of(text);
  const char *separator = "{";
  while (rest.len) {
    struct slice value, name = slice_cut(slice_cut(rest, ',', &rest), '=', &value);
    bytes_append_text(out, separator);
    json_quote(out, name);
    bytes_append_byte(out, ':');
    json_quote(out, value);
    separator = ",";
  }
  bytes_append_text(out, *separator == '{' ? "{}" : "}");
}

static void append_value(struct bytes *out, struct slice name, const char *value) {
  char plain[32] = "";
  if (name.len < sizeof plain) memcpy(plain, name.data, name.len);
  bool is_json = value[0] == '[' || value[0] == '{' || strcmp(value, "null") == 0;
  if (is_json ||
      is_word("metadata soft four_eyes expires_ms requests input_tokens output_tokens total_tokens "
              "concurrent money start_day burst overlap_s version percent",
              plain))
    bytes_append_text(out, value);
  else if (is_word("models paths networks tags roles allow providers residency each", plain))
    append_list(out, value, false);
  else if (strcmp(plain, "warn") == 0)
    append_list(out, value, true);
  else if (strcmp(plain, "scope") == 0)
    append_scope(out, value);
  else
    json_quote(out, slice_of(value));
}

static void append_body(const struct words *w, struct bytes *out) {
  bytes_append_byte(out, '{');
  for (size_t i = 0; i < w->count; i++) {
    struct slice name = {w->names[i], name_len(w->names[i])};
    if (i) bytes_append_byte(out, ',');
    json_quote(out, name);
    bytes_append_byte(out, ':');
    append_value(out, name, w->values[i]);
  }
  bytes_append_byte(out, '}');
}

static const char *method_of(const char *verb) {
  if (is_word("list show use verify", verb)) return "GET";
  if (strcmp(verb, "update") == 0) return "PATCH";
  return strcmp(verb, "delete") == 0 ? "DELETE" : "POST";
}

static const char *columns_of(const struct words *w) {
  if (strcmp(w->verb, "use") == 0) return "limit scope kind window amount used reserved resets_at";
  if (strcmp(w->noun->name, "usage") != 0) return w->noun->columns;
  static char columns[160];
  columns[0] = 0;
  for (size_t i = 0; i < w->count; i++) {
    struct slice name = {w->names[i], name_len(w->names[i])};
    if (slice_equal_text(name, "by")) snprintf(columns, sizeof columns, "%.40s! ", w->values[i]);
  }
  for (size_t i = 0; i < w->count; i++)
    if (strncmp(w->names[i], "trend", 5) == 0) strcat(columns, "day ");
  return strcat(columns, "requests failures input_tokens output_tokens cost");
}

static int ask(const struct words *w, const struct admin_door *door) {
  struct bytes path, body;
  struct admin_reply reply;
  const char *method = method_of(w->verb);
  bool is_get = strcmp(method, "GET") == 0;
  bytes_init(&path);
  bytes_init(&body);
  append_path(w, is_get, &path);
  if (!is_get) append_body(w, &body);
  struct admin_call call = {method, bytes_text(&path), bytes_slice(&body)};
  bool is_answered = admin_ask(door, &call, &reply);
  bool fine = is_answered && (reply.status == 200 || reply.status == 201);
  struct slice whole = fine ? json_find(bytes_slice(&reply.body), "ok") : (struct slice){NULL, 0};
  if (is_answered && w->json)
    printf("%s", bytes_text(&reply.body));
  else if (whole.data)
    audit_print_report(bytes_slice(&reply.body));
  else if (fine)
    admin_print(bytes_slice(&reply.body), columns_of(w));
  else if (is_answered)
    admin_print_error(w->noun->name, bytes_slice(&reply.body));
  fine = fine && json_type(whole) != JSON_FALSE; /* of a chain that was verified */
  bytes_fini(&reply.body);
  bytes_fini(&path);
  bytes_fini(&body);
  return fine ? 0 : 1;
}

int admin_main(int argc, char **argv) {
  struct words w = {.noun = NULL};
  for (size_t i = 0; i < sizeof nouns / sizeof *nouns; i++)
    if (strcmp(argv[0], nouns[i].name) == 0) w.noun = &nouns[i];
  must(w.noun);
  if (!read_words(&w, argc, argv)) return usage_text(w.noun);
  struct admin_door door;
  if (!admin_door_open(argv[0], w.config_path, &door)) return 1;
  int status = ask(&w, &door);
  admin_door_close(&door);
  return status;
}
