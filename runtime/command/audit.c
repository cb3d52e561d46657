/* `gateyes audit`: the log of who changed what. The running gateway is asked where there is one,
 * else the store itself is read. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "command/admin.h"
#include "command/commands.h"
#include "command/door.h"
#include "command/http.h"
#include "command/storage.h"
#include "load.h"

enum { LIST_ROWS = 100, CONNECT_S = 2 };

static const char audit_columns[] = "number time tenant actor action target outcome peer";

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

void audit_print_report(struct slice report) {
  uint64_t broken_at = 0, rows = 0, last = 0;
  (void)json_to_u64(json_find(report, "broken_at"), &broken_at);
  (void)json_to_u64(json_find(report, "rows"), &rows);
  (void)json_to_u64(json_find(report, "last"), &last);
  struct slice head = json_string_raw(json_find(report, "head"));
  if (broken_at)
    printf("broken: row %llu is missing, or is not what was written\n",
           (unsigned long long)broken_at);
  else
    printf("whole: %llu rows, the last is number %llu\nhead %.*s\n", (unsigned long long)rows,
           (unsigned long long)last, (int)head.len, head.data);
}

static int verify(const struct storage *s, bool json) {
  struct audit_report report;
  struct bytes text;
  if (s->store->calls->audit_verify(s->store, &report) != STORE_FINE) return storage_complain(s);
  bytes_init(&text);
  audit_write_report(&report, &text);
  if (json)
    printf("%s", bytes_text(&text));
  else
    audit_print_report(bytes_slice(&text));
  bytes_fini(&text);
  return report.broken_at ? 1 : 0;
}

struct listing {
  struct bytes text;
  size_t count;
};

static void on_row(void *context, uint64_t number, const struct audit_entry *e) {
  struct listing *l = context;
  if (l->count++) bytes_append_byte(&l->text, ',');
  audit_write_entry(e, number, &l->text);
}

static int list(const struct storage *s, bool json) {
  struct listing listing = {.count = 0};
  struct audit_query query = {.limit = LIST_ROWS};
  struct audit_sink sink = {on_row, &listing};
  bytes_init(&listing.text);
  bytes_append_text(&listing.text, "{\"object\":\"list\",\"data\":[");
  enum store_result result = s->store->calls->audit_list(s->store, &query, &sink);
  bytes_append_text(&listing.text, "]}\n");
  if (result == STORE_FINE && json)
    printf("%s", bytes_text(&listing.text));
  else if (result == STORE_FINE)
    admin_print(bytes_slice(&listing.text), audit_columns);
  bytes_fini(&listing.text);
  return result == STORE_FINE ? 0 : storage_complain(s);
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
  struct storage storage;
  if (!storage_open("audit", words.config, &storage)) return 1;
  bool is_verify = strcmp(words.verb, "verify") == 0;
  int status = is_verify ? verify(&storage, words.json) : list(&storage, words.json);
  storage_close(&storage);
  return status;
}
