/* Prompt templates. The whole language:
 *   {{name}}                  the variable's text; numbers, lists and objects as JSON
 *   {{#name}} … {{/name}}     the part between only when the variable is given, and neither false
 *                             nor empty; for a list once for each item, which is {{.}}
 *   {{^name}} … {{/name}}     only when not
 *   \{{                       two braces
 * Parts do not nest. What variables hold is text and nothing else: braces in it stay braces. The
 * signs are those of https://mustache.github.io/mustache.5.html, of which this is a small part. */
#pragma once
#include "model/variable.h"

enum { TEMPLATE_BYTES = 64 << 10 };

struct template_problem {
  int line;              /* of the template, from 1 */
  struct bytes sentence; /* the caller's to init and fini */
};

/* Is it whole, and (variables not NULL) does it name only those? */
bool template_check(struct slice text, const struct variables *variables,
                    struct template_problem *problem);

struct template_values {
  const struct variables *variables;
  const struct slice *values; /* JSON, as variables_take fills them */
};

/* Appends the text. False: as template_check, or it would become longer than max_bytes. */
bool template_render(struct slice text, const struct template_values *values, size_t max_bytes,
                     struct bytes *out, struct template_problem *problem);
