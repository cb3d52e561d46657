/* Regular expressions: vectors (pattern, text, where it matches; made once with Python's re, whose
 * rules for what they share are the same), errors, methods, and time. */
#include "sandbox_kit.h"
#include "script/text_api.h"
#include "script/text_regex.h"

static struct bytes error;

static void unescape(struct slice in, struct bytes *out) {
  bytes_clear(out);
  for (size_t i = 0; i < in.len; i++) {
    bool is_escape = in.data[i] == '\\' && i + 1 < in.len;
    if (!is_escape) {
      bytes_append_byte(out, in.data[i]);
      continue;
    }
    char c = in.data[++i];
    bytes_append_byte(out, c == 'n' ? '\n' : c == 't' ? '\t' : c);
  }
}

static void append_slots(const size_t *slots, uint32_t groups, struct bytes *out) {
  for (uint32_t g = 0; g <= groups; g++) {
    bool is_absent = slots[2 * g] == TEXT_NO_MATCH || slots[2 * g + 1] == TEXT_NO_MATCH;
    int low = is_absent ? -1 : (int)slots[2 * g], high = is_absent ? -1 : (int)slots[2 * g + 1];
    bytes_printf(out, "%s%d,%d", g ? " " : "", low, high);
  }
}

/* The line's expression on its text, as the vectors write it. */
static void match_line(lua_State *L, struct slice pattern, struct slice text, struct bytes *out) {
  size_t slots[TEXT_SLOTS];
  char why[128];
  bytes_clear(out);
  struct text_regex *r = text_regex_new(L, pattern, why);
  if (!r) {
    bytes_append_text(out, why);
    return;
  }
  bool is_match = text_regex_match(r, L, text, 0, slots);
  CHECK(is_match == text_regex_match(r, L, text, 0, NULL));
  if (is_match)
    append_slots(slots, text_regex_groups(r), out);
  else
    bytes_append_byte(out, '-');
  lua_settop(L, 0);
}

static void test_vectors(const char *path) {
  struct sandbox *s = kit_sandbox(NULL);
  struct bytes pattern, text, got;
  bytes_init(&pattern), bytes_init(&text), bytes_init(&got);
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  char line[4096];
  int count = 0, wrong = 0;
  while (file && fgets(line, sizeof line, file)) {
    struct slice rest = {line, strcspn(line, "\n")}, last;
    unescape(slice_cut(rest, '\t', &rest), &pattern);
    unescape(slice_cut(rest, '\t', &last), &text);
    match_line(sandbox_state(s), bytes_slice(&pattern), bytes_slice(&text), &got);
    count++;
    if (slice_equal(bytes_slice(&got), last) || wrong++ > 20) continue;
    fprintf(stderr, "%s: got %.*s\n", line, (int)got.len, got.data);
  }
  if (file) fclose(file);
  CHECK(count > 500 && wrong == 0);
  bytes_fini(&pattern), bytes_fini(&text), bytes_fini(&got);
  sandbox_free(s);
}

static void test_errors(void) {
  static const char *const cases[][2] = {
      {"(a", "missing ) at byte 3"},
      {"a)", "a ) too many at byte 2"},
      {"[a", "missing ] at byte 3"},
      {"*a", "nothing to repeat at byte 1"},
      {"a**", "nothing to repeat at byte 3"},
      {"a{2}{3}", "nothing to repeat at byte 8"},
      {"a\\", "ends with a backslash at byte 2"},
      {"(a)\\1", "back references are not offered at byte 6"},
      {"(?=a)", "this kind of group is not offered at byte 3"},
      {"(?<!a)", "this kind of group is not offered at byte 3"},
      {"[b-a]", "a range of a set is the wrong way round at byte 5"},
      {"a{1001}", "repeated more than 1000 times at byte 8"},
      {"a{3,2}", "counts are the wrong way round at byte 7"},
      {"\\q", "unknown escape at byte 3"},
      {"\\xg", "bad hexadecimal number at byte 3"},
      {"\\x{110000}", "no such character at byte 11"},
      {"\xff", "the expression is not UTF-8 at byte 2"},
      {"(?i)(\\W{0}){0}(\\W{0}\\W{0}\\W{0}\\W{0}\\W{0}){0}", "fine"},
      {"((((a{1000}){1000}){1000}){1000})", "the expression is too large at byte 19"},
  };
  struct text_program program;
  char why[128];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *got = text_program_compile(slice_of(cases[i][0]), &program, why);
    CHECK_TEXT(slice_of(got ? got : "fine"), cases[i][1]);
    text_program_fini(&program);
  }
  char deep[6001];
  memset(deep, '(', 6000);
  deep[6000] = 0;
  CHECK(text_program_compile(slice_of(deep), &program, why) != NULL);
  text_program_fini(&program);
}

/* Damaged expressions neither crash nor write beyond their bounds. */
static void test_damage(void) {
  static const char pieces[] = "()[]{}*+?|^$.\\abdwsxu1,-:<>=!iPm\xc3\xa9\xe4\xb8\xad";
  struct sandbox *s = kit_sandbox(NULL);
  sandbox_set_cpu_ms(s, 60000);
  struct bytes got;
  bytes_init(&got);
  uint32_t seed = 7;
  for (int i = 0; i < 30000; i++) {
    size_t len = (seed >> 20) % 24;
    char *pattern = must_alloc(len + 1);
    for (size_t k = 0; k < len; k++) {
      seed = seed * 1664525 + 1013904223;
      pattern[k] = pieces[(seed >> 16) % (sizeof pieces - 1)];
    }
    seed = seed * 1664525 + 1013904223;
    match_line(sandbox_state(s), (struct slice){pattern, len}, SLICE("ab1 \xc3\xa9-{a},x"), &got);
    free(pattern);
  }
  bytes_fini(&got);
  sandbox_free(s);
}

static void run(const char *script, enum sandbox_result wanted) {
  struct sandbox *s = kit_sandbox(NULL);
  if (wanted != SANDBOX_CPU) sandbox_set_cpu_ms(s, 5000);
  text_api_push(sandbox_state(s));
  sandbox_preload(s, "gateyes.text");
  enum sandbox_result result = kit_run(s, script, &error);
  if (result != wanted) fprintf(stderr, "%d %s: %s\n", result, bytes_text(&error), script);
  CHECK(result == wanted);
  sandbox_free(s);
}

static void test_module(void) {
  run("local text = require 'gateyes.text'\n"
      "local r = text.regex '(\\\\w+)@(\\\\w+)?'\n"
      "assert(text.regex '(\\\\w+)@(\\\\w+)?' == r)\n"
      "local a, b, c, d = r:find('to bob@ and al@x', 1)\n"
      "assert(a == 4 and b == 7 and c == 'bob' and d == nil)\n"
      "assert(select(3, r:find('to bob@ and al@x', 8)) == 'al')\n"
      "assert(r:match 'al@x' == 'al' and r:match 'al' == nil)\n"
      "local n = {}\n"
      "for name in r:gmatch 'a@b c@d' do n[#n + 1] = name end\n"
      "assert(#n == 2 and n[1] == 'a' and n[2] == 'c')\n"
      "assert(r:gsub('a@b c@', '<%2-%1>') == '<b-a> <-c>')\n"
      "assert(r:gsub('a@b c@d', string.upper, 1) == 'A c@d')\n"
      "assert(r:gsub('a@b c@d', { c = 'x' }) == 'a@b x')\n"
      "assert(text.regex '':gsub('a\\195\\169', '-') == '-a-\\195\\169-')\n"
      "assert(text.regex 'a*':gsub('baac', '-') == '-b--c-')\n"
      "assert(text.matches('HELLO W\\195\\150RLD', '(?i)w\\195\\182rld'))\n"
      "assert(not text.matches('a', '^$') and text.matches('', '^$'))\n"
      "assert(not pcall(text.regex, '(') and not pcall(r.find, {}, 'a') and not pcall(r.find, "
      "'a'))\n"
      "for i = 1, 300 do assert(text.matches('x' .. i .. 'x', 'x' .. i .. 'x')) end\n",
      SANDBOX_DONE);
  run("local text = require 'gateyes.text'\n"
      "assert(text.lower 'ABC\\195\\132\\206\\169\\208\\175' == "
      "'abc\\195\\164\\207\\137\\209\\143')\n"
      "assert(text.upper 'abc\\195\\164\\207\\137\\209\\143' == "
      "'ABC\\195\\132\\206\\169\\208\\175')\n"
      "assert(text.fold '\\239\\188\\161\\239\\188\\145\\227\\128\\128\\226\\128\\139b' == 'a1 "
      "b')\n"
      "assert(text.contains('a%b', '%') and not text.contains('a', 'A'))\n"
      "assert(text.contains('x\\239\\188\\161y', 'a', true))\n"
      "assert(text.starts_with('abc', 'ab') and not text.starts_with('a', 'ab'))\n"
      "assert(text.ends_with('abc', 'bc') and not text.ends_with('a', 'ab'))\n"
      "local t = text.split('a,,b', ',')\n"
      "assert(#t == 3 and t[2] == '' and #text.split('', ',') == 1)\n"
      "t = text.split('a,b,c', ',', 2)\n"
      "assert(#t == 2 and t[2] == 'b,c' and not pcall(text.split, 'a', ''))\n"
      "assert(text.trim ' \\t a b\\n' == 'a b' and text.trim '  ' == '')\n"
      "assert(text.length 'a\\195\\169\\255' == 3)\n"
      "assert(text.truncate('a\\195\\169b', 2) == 'a' and text.truncate('ab', 5) == 'ab')\n"
      "assert(text.find == nil or text.find('abc', 'b') == 2)\n"
      "assert(text.gsub('abc', '%w', '%0%0') == 'aabbcc')\n",
      SANDBOX_DONE);
}

/* Compiling cannot be stopped, so it has to be short whatever the expression. */
static void test_compile_time(void) {
  static const char *const pieces[] = {
      "[\xc3\x80-\xd6\x88]{0}", "\\W{0}", "(?i:[^a]){0}", "(a|b|c)", "[a-z]{1,40}", "a{0}",
      "(((a?){9}){9}){9}"};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    struct bytes source;
    struct text_program program;
    char why[128];
    uint64_t best_ns = UINT64_MAX;
    bytes_init(&source);
    bytes_append_text(&source, "(?i)");
    while (source.len + strlen(pieces[i]) <= TEXT_EXPRESSION_MOST)
      bytes_append_text(&source, pieces[i]);
    for (int k = 0; k < 5; k++) {
      uint64_t start_ns = kit_cpu_ns();
      text_program_compile(bytes_slice(&source), &program, why);
      uint64_t used_ns = kit_cpu_ns() - start_ns;
      if (used_ns < best_ns) best_ns = used_ns;
      text_program_fini(&program);
    }
    if (getenv("TIMES")) printf("%s: %.2f ms\n", pieces[i], (double)best_ns / 1e6);
    CHECK(best_ns < 100000000); /* a tenth of this without sanitizers, on a quiet machine */
    bytes_fini(&source);
  }
}

static void test_attacks(void) {
  run("return require 'gateyes.text'.matches(('a'):rep(4e6), '(a*)*b')", SANDBOX_CPU);
  run("return require 'gateyes.text'.matches(('a'):rep(30000), '((a?){30}a{30})*b$')", SANDBOX_CPU);
  run("local t = require 'gateyes.text' while true do pcall(t.matches, ('ab'):rep(1e5), "
      "'(a|b)*a(a|b){20}c') end",
      SANDBOX_CPU);
  run("local t = require 'gateyes.text' local i = 0 while true do i = i + 1 pcall(t.regex, "
      "('(a{1,90})'):rep(30) .. i) end",
      SANDBOX_CPU);
  run("local t, all = require 'gateyes.text', {} for i = 1, 1e6 do all[i] = t.regex(('a{90}'):rep("
      "80) .. i) end",
      SANDBOX_MEMORY);
  run("local t = require 'gateyes.text' return t.regex 'a':gsub('a', function() while true do end "
      "end)",
      SANDBOX_CPU);
  run("local t = require 'gateyes.text' local r = t.regex '' local function f() return "
      "(r:gsub('a', "
      "f)) end f()",
      SANDBOX_ERROR);
}

int main(int argc, char **argv) {
  bytes_init(&error);
  kit_start();
  test_vectors(argc > 1 ? argv[1] : VECTORS);
  test_errors();
  test_damage();
  test_module();
  test_compile_time();
  test_attacks();
  bytes_fini(&error);
  return kit_end();
}
