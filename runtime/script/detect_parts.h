/* Values that are split over texts of one turn: "4111 1111" and " 1111 1111" in two parts of a
 * message are one card number, as a model reads them. The same over turns of the user that follow
 * one another, whatever others say in between; there only what a check digit or a vendor's prefix
 * proves. */
#pragma once
#include "script/surface_private.h"

struct detect_parts;

/* Whether texts meet at all. */
bool detect_parts_any(const struct policy_run *run, const struct body_texts *texts);
/* Looks at the request's texts where they meet; pushes the userdata that owns the result. NULL,
 * with nothing pushed: no turn has several texts, or nothing lies across them. */
struct detect_parts *detect_parts_push(lua_State *L, struct surface *s,
                                       const struct detect_rules *rules);
/* Adds what of it lies in that text to its findings, and sorts them. */
void detect_parts_merge(const struct detect_parts *parts, size_t text_index,
                        struct detect_findings *findings);
