/* Edits of a JSON object's text that leave every other byte as it is: the result is a list of
 * pieces (old text, new text, old text, …) for one gathering write. Nothing is copied: the text and
 * the replacements must outlive the pieces. */
#pragma once
#include "base/json.h"

enum { JSON_EDITS_MAX = 16, JSON_PIECES_MAX = 2 * JSON_EDITS_MAX + 4 };

struct json_edit {
  size_t offset, len; /* what goes, in bytes of the text */
  struct slice text;  /* what comes in its place */
  bool is_removal;
};

struct json_edits {
  struct slice text;   /* one valid object */
  struct slice insert; /* new first member */
  struct json_edit items[JSON_EDITS_MAX];
  size_t count;
};

void json_edits_init(struct json_edits *e, struct slice text);
/* value lies inside the text: a member's value. replacement is JSON text. */
void json_edit_replace(struct json_edits *e, struct slice value, struct slice replacement);
/* member as json_members gives it; one comma goes with it. */
void json_edit_remove(struct json_edits *e, struct slice member);
/* member is JSON text such as "stream_options":{"include_usage":true}, and becomes the first. Once
 * for a list of edits: join several members with commas. */
void json_edit_insert(struct json_edits *e, struct slice member);
/* The edited text in order, without empty pieces; returns how many, and ends the list of edits.
 * pieces holds JSON_PIECES_MAX; total_bytes may be NULL. Edits must not overlap. */
size_t json_edit_pieces(struct json_edits *e, struct slice *pieces, size_t *total_bytes);
