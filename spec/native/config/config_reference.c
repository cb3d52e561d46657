/* docs/configuration.md is the table of keys. With --write, this program writes the page. */
#include "check.h"
#include "config/config.h"
#include "config/keys.h"

static const char page[] = DOCS "/configuration.md";

static void test_page(void) {
  struct bytes made, read;
  bytes_init(&made);
  bytes_init(&read);
  config_reference(&made);
  FILE *f = fopen(page, "r");
  CHECK(f != NULL);
  for (size_t got = 1; f && got > 0; read.len += got)
    got = fread(bytes_reserve(&read, 4096), 1, 4096, f);
  if (f) fclose(f);
  if (!slice_equal(bytes_slice(&made), bytes_slice(&read))) {
    fprintf(stderr, "docs/configuration.md is old: run native_config_reference --write\n");
    checks_failed++;
  }
  bytes_fini(&made);
  bytes_fini(&read);
}

static void write_page(void) {
  struct bytes made;
  bytes_init(&made);
  config_reference(&made);
  FILE *f = fopen(page, "w");
  CHECK(f && fwrite(made.data, 1, made.len, f) == made.len && fclose(f) == 0);
  bytes_fini(&made);
}

/* Every row has a sentence, a parent in the table, and no twin. */
static void test_rows(void) {
  size_t count;
  const struct key_row *rows = key_rows(&count);
  CHECK(count > 100);
  for (size_t i = 0; i < count; i++) {
    if (rows[i].section) continue;
    char parent[128];
    snprintf(parent, sizeof parent, "%s", rows[i].path);
    char *dot = strrchr(parent, '.');
    *(dot ? dot : parent) = 0;
    const char *name = rows[i].path + (dot ? dot - parent + 1 : 0);
    if (key_find(parent, slice_of(name)) != &rows[i]) {
      fprintf(stderr, "two rows, or none to be found, for %s\n", rows[i].path);
      checks_failed++;
    }
    CHECK(rows[i].note && rows[i].note[strlen(rows[i].note) - 1] == '.');
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--write") == 0) write_page();
  test_page();
  test_rows();
  return checks_end();
}
