/* A template, definitions and values, each ended by a zero byte: what the check lets pass can be
 * rendered, unless it becomes too long, and what comes out is text that JSON can hold. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/template.h"

enum { RENDERED_BYTES = 100000 };

static void render(struct slice text, const struct template_values *with) {
  struct template_problem wrong = {0};
  struct bytes out, quoted;
  bytes_init(&wrong.sentence);
  bytes_init(&out);
  bytes_init(&quoted);
  bool is_whole = template_check(text, with->variables, &wrong);
  must(is_whole == (wrong.line == 0));
  bool is_rendered = template_render(text, with, RENDERED_BYTES, &out, &wrong);
  must(is_rendered == (wrong.line == 0));
  bool is_long = strstr(bytes_text(&wrong.sentence), "longer") != NULL;
  must(is_rendered || !is_whole || is_long);
  json_quote(&quoted, bytes_slice(&out));
  must(json_validate(bytes_slice(&quoted), 1, NULL));
  bytes_fini(&wrong.sentence);
  bytes_fini(&out);
  bytes_fini(&quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice rest = {(const char *)data, size}, definitions, values[VARIABLES_MAX], name;
  struct slice text = slice_cut(rest, 0, &rest);
  definitions = slice_cut(rest, 0, &rest);
  bool is_json = (!definitions.len || json_validate(definitions, 16, NULL)) &&
                 (!rest.len || json_validate(rest, 16, NULL));
  struct arena arena;
  struct variables variables;
  struct bytes problem;
  if (!is_json) return 0;
  arena_init(&arena);
  bytes_init(&problem);
  if (variables_read(definitions, &arena, &variables, &problem)) {
    bool is_taken = variables_take(&variables, rest, values, &name, &problem);
    must(is_taken || problem.len);
    struct template_values with = {&variables, values};
    if (is_taken) render(text, &with);
  } else {
    must(problem.len);
  }
  bytes_fini(&problem);
  arena_fini(&arena);
  return 0;
}
