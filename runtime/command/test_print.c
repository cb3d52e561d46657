#include "command/test.h"

#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "base/utf8.h"

static const char *const status_names[] = {"success", "failure", "error", "pending"};

static void print_plain(const struct spec_report *r, double seconds) {
  static const char *const marks[] = {"●", "◼", "✱", "◌"};
  static const char *const titles[] = {"", "Failure", "Error", "Pending"};
  for (size_t i = 0; i < r->count; i++)
    fputs(marks[r->outcomes[i].status], stdout);
  const size_t *n = r->totals;
  printf("\n%zu success%s / %zu failure%s / %zu error%s / %zu pending : %.6f seconds\n",
         n[SPEC_SUCCESS], n[SPEC_SUCCESS] == 1 ? "" : "es", n[SPEC_FAILURE],
         n[SPEC_FAILURE] == 1 ? "" : "s", n[SPEC_ERROR], n[SPEC_ERROR] == 1 ? "" : "s",
         n[SPEC_PENDING], seconds);
  for (size_t i = 0; i < r->count; i++) {
    const struct spec_outcome *o = &r->outcomes[i];
    if (o->status == SPEC_SUCCESS) continue;
    printf("\n%s → %.*s @ %u\n%.*s\n", titles[o->status], (int)o->file.len, o->file.data, o->line,
           (int)o->name.len, o->name.data);
    if (o->message.len) printf("%.*s\n", (int)o->message.len, o->message.data);
  }
}

/* A line break would end the line, a # begin a directive. */
static void print_tap_name(struct slice name) {
  for (size_t i = 0; i < name.len; i++)
    if (name.data[i] == '#')
      fputs("\\#", stdout);
    else
      putchar((unsigned char)name.data[i] < 0x20 ? ' ' : name.data[i]);
}

static void print_tap(const struct spec_report *r) {
  printf("1..%zu\n", r->count);
  for (size_t i = 0; i < r->count; i++) {
    const struct spec_outcome *o = &r->outcomes[i];
    bool fine = o->status == SPEC_SUCCESS || o->status == SPEC_PENDING;
    printf("%s %zu - ", fine ? "ok" : "not ok", i + 1);
    print_tap_name(o->name);
    puts(o->status == SPEC_PENDING ? " # SKIP" : "");
    struct slice rest = o->message;
    while (rest.len) {
      struct slice line = slice_cut(rest, '\n', &rest);
      printf("# %.*s\n", (int)line.len, line.data);
    }
  }
}

static void print_json(const struct spec_report *r, double seconds) {
  struct bytes out;
  bytes_init(&out);
  bytes_printf(&out, "{\"seconds\":%.6f", seconds);
  for (int i = 0; i < SPEC_STATUS_COUNT; i++)
    bytes_printf(&out, ",\"%s\":%zu", status_names[i], r->totals[i]);
  bytes_append_text(&out, ",\"specs\":[");
  for (size_t i = 0; i < r->count; i++) {
    const struct spec_outcome *o = &r->outcomes[i];
    bytes_printf(&out, "%s{\"status\":\"%s\",\"line\":%u,\"file\":", i ? "," : "",
                 status_names[o->status], o->line);
    json_quote(&out, o->file);
    bytes_append_text(&out, ",\"tenant\":");
    json_quote(&out, o->tenant);
    bytes_append_text(&out, ",\"name\":");
    json_quote(&out, o->name);
    bytes_append_text(&out, ",\"message\":");
    json_quote(&out, o->message);
    bytes_append_byte(&out, '}');
  }
  printf("%s]}\n", (bytes_append_byte(&out, 0), out.data));
  bytes_fini(&out);
}

/* What an XML 1.0 document cannot hold, invalid UTF-8 included, becomes U+FFFD. */
static bool fits_xml(uint32_t point) {
  bool is_control = point < 0x20 && point != '\t' && point != '\n' && point != '\r';
  return !is_control && point != 0xfffe && point != 0xffff;
}

static void append_xml(struct bytes *out, struct slice text) {
  const char *at = text.data, *end = text.data + text.len;
  while (at < end) {
    uint32_t point = 0;
    size_t len = utf8_decode(at, end, &point);
    if (len == 0 || !fits_xml(point))
      bytes_append_text(out, "\xef\xbf\xbd");
    else if (point == '&' || point == '<' || point == '>' || point == '"' || point < 0x20)
      bytes_printf(out, "&#%u;", (unsigned)point);
    else
      bytes_append(out, at, len);
    at += len ? len : 1;
  }
}

static void append_attribute(struct bytes *out, const char *name, struct slice text) {
  bytes_printf(out, " %s=\"", name);
  append_xml(out, text);
  bytes_append_byte(out, '"');
}

static void append_counts(struct bytes *out, const size_t totals[SPEC_STATUS_COUNT], size_t count,
                          double seconds) {
  bytes_printf(out,
               " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.6f\">\n",
               count, totals[SPEC_FAILURE], totals[SPEC_ERROR], totals[SPEC_PENDING], seconds);
}

static void append_case(struct bytes *out, const struct spec_outcome *o, struct slice suite) {
  static const char *const elements[] = {"", "failure", "error", "skipped"};
  bytes_append_text(out, "    <testcase");
  append_attribute(out, "classname", suite);
  append_attribute(out, "name", o->name);
  append_attribute(out, "file", o->file);
  bytes_printf(out, " line=\"%u\"", o->line);
  if (o->status == SPEC_SUCCESS) {
    bytes_append_text(out, "/>\n");
    return;
  }
  struct slice rest;
  bytes_printf(out, "><%s", elements[o->status]);
  append_attribute(out, "message", slice_cut(o->message, '\n', &rest));
  bytes_append_byte(out, '>');
  append_xml(out, o->message);
  bytes_printf(out, "</%s></testcase>\n", elements[o->status]);
}

static bool is_same_file(const struct spec_outcome *a, const struct spec_outcome *b) {
  return slice_equal(a->tenant, b->tenant) && slice_equal(a->file, b->file);
}

/* The outcomes of one file, which lie together; returns the index behind them. */
static size_t append_suite(struct bytes *out, const struct spec_report *r, size_t first) {
  size_t end = first, totals[SPEC_STATUS_COUNT] = {0};
  for (; end < r->count && is_same_file(&r->outcomes[first], &r->outcomes[end]); end++)
    totals[r->outcomes[end].status]++;
  const struct spec_outcome *o = &r->outcomes[first];
  struct bytes name;
  bytes_init(&name);
  bytes_append_slice(&name, o->tenant);
  if (o->tenant.len) bytes_append_byte(&name, '/');
  bytes_append_slice(&name, o->file);
  bytes_append_text(out, "  <testsuite");
  append_attribute(out, "name", bytes_slice(&name));
  append_counts(out, totals, end - first, (double)o->file_ns / 1e9);
  for (size_t i = first; i < end; i++)
    append_case(out, &r->outcomes[i], bytes_slice(&name));
  bytes_append_text(out, "  </testsuite>\n");
  bytes_fini(&name);
  return end;
}

/* The dialect that Jenkins, GitLab and GitHub's reporters read: github.com/testmoapp/junitxml. */
static void print_junit(const struct spec_report *r, double seconds) {
  struct bytes out;
  bytes_init(&out);
  bytes_append_text(
      &out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"gateyes test\"");
  append_counts(&out, r->totals, r->count, seconds);
  for (size_t i = 0; i < r->count;)
    i = append_suite(&out, r, i);
  bytes_append_text(&out, "</testsuites>\n");
  fwrite(out.data, 1, out.len, stdout);
  bytes_fini(&out);
}

enum test_output test_output_find(const char *name) {
  static const char *const names[TEST_OUTPUT_COUNT] = {"plain", "json", "tap", "junit"};
  int found = 0;
  while (found < TEST_OUTPUT_COUNT && strcasecmp(name, names[found]) != 0)
    found++;
  return (enum test_output)found;
}

void test_print(const struct spec_report *r, enum test_output output, double seconds) {
  switch (output) {
  case TEST_JSON: print_json(r, seconds); return;
  case TEST_TAP: print_tap(r); return;
  case TEST_JUNIT: print_junit(r, seconds); return;
  default: print_plain(r, seconds);
  }
}
