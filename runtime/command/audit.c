/* `gateyes audit`: the log of who changed what. The running gateway is asked where there is one,
 * else the store itself is read. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "command/commands.h"
#include "command/door.h"
#include "command/http.h"
#include "load.h"
#include "store/store.h"

enum { LIST_ROWS = 50, CONNECT_S = 2 };

struct words {
  const char *config, *verb;
  bool json, is_offline;
};

static bool read_words(int argc, char **argv, struct words *words) {
  *words = (struct words){.config = load_path(NULL)};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      words->json = true;
    else if (strcmp(argv[i], "--offline") == 0)
      words->is_offline = true;
    else if (strncmp(argv[i], "--config=", 9) == 0)
      words->config = argv[i] + 9;
    else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
      words->config = argv[++i];
    else if (!words->verb && (strcmp(argv[i], "verify") == 0 || strcmp(argv[i], "list") == 0))
      words->verb = argv[i];
    else {
      fprintf(
          stderr,
          "gateyes audit: %s: the store itself is read here, since no gateway answers, and that "
          "takes --config, --json and --offline only\n",
          argv[i]);
      return false;
    }
  }
  if (!words->verb)
    fprintf(stderr, "usage: gateyes audit verify|list [--config PATH] [--json] [--offline]\n");
  return words->verb != NULL;
}

static int complain(struct store *s) {
  struct bytes sentence;
  bytes_init(&sentence);
  s->calls->last_error(s, &sentence);
  fprintf(stderr, "gateyes audit: %s\n", bytes_text(&sentence));
  bytes_fini(&sentence);
  return 1;
}

static void print_report(const struct audit_report *r, bool json) {
  char head[2 * SHA256_BYTES + 1];
  digest_hex(r->head, SHA256_BYTES, head);
  if (json) {
    printf("{\"object\":\"audit_report\",\"ok\":%s,\"rows\":%llu,\"first\":%llu,\"last\":%llu,"
           "\"broken_at\":%llu,\"head\":\"%"
           "s\"}\n",
           r->broken_at ? "false" : "true", (unsigned long long)r->rows,
           (unsigned long long)r->first, (unsigned long long)r->last,
           (unsigned long long)r->broken_at, head);
  } else if (r->broken_at) {
    printf("broken: row %llu is missing, or is not what was written\n",
           (unsigned long long)r->broken_at);
  } else {
    printf("whole: %llu rows, the last is number %llu\nhead %s\n", (unsigned long long)r->rows,
           (unsigned long long)r->last, head);
  }
}

static int verify(struct store *s, bool json) {
  struct audit_report report;
  if (s->calls->audit_verify(s, &report) != STORE_FINE) return complain(s);
  print_report(&report, json);
  return report.broken_at ? 1 : 0;
}

struct listing {
  bool json;
  struct bytes line;
  size_t count;
};

static void json_member(struct bytes *line, const char *name, struct slice text, bool is_json) {
  bytes_printf(line, ",\"%s\":", name);
  if (!is_json)
    json_quote(line, text);
  else if (text.len && json_validate(text, JSON_DEPTH_DEFAULT, NULL))
    bytes_append_slice(line, text);
  else
    bytes_append_text(line, "null");
}

static void on_row(void *context, uint64_t number, const struct audit_entry *e) {
  struct listing *l = context;
  char time[25];
  clock_format(e->time_ms, time);
  bytes_clear(&l->line);
  if (l->json) {
    bytes_printf(&l->line, "%s{\"number\":%llu,\"time\":\"%s\"", l->count ? ",\n" : "",
                 (unsigned long long)number, time);
    json_member(&l->line, "tenant", e->tenant, false);
    json_member(&l->line, "actor", e->actor, false);
    json_member(&l->line, "action", e->action, false);
    json_member(&l->line, "target", e->target, false);
    json_member(&l->line, "outcome", e->outcome, false);
    json_member(&l->line, "before", e->before, true);
    json_member(&l->line, "after", e->after, true);
    json_member(&l->line, "peer", e->peer, false);
    json_member(&l->line, "request_id", e->request_id, false);
    bytes_append_byte(&l->line, '}');
  } else {
    bytes_printf(&l->line, "%6llu  %s  %-7.*s  %-20.*s  %-20.*s  %.*s\n",
                 (unsigned long long)number, time, (int)e->outcome.len, e->outcome.data,
                 (int)e->action.len, e->action.data, (int)e->actor.len, e->actor.data,
                 (int)e->target.len, e->target.data);
  }
  fwrite(l->line.data, 1, l->line.len, stdout);
  l->count++;
}

static int list(struct store *s, bool json) {
  struct listing listing = {.json = json};
  struct audit_query query = {.limit = LIST_ROWS};
  struct audit_sink sink = {on_row, &listing};
  if (json) printf("{\"object\":\"list\",\"data\":[");
  enum store_result result = s->calls->audit_list(s, &query, &sink);
  if (json) printf("]}\n");
  bytes_fini(&listing.line);
  return result == STORE_FINE ? 0 : complain(s);
}

static const char *config_of(int argc, char **argv) {
  const char *path = NULL;
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--config=", 9) == 0) path = argv[i] + 9;
    if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) path = argv[i + 1];
  }
  return path;
}

/* Is there a gateway that would tell? A faulty configuration is told by who reads it next. */
static bool is_running(int argc, char **argv) {
  struct admin_door door;
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--offline") == 0) return false;
  if (!admin_door_open("audit", config_of(argc, argv), &door)) return false;
  int fd = door.key.len ? admin_connect(&door.address, CONNECT_S) : -1;
  if (fd >= 0) close(fd);
  admin_door_close(&door);
  return fd >= 0;
}

int audit_main(int argc, char **argv) {
  struct words words;
  if (is_running(argc, argv)) return admin_main(argc, argv);
  if (!read_words(argc, argv, &words)) return 2;
  struct config_problems problems;
  config_problems_init(&problems);
  struct bytes error;
  bytes_init(&error);
  struct config *config = load_config(words.config, &problems);
  struct store *store = config ? load_store(config, &error) : NULL;
  int status = 1;
  if (store)
    status =
        strcmp(words.verb, "verify") == 0 ? verify(store, words.json) : list(store, words.json);
  if (error.len) fprintf(stderr, "gateyes audit: %s\n", bytes_text(&error));
  load_print_problems(&problems);
  store_free(store);
  config_unref(config);
  bytes_fini(&error);
  config_problems_fini(&problems);
  return status;
}
