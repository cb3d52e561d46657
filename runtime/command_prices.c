/* `gateyes prices`: brings price lists of others into a table that keeps every version. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "commands.h"
#include "config/price_import.h"

enum { SOURCE_BYTES_MAX = 256 << 20 };

struct words {
  const char *file, *to, *from;
  bool json, free;
};

static int usage(void) {
  fprintf(stderr, "usage: gateyes prices import FILE|- [--to prices.json] [--from DATE] [--free]\n"
                  "       gateyes prices list [prices.json] [--json]\n");
  return 2;
}

static bool read_words(int argc, char **argv, struct words *w) {
  for (int i = 2; i < argc; i++) {
    bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--to") == 0 && has_value)
      w->to = argv[++i];
    else if (strcmp(argv[i], "--from") == 0 && has_value)
      w->from = argv[++i];
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

/* Whole or not at all, also when the machine stops in between. */
static bool write_whole(const char *path, struct slice text) {
  struct bytes beside;
  bytes_init(&beside);
  bytes_printf(&beside, "%s.new", path);
  const char *name = bytes_text(&beside);
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool is_written = fd >= 0;
  while (is_written && text.len) {
    ssize_t put = write(fd, text.data, text.len);
    is_written = put > 0;
    if (put > 0) text = slice_skip(text, (size_t)put);
  }
  is_written = is_written && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  is_written = is_written && rename(name, path) == 0;
  if (!is_written) fprintf(stderr, "%s: cannot be written: %s\n", path, strerror(errno));
  bytes_fini(&beside);
  return is_written;
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
  bool is_written = write_whole(w->to, bytes_slice(&table));
  if (is_written)
    printf("%s: version %.*s with %zu prices; left out: %zu without a cost, %zu that cost 0\n",
           w->to, (int)v.version.len, v.version.data, i->taken, i->without_cost, i->free);
  bytes_fini(&table);
  bytes_fini(&name);
  return is_written;
}

static int import(const struct words *w) {
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
  is_fine = is_fine && add_version(w, bytes_slice(&source), &i, &arena);
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
  if (strcmp(argv[1], "import") == 0 && w.file) return import(&w);
  if (strcmp(argv[1], "list") != 0) return usage();
  if (!w.file) w.file = w.to;
  return list(&w);
}
