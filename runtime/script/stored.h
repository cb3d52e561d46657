/* Stored responses (/v1/responses/{id} and their use as context), as
 * lua/gateyes/responses_store.lua and lua/dialects/responses.lua define them. owner keeps tenants
 * apart: another owner's id is unknown. */
#pragma once
#include "model/error_detail.h"
#include "script/generation.h"

/* Keeps a finished response and the input it answered. Text that is no JSON object is ignored. */
void script_stored_record(struct generation *g, struct slice owner, struct slice request_body,
                          struct slice response);
struct stored_begin {
  struct slice owner, id, body, model;
};
/* A background response: kept as running under the id; *queued (in arena) is what the client gets.
 * False: *error (in arena). */
MUST_CHECK bool script_stored_begin(struct generation *g, const struct stored_begin *request,
                                    struct arena *arena, struct slice *queued,
                                    struct error_detail *error);
/* Its outcome. Neither does anything to what was cancelled or deleted meanwhile. */
void script_stored_finish(struct generation *g, struct slice owner, struct slice id,
                          struct slice response);
void script_stored_fail(struct generation *g, struct slice owner, struct slice id,
                        const struct error_detail *error);
struct stored_request {
  struct slice owner, method, path, query;
};
struct stored_answer {
  int status;
  struct slice content_type, body; /* in the arena */
  struct slice stopped; /* id of the background response to stop (in the arena); mostly empty */
  struct slice
      streamed;    /* id of the response that body is the stream of (in the arena), or empty */
  bool still_runs; /* and that is not at its end */
};
/* GET, DELETE, input_items, cancel. */
struct stored_answer script_stored_answer(struct generation *g,
                                          const struct stored_request *request,
                                          struct arena *arena);
/* The body with previous_response_id and item references replaced by what they stand for, all else
 * kept byte for byte. False: *error (in arena) says which id is unknown. */
struct stored_body {
  struct slice owner, body;
};
MUST_CHECK bool script_stored_expand(struct generation *g, const struct stored_body *request,
                                     struct arena *arena, struct slice *expanded,
                                     struct error_detail *error);
/* The id (in arena) of an item that the provider would look up and that no stored response of the
 * owner holds; empty when there is none. False: *error. */
MUST_CHECK bool script_stored_foreign(struct generation *g, const struct stored_body *request,
                                      struct arena *arena, struct slice *id,
                                      struct error_detail *error);
/* A Messages body for a provider of the same protocol, without the thinking that other providers
 * issued (struct slice and names of what is gone in arena). *gone is empty where nothing is: then
 * *body is untouched. False: *error. */
struct signed_body {
  struct slice body, model; /* the provider's name of the model */
  struct slice gone;
};
MUST_CHECK bool script_signed_body(struct generation *g, struct signed_body *request,
                                   struct arena *arena, struct error_detail *error);
struct broken_stream {
  struct slice
      created;       /* data of the newest event that carried the response object; may be empty */
  uint64_t sequence; /* sequence_number that the next event gets */
};
/* Frames that end a relayed response stream which broke. */
void script_failed_frames(struct generation *g, const struct broken_stream *stream,
                          const struct error_detail *error, struct bytes *out);
