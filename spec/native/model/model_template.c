/* Prompt templates and their variables: what they say, what they refuse, and how long they take. */
#include "../check.h"
#include "base/clock.h"
#include "base/json.h"
#include "model/template.h"

static struct arena arena;

struct outcome {
  bool fine;
  int line;
  char text[4096];
};

static struct outcome render(const char *template, const char *definitions, const char *given) {
  struct outcome outcome = {0};
  struct variables variables;
  struct bytes out, problem;
  struct slice values[VARIABLES_MAX], name;
  struct template_problem wrong = {0};
  bytes_init(&out);
  bytes_init(&problem);
  bytes_init(&wrong.sentence);
  CHECK(json_validate(slice_of(definitions), 16, NULL) && json_validate(slice_of(given), 16, NULL));
  outcome.fine = variables_read(slice_of(definitions), &arena, &variables, &problem) &&
                 variables_take(&variables, slice_of(given), values, &name, &problem);
  if (outcome.fine) {
    struct template_values with = {&variables, values};
    bool is_whole = template_check(slice_of(template), &variables, &wrong);
    outcome.fine = template_render(slice_of(template), &with, 2000, &out, &wrong);
    CHECK(is_whole || !outcome.fine);
    outcome.line = wrong.line;
  }
  if (!outcome.fine) bytes_clear(&out);
  if (!outcome.fine && problem.len) bytes_append_slice(&out, bytes_slice(&problem));
  if (!outcome.fine && wrong.line) bytes_append_slice(&out, bytes_slice(&wrong.sentence));
  snprintf(outcome.text, sizeof outcome.text, "%s", bytes_text(&out));
  bytes_fini(&out);
  bytes_fini(&problem);
  bytes_fini(&wrong.sentence);
  return outcome;
}

static void says(const char *template, const char *definitions, const char *given,
                 const char *wanted) {
  struct outcome o = render(template, definitions, given);
  CHECK(o.fine);
  CHECK_TEXT(slice_of(o.text), wanted);
}

static void refuses(const char *template, const char *definitions, const char *given,
                    const char *wanted) {
  struct outcome o = render(template, definitions, given);
  CHECK(!o.fine);
  if (!strstr(o.text, wanted)) CHECK_TEXT(slice_of(o.text), wanted);
}

static void test_values(void) {
  const char *all = "{\"a\":{},\"n\":{\"type\":\"integer\"},\"r\":{\"type\":\"number\"},"
                    "\"b\":{\"type\":\"boolean\"},\"l\":{\"type\":\"array\"},\"o\":{\"type\":"
                    "\"object\"},\"d\":{\"default\":\"dear\"}}";
  says("", "{}", "{}", "");
  says("plain }} text { {", "{}", "{}", "plain }} text { {");
  says("[{{a}}][{{ n }}]", all, "{\"a\":\"x\",\"n\":-3}", "[x][-3]");
  says("{{r}} {{b}} {{l}} {{o}} {{d}}", all,
       "{\"r\":1.50,\"b\":false,\"l\":[1,\"a\"],\"o\":{\"k\":null}}",
       "1.50 false [1,\"a\"] {\"k\":null} dear");
  says("{{a}}|{{l}}", all, "{\"a\":\"\\u0041\\n\\\"\",\"l\":null}", "A\n\"|");
  says("\\{{a}} {{a}}\\{{\\{{", all, "{\"a\":\"{{d}}\"}", "{{a}} {{d}}{{{{");
  says("\\ {{a}}", all, "{\"a\":\"x\"}", "\\ x");
}

static void test_parts(void) {
  const char *all = "{\"a\":{},\"b\":{\"type\":\"boolean\"},\"l\":{\"type\":\"array\"},\"n\":{"
                    "\"type\":\"integer\"}}";
  says("{{#a}}yes {{a}}{{/a}}{{^a}}no{{/a}}", all, "{\"a\":\"x\"}", "yes x");
  says("{{#a}}yes{{/a}}{{^a}}no{{/a}}", all, "{\"a\":\"\"}", "no");
  says("{{#b}}yes{{/b}}{{^b}}no{{/b}}", all, "{\"b\":false}", "no");
  says("{{#n}}yes{{/n}}{{^n}}no{{/n}}", all, "{\"n\":0}", "yes");
  says("{{#l}}({{.}}{{a}}){{/l}}{{^l}}none{{/l}}", all, "{\"l\":[1,\"b\",{\"c\":[]}],\"a\":\"!\"}",
       "(1!)(b!)({\"c\":[]}!)");
  says("{{#l}}({{.}}){{/l}}{{^l}}none{{/l}}", all, "{\"l\":[]}", "none");
  refuses("a\n{{#a}}b", all, "{}", "has no {{/a}}");
  CHECK(render("a\n{{#a}}b", all, "{}").line == 2);
  refuses("{{#a}}{{#b}}{{/b}}{{/a}}", all, "{\"a\":\"x\"}", "do not nest");
  refuses("{{#a}}{{/b}}", all, "{}", "has no {{/a}}");
  refuses("{{/a}}", all, "{}", "ends nothing");
  refuses("{{.}}", all, "{}", "outside of a list");
  refuses("x {{a", all, "{}", "without its }}");
  refuses("{{}}", all, "{}", "names no variable");
  refuses("{{other}}", all, "{}", "no such variable");
  refuses("{{#other}}{{/other}}", all, "{}", "no such variable");
}

static void test_definitions(void) {
  refuses("", "{\"1a\":{}}", "{}", "variables.1a: a name has");
  refuses("", "{\"a\":5}", "{}", "variables.a: expects an object");
  refuses("", "{\"a\":{\"type\":\"text\"}}", "{}", "type: expects");
  refuses("", "{\"a\":{\"kind\":1}}", "{}", "there are:");
  refuses("", "{\"a\":{},\"a\":{}}", "{}", "stands twice");
  refuses("", "{\"a\":{\"required\":true,\"default\":\"x\"}}", "{}", "no default");
  refuses("", "{\"a\":{\"type\":\"enum\",\"values\":[]}}", "{}", "at least one");
  refuses("", "{\"a\":{\"type\":\"enum\",\"values\":[\"x\"],\"default\":\"y\"}}", "{}", "one of");
  refuses("", "{\"a\":{\"max_length\":2,\"default\":\"abc\"}}", "{}", "max_length of 2");
  refuses("", "{\"a\":{\"values\":[\"x\"]}}", "{}", "only an enum");
}

static void test_given(void) {
  const char *all = "{\"a\":{\"required\":true,\"max_length\":2},\"n\":{\"type\":\"integer\"},"
                    "\"e\":{\"type\":\"enum\",\"values\":[\"x\",\"\\u0079\"]}}";
  refuses("", all, "{}", "variables.a: is missing");
  refuses("", all, "{\"a\":null}", "variables.a: is missing");
  refuses("", all, "{\"a\":\"abc\"}", "variables.a: is longer");
  refuses("", all, "{\"a\":\"a\",\"a\":\"b\"}", "variables.a: stands twice");
  refuses("", all, "{\"a\":\"a\",\"zz\":1}", "variables.zz: this prompt has no such");
  refuses("", all, "{\"a\":\"a\",\"n\":1.5}", "variables.n: expects a whole number");
  refuses("", all, "{\"a\":\"a\",\"n\":\"1\"}", "variables.n: expects a whole number");
  refuses("", all, "{\"a\":\"a\",\"e\":\"z\"}", "variables.e: expects one of");
  says("{{a}}{{e}}{{n}}", all,
       "{\"\\u0061\":\"\xc3\xa9\xc3\xa9\",\"e\":\"y\",\"n\":18446744073709551615}",
       "\xc3\xa9\xc3\xa9y18446744073709551615");
}

/* However long texts and lists are: one pass. */
static void test_long(void) {
  struct variables variables;
  struct bytes text, list, out, problem;
  struct slice values[VARIABLES_MAX], name;
  struct template_problem wrong = {0};
  bytes_init(&text);
  bytes_init(&list);
  bytes_init(&out);
  bytes_init(&problem);
  bytes_init(&wrong.sentence);
  bytes_append_text(&list, "{\"l\":[0");
  for (int i = 0; i < 30000; i++)
    bytes_append_text(&list, ",0");
  bytes_append_text(&list, "]}");
  bytes_append_text(&text, "{{#l}}");
  while (text.len < TEMPLATE_BYTES - 16)
    bytes_append_text(&text, "{{a}}");
  bytes_append_text(&text, "{{/l}}");
  const char *definitions = "{\"a\":{},\"l\":{\"type\":\"array\"}}";
  CHECK(variables_read(slice_of(definitions), &arena, &variables, &problem));
  CHECK(variables_take(&variables, bytes_slice(&list), values, &name, &problem));
  struct template_values with = {&variables, values};
  uint64_t before = clock_mono_ns();
  CHECK(template_check(bytes_slice(&text), &variables, &wrong));
  CHECK(!template_render(bytes_slice(&text), &with, 1 << 20, &out, &wrong));
  CHECK(strstr(bytes_text(&wrong.sentence), "longer than") != NULL);
  CHECK(clock_mono_ns() - before < 20000000000u);
  bytes_append_text(&text, "{{a}} and more than a template may have");
  CHECK(!template_check(bytes_slice(&text), &variables, &wrong));
  bytes_fini(&text);
  bytes_fini(&list);
  bytes_fini(&out);
  bytes_fini(&problem);
  bytes_fini(&wrong.sentence);
}

int main(void) {
  arena_init(&arena);
  test_values();
  test_parts();
  test_definitions();
  test_given();
  test_long();
  arena_fini(&arena);
  return checks_end();
}
