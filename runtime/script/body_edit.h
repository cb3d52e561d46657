/* Changes of a client's body by its meaning; every byte that a change does not concern stays as it
 * is. Each function appends the whole new body to out. Those that answer text answer NULL when the
 * change was made, else one constant sentence, and out is as before. Linear in the body. */
#pragma once
#include "script/body_texts.h"

/* replaced[i] is the new text of texts->items[i], NULL where it stays. */
void body_edit_texts(struct slice body, const struct body_texts *texts,
                     struct bytes *const *replaced, struct bytes *out);
/* path: "metadata.team", "messages.1.content"; places in lists count from 1, one past the end
 * appends. json: valid JSON; without data the member or element goes. Objects that the path names
 * and that are not there are made. */
const char *body_edit_set(struct slice body, struct slice path, struct slice json,
                          struct bytes *out);
/* The value at path as it is written; no data when there is none. */
struct slice body_edit_find(struct slice body, struct slice path);
/* text comes after what the system text is already. */
const char *body_edit_add_system(enum dialect dialect, struct slice body, struct slice text,
                                 struct bytes *out);
/* An unknown name is no error: *found says so. */
void body_edit_remove_tool(struct slice body, struct slice name, struct bytes *out, bool *found);
/* The name of one element of `tools` or `functions`; empty when it has none. */
struct slice body_tool_name(struct slice tool);
