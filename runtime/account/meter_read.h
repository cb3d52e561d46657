/* The readers behind meter.h, one for each wire format, and what they share. */
#pragma once
#include "account/meter.h"
#include "base/json.h"

/* A non-empty string value was produced by the model: counts its text. Returns METER_CONTENT, or 0
 * for anything else. */
unsigned meter_add_string(struct meter *m, struct slice value);
/* The same for every string inside value, of any shape (tool input, output items). */
unsigned meter_add_strings(struct meter *m, struct slice value);
unsigned meter_set_finish(struct meter *m, struct slice value); /* a string; else no effect */
unsigned meter_set_usage(struct meter *m, struct slice value, bool is_final);
unsigned meter_has_usage(struct meter *m, bool is_final); /* m->usage was filled just now */
bool meter_is_set(struct slice value);                    /* present, and not null */

unsigned meter_chat(struct meter *m, struct slice object, bool is_body); /* completions too */
unsigned meter_embeddings(struct meter *m, struct slice object);
unsigned meter_responses_frame(struct meter *m, struct slice event_name, struct slice object);
unsigned meter_responses_body(struct meter *m, struct slice object);
unsigned meter_messages_frame(struct meter *m, struct slice event_name, struct slice object);
unsigned meter_messages_body(struct meter *m, struct slice object);
