/* `gateyes prices`: brings price lists of others into a table that keeps every version, of a file
 * or of the running gateway. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "command/admin.h"
#include "command/commands.h"
#include "command/door.h"
#include "command/http.h"
#include "config/price_import.h"

enum { SOURCE_BYTES_MAX = 256 << 20 };

struct words {
  const char *file, *to, *from, *config;
  bool json, free;
};

static int usage(void) {
  fprintf(stderr, "usage: gateyes prices import FILE|- [--to prices.json] [--from DATE] [--free]\n"
                  "       gateyes prices list [prices.json] [--json]\n"
                  "of the running gateway (see gateyes keys for the key and the address):\n"
                  "       gateyes prices push FILE|- [--from DATE] [--free] [--config PATH]\n"
                  "       gateyes prices current|versions|show VERSION|explain REQUEST_ID "
                  "[--config PATH] [--json]\n");
  return 2;
}

static bool read_words(int argc, char **argv, struct words *w) {
  for (int i = 2; i < argc; i++) {
    bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--to") == 0 && has_value)
      w->to = argv[++i];
    else if (strcmp(argv[i], "--from") == 0 && has_value)
      w->from = argv[++i];
    else if (strcmp(argv[i], "--config") == 0 && has_value)
      w->config = argv[++i];
    else if (strncmp(argv[i], "--config=", 9) == 0)
      w->config = argv[i] + 9;
    else if (strcmp(argv[i], "--json") == 0)
      w->json = true;
    else if (strcmp(argv[i], "--free") == 0)
      w->free = true;
    else if (!w->file && (argv[i][0] != '-' || argv[i][1] == 0))
      w->file = argv[i];
    else
      return false;
  }
  return true;
}

static bool read_all(const char *path, struct bytes *out) {
  bool is_input = strcmp(path, "-") == 0;
  int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : 1;
  while (got > 0 && out->len <= SOURCE_BYTES_MAX) {
    got = read(fd, bytes_reserve(out, 65536), 65536);
    if (got > 0) out->len += (size_t)got;
  }
  int error = errno;
  if (fd >= 0 && !is_input) close(fd);
  if (got == 0) return true;
  fprintf(stderr, "%s: cannot be read: %s\n", path, got < 0 ? strerror(error) : "it is too large");
  return false;
}

/* False when the file is there and is no table. No file: *out is NULL. */
static bool load_table(const char *path, struct arena *arena, struct price_table **out) {
  const char *problem;
  *out = NULL;
  if (access(path, F_OK) != 0) return true;
  *out = price_table_load(path, arena, &problem);
  if (!*out) fprintf(stderr, "%s: %s\n", path, problem);
  return *out != NULL;
}

static bool add_version(const struct words *w, struct slice source, const struct price_import *i,
                        struct arena *arena) {
  uint8_t digest[SHA256_BYTES];
  char hex[SHA256_BYTES * 2 + 1];
  struct price_table *old;
  struct price_import_version v = {.source = slice_of(w->file), .from_ms = clock_wall_ms()};
  if (!load_table(w->to, arena, &old)) return false;
  if (w->from) must(price_date(slice_of(w->from), &v.from_ms));
  digest_sha256(source, digest);
  digest_hex(digest, sizeof digest, hex);
  v.sha256 = slice_of(hex);
  struct bytes name, table;
  bytes_init(&name);
  bytes_init(&table);
  price_version_name(old, v.from_ms, &name);
  v.version = bytes_slice(&name);
  price_table_write(old, &v, bytes_slice(&i->prices), &table);
  bool is_written = price_table_save(w->to, bytes_slice(&table));
  if (!is_written) fprintf(stderr, "%s: cannot be written: %s\n", w->to, strerror(errno));
  if (is_written)
    printf("%s: version %.*s with %zu prices; left out: %zu without a cost, %zu that cost 0\n",
           w->to, (int)v.version.len, v.version.data, i->taken, i->without_cost, i->free);
  bytes_fini(&table);
  bytes_fini(&name);
  return is_written;
}

/* Asks the gateway, and prints the answer. */
static int ask(const struct words *w, const struct admin_call *call, const char *columns) {
  struct admin_door door;
  struct admin_reply reply;
  if (!admin_door_open("prices", w->config, &door)) return 1;
  bool is_answered = admin_ask(&door, call, &reply);
  bool fine = is_answered && (reply.status == 200 || reply.status == 201);
  if (is_answered && w->json)
    fputs(bytes_text(&reply.body), stdout);
  else if (fine)
    admin_print(bytes_slice(&reply.body), columns);
  else if (is_answered)
    admin_print_error("prices", bytes_slice(&reply.body));
  bytes_fini(&reply.body);
  admin_door_close(&door);
  return fine ? 0 : 1;
}

static bool push(const struct words *w, const struct price_import *i) {
  struct bytes body;
  bytes_init(&body);
  bytes_append_text(&body, "{\"source\":");
  json_quote(&body, slice_of(w->file));
  if (w->from) bytes_printf(&body, ",\"from\":\"%s\"", w->from);
  bytes_append_text(&body, ",\"prices\":");
  bytes_append_slice(&body, bytes_slice(&i->prices));
  bytes_append_byte(&body, '}');
  struct admin_call call = {"POST", "/admin/v1/prices", bytes_slice(&body)};
  int status = ask(w, &call, "");
  bytes_fini(&body);
  return status == 0;
}

/* Names in paths are versions and request ids: nothing else is let through. */
static bool is_plain(const char *text) {
  return *text &&
         strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             strlen(text);
}

static int look(const struct words *w, const char *verb) {
  static const struct {
    const char *verb, *path, *columns;
  } ways[] = {
      {"current", "/admin/v1/prices",
       "model known input cache_read output price_version from source"},
      {"versions", "/admin/v1/prices/versions", "version from count has_begun source"},
      {"show", "/admin/v1/prices/versions/%s", ""},
      {"explain", "/admin/v1/requests/%s/price", ""},
  };
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    bool has_name = strchr(ways[i].path, '%');
    if (strcmp(verb, ways[i].verb) != 0) continue;
    if (has_name != (w->file != NULL) || (has_name && !is_plain(w->file))) return usage();
    char path[160];
    snprintf(path, sizeof path, "%.*s%s%s", (int)strcspn(ways[i].path, "%"), ways[i].path,
             has_name ? w->file : "", has_name ? strchr(ways[i].path, '%') + 2 : "");
    struct admin_call call = {"GET", path, {"", 0}};
    return ask(w, &call, ways[i].columns);
  }
  return usage();
}

static int import(const struct words *w, bool is_push) {
  struct bytes source;
  struct arena arena;
  struct price_import i;
  const char *problem = NULL;
  bytes_init(&source);
  arena_init(&arena);
  price_import_init(&i);
  bool is_fine = read_all(w->file, &source);
  if (is_fine && !price_import_read(&i, bytes_slice(&source), w->free, &problem)) {
    fprintf(stderr, "%s: %s\n", w->file, problem);
    is_fine = false;
  }
  if (is_fine) fputs(bytes_text(&i.refused), stderr);
  is_fine = is_fine && (is_push ? push(w, &i) : add_version(w, bytes_slice(&source), &i, &arena));
  price_import_fini(&i);
  arena_fini(&arena);
  bytes_fini(&source);
  return is_fine ? 0 : 1;
}

static size_t count_prices(const struct price_version *v) {
  size_t count = 0;
  for (struct json_walk w = json_walk_of(v->prices); json_walk_next(&w);)
    count++;
  return count;
}

static void print_version(const struct price_version *v, bool json, bool is_first) {
  char date[25];
  struct bytes line;
  bytes_init(&line);
  clock_format(v->from_ms, date);
  if (json) {
    bytes_printf(&line, "%s{\"version\":", is_first ? "" : ",");
    json_quote(&line, v->version);
    bytes_printf(&line, ",\"from\":\"%.19sZ\",\"prices\":%zu,\"source\":", date, count_prices(v));
    json_quote(&line, v->source);
    bytes_append_byte(&line, '}');
  } else {
    bytes_printf(&line, "%-16.*s from %.19sZ  %6zu prices  %.*s\n", (int)v->version.len,
                 v->version.data, date, count_prices(v), (int)v->source.len, v->source.data);
  }
  fputs(bytes_text(&line), stdout);
  bytes_fini(&line);
}

static int list(const struct words *w) {
  struct arena arena;
  struct price_table *table;
  const char *problem;
  arena_init(&arena);
  table = price_table_load(w->file, &arena, &problem);
  if (!table) fprintf(stderr, "%s: %s\n", w->file, problem);
  if (table && w->json) printf("{\"versions\":[");
  for (size_t i = 0; table && i < table->count; i++)
    print_version(&table->versions[i], w->json, i == 0);
  if (table && w->json) printf("]}\n");
  arena_fini(&arena);
  return table ? 0 : 1;
}

int prices_main(int argc, char **argv) {
  struct words w = {.to = "prices.json"};
  int64_t date;
  if (argc < 2 || !read_words(argc, argv, &w)) return usage();
  if (w.from && !price_date(slice_of(w.from), &date)) {
    fprintf(stderr, "--from %s is no date; write 2026-12-01 or 2026-12-01T00:00:00Z\n", w.from);
    return 2;
  }
  bool is_push = strcmp(argv[1], "push") == 0;
  if ((is_push || strcmp(argv[1], "import") == 0) && w.file) return import(&w, is_push);
  if (strcmp(argv[1], "list") != 0) return look(&w, argv[1]);
  if (!w.file) w.file = w.to;
  return list(&w);
}
