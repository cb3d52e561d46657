/* Whatever the text: the readers agree on whether it is valid, and what they take from a valid
 * text quotes and reads back as itself. */
#include <stdlib.h>

#include "base/json_edit.h"

static void check_strings(struct slice value) {
  struct bytes text, quoted, again;
  bytes_init(&text);
  bytes_init(&quoted);
  bytes_init(&again);
  if (json_string(value, &text)) {
    json_quote(&quoted, bytes_slice(&text));
    must(json_validate(bytes_slice(&quoted), 1, NULL));
    must(json_string(bytes_slice(&quoted), &again));
    must(slice_equal(bytes_slice(&text), bytes_slice(&again)));
  }
  bytes_fini(&text);
  bytes_fini(&quoted);
  bytes_fini(&again);
}

static void check_edit(struct slice text, const struct json_member *wanted) {
  struct slice pieces[JSON_PIECES_MAX];
  struct json_edits edits;
  struct bytes out;
  bytes_init(&out);
  json_edits_init(&edits, text);
  if (wanted[0].type) json_edit_remove(&edits, wanted[0].member);
  if (wanted[1].type) json_edit_replace(&edits, wanted[1].value, SLICE("[1]"));
  if (wanted[2].type) json_edit_remove(&edits, wanted[2].member);
  json_edit_insert(&edits, SLICE("\"n\":0"));
  size_t count = json_edit_pieces(&edits, pieces, NULL);
  for (size_t i = 0; i < count; i++)
    bytes_append_slice(&out, pieces[i]);
  must(json_validate(bytes_slice(&out), 128, NULL));
  bytes_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice text = {(const char *)data, size};
  struct json_error error;
  struct json_member wanted[] = {{.key = SLICE("a")}, {.key = SLICE("b")}, {.key = SLICE("c")}};
  bool ok = json_validate(text, 128, &error);
  must(ok || error.offset <= size);
  bool object = json_members(text, wanted, 3, 128, &error);
  must(object == (ok && json_type(text) == JSON_OBJECT));
  if (object) check_edit(text, wanted);
  size_t failed = 0;
  for (struct json_walk w = json_walk_of(text); json_walk_next(&w); failed += w.failed)
    if (ok) check_strings(w.value);
  must(failed == 0);
  struct bytes quoted;
  bytes_init(&quoted);
  json_quote(&quoted, text);
  must(json_validate(bytes_slice(&quoted), 1, NULL));
  bytes_fini(&quoted);
  double number;
  if (json_to_double(text, &number)) must(ok);
  return 0;
}
