#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "command/scripts.h"

/* No control characters for a terminal: those of C1 are two bytes in UTF-8. */
static void print_plain(FILE *out, struct slice text) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.data[i];
    unsigned char next = i + 1 < text.len ? (unsigned char)text.data[i + 1] : 0;
    bool is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
    bool is_control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || is_c1;
    fputc(is_control ? '?' : c, out);
    i += is_c1;
  }
}

static void print_text(FILE *out, struct slice value) {
  struct bytes text;
  bytes_init(&text);
  json_string(value, &text);
  print_plain(out, bytes_slice(&text));
  bytes_fini(&text);
}

static void print_generation(struct slice g) {
  char when[25] = "";
  int64_t created_ms = 0;
  struct slice role = json_find(g, "role"), number = json_find(g, "generation");
  struct slice files = json_find(g, "files"), sha256 = json_string_raw(json_find(g, "sha256"));
  if (json_to_i64(json_find(g, "created_ms"), &created_ms)) clock_format(created_ms, when);
  bool runs = slice_equal(json_string_raw(role), SLICE("running"));
  printf("%c %6.*s  %s  ", runs ? '*' : ' ', (int)number.len, number.data, when);
  print_text(stdout, json_find(g, "source"));
  bool is_one = slice_equal(files, SLICE("1"));
  printf("  %.*s %s  %.12s  ", (int)files.len, files.data, is_one ? "file" : "files",
         sha256.len >= 12 ? sha256.data : "");
  print_text(stdout, role);
  printf("\n");
}

void scripts_print_tenant(struct slice tenant, bool with_generations) {
  print_text(stdout, json_find(tenant, "tenant"));
  printf(": ");
  print_text(stdout, json_find(tenant, "state"));
  printf("\n");
  struct slice problems = json_find_path(tenant, "refused.problems");
  for (struct json_walk w = json_walk_of(problems); json_walk_next(&w);) {
    printf("  refused: ");
    print_text(stdout, w.value);
    printf("\n");
  }
  if (!with_generations) return;
  struct slice generations = json_find(tenant, "generations");
  for (struct json_walk w = json_walk_of(generations); json_walk_next(&w);)
    print_generation(w.value);
}

void scripts_print_list(struct slice list) {
  size_t count = 0;
  struct slice tenants = json_find(list, "tenants");
  for (struct json_walk w = json_walk_of(tenants); json_walk_next(&w); count++)
    scripts_print_tenant(w.value, false);
  if (count == 0) printf("no tenant has scripts\n");
}

void scripts_print_error(struct slice body) {
  struct slice error = json_find(body, "error"), problems = json_find(error, "problems");
  for (struct json_walk w = json_walk_of(problems); json_walk_next(&w);) {
    print_text(stderr, w.value);
    fputc('\n', stderr);
  }
  fprintf(stderr, "gateyes scripts: ");
  print_text(stderr, json_find(error, "message"));
  fputc('\n', stderr);
}

bool scripts_print_files(struct slice body, const char *only) {
  bool found = !only;
  struct slice files = json_find(body, "files");
  for (struct json_walk w = json_walk_of(files); json_walk_next(&w);) {
    if (only && !json_key_equal(w.key, slice_of(only))) continue;
    found = true;
    if (!only) printf("--- %.*s\n", (int)w.key.len, w.key.data);
    print_text(stdout, w.value);
    if (!only) printf("\n");
  }
  return found;
}

static struct slice member(struct slice files, struct slice key) {
  for (struct json_walk w = json_walk_of(files); json_walk_next(&w);)
    if (slice_equal(w.key, key)) return w.value;
  return (struct slice){NULL, 0};
}

static size_t count_lines(struct slice text) {
  size_t count = 0;
  for (struct slice rest = text; rest.len; count++)
    slice_cut(rest, '\n', &rest);
  return count;
}

static void print_lines(char mark, struct slice text) {
  while (text.len) {
    struct slice line = slice_cut(text, '\n', &text);
    fputc(mark, stdout);
    print_plain(stdout, line);
    fputc('\n', stdout);
  }
}

/* What the texts have in common at both ends is left out: linear, and enough to read a change. */
static void print_change(struct slice a, struct slice b) {
  size_t first = 1;
  struct slice rest_a = a, rest_b = b;
  while (a.len && b.len && slice_equal(slice_cut(a, '\n', &rest_a), slice_cut(b, '\n', &rest_b))) {
    a = rest_a;
    b = rest_b;
    first++;
  }
  size_t same = 0, line_end = 0;
  while (same < a.len && same < b.len && a.data[a.len - 1 - same] == b.data[b.len - 1 - same]) {
    same++;
    bool begins_line = same == a.len || a.data[a.len - 1 - same] == '\n';
    bool begins_other = same == b.len || b.data[b.len - 1 - same] == '\n';
    if (begins_line && begins_other) line_end = same;
  }
  a.len -= line_end;
  b.len -= line_end;
  printf("@@ line %zu: %zu removed, %zu added @@\n", first, count_lines(a), count_lines(b));
  print_lines('-', a);
  print_lines('+', b);
}

static void print_changed(struct slice key, struct slice before, struct slice after) {
  struct bytes a, b;
  bytes_init(&a);
  bytes_init(&b);
  if (before.data) json_string(before, &a);
  if (after.data) json_string(after, &b);
  printf("--- %.*s%s\n", (int)key.len, key.data,
         !before.data  ? " (new)"
         : !after.data ? " (removed)"
                       : "");
  print_change(bytes_slice(&a), bytes_slice(&b));
  bytes_fini(&a);
  bytes_fini(&b);
}

bool scripts_print_diff(struct slice before, struct slice after) {
  bool differ = false;
  struct slice old_files = json_find(before, "files"), new_files = json_find(after, "files");
  for (struct json_walk w = json_walk_of(old_files); json_walk_next(&w);) {
    struct slice other = member(new_files, w.key);
    if (other.data && slice_equal(other, w.value)) continue;
    print_changed(w.key, w.value, other);
    differ = true;
  }
  for (struct json_walk w = json_walk_of(new_files); json_walk_next(&w);) {
    if (member(old_files, w.key).data) continue;
    print_changed(w.key, (struct slice){NULL, 0}, w.value);
    differ = true;
  }
  return differ;
}

void scripts_print_differences(struct slice body) {
  struct slice list = json_find(body, "differences"), seen = json_find(body, "requests");
  size_t count = 0;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w); count++) {
    struct slice why = json_find(w.value, "why");
    print_text(stdout, json_find(w.value, "request_id"));
    printf(" ");
    print_text(stdout, json_find(w.value, "hook"));
    printf(": running ");
    print_text(stdout, json_find(w.value, "running"));
    printf(", shadow ");
    print_text(stdout, json_find(w.value, "shadow"));
    if (why.data) printf(" (");
    if (why.data) print_text(stdout, why);
    printf(why.data ? ")\n" : "\n");
  }
  struct slice different = json_find(body, "different");
  printf("%zu differences listed; %.*s of %.*s requests would differ\n", count, (int)different.len,
         different.data, (int)seen.len, seen.data);
}
