/* The Lua half of the mock upstream: decides what each request is answered with. The plan says
 * every byte, pause and ending; the C half plays it. */
#pragma once
#include "base/bytes.h"
#include "model/header.h"

struct mock_state;

struct mock_request {
  uint64_t id, connection; /* counted from 1 */
  uint16_t port;           /* local port it arrived on */
  int64_t wall_ms;         /* end of the head */
  struct slice method, target, body;
  struct headers headers;
  uint64_t body_bytes; /* received; more than body.len when the body was too large to keep */
};

enum mock_reading { MOCK_READ_ALL, MOCK_READ_NEVER, MOCK_READ_SLOWLY };

/* How to take the body, known from the head alone. */
struct mock_intake {
  enum mock_reading reading;
  size_t bytes; /* MOCK_READ_SLOWLY: this much, then a pause */
  uint64_t pause_ms;
  bool early; /* answer before the body has arrived */
};

enum mock_op {
  MOCK_WRITE, /* text */
  MOCK_FILL,  /* the first byte of text, amount times */
  MOCK_SLEEP, /* amount ms */
  MOCK_FIN,   /* close in order */
  MOCK_RESET, /* close with a RST */
  MOCK_STALL, /* nothing more until the client leaves */
};

struct mock_action {
  enum mock_op op;
  uint64_t amount;
  struct slice text; /* belongs to the plan */
};

struct mock_plan {
  struct mock_action *actions;
  size_t count;
  bool close;       /* FIN after the last action instead of the next request */
  uint64_t idle_ms; /* close the connection when no request follows within; 0 = never */
  int anchor;       /* keeps the texts alive */
};

enum mock_outcome { MOCK_COMPLETE, MOCK_CLIENT_CLOSED, MOCK_CLIENT_RESET };

struct mock_ending {
  enum mock_outcome outcome;
  uint64_t bytes_sent; /* handed to the kernel, head included */
  uint64_t body_bytes; /* received */
  uint64_t after_ms;   /* since the end of the request's head */
};

struct mock_settings {
  const char *scenario; /* a Lua file that returns function(request, knobs) -> answer, or NULL */
  const char *knobs;    /* knobs that hold for every request, or NULL */
};

/* NULL on failure, with one sentence in *problem. */
struct mock_state *mock_state_new(const struct mock_settings *settings, struct bytes *problem);
void mock_state_free(struct mock_state *state);
/* True when every request has knobs, so that accept must be asked each time. */
bool mock_state_has_defaults(const struct mock_state *state);
void mock_state_connection(struct mock_state *state, int change); /* +1 opened, -1 closed */
/* The request has no body yet. */
void mock_state_accept(struct mock_state *state, const struct mock_request *request,
                       struct mock_intake *intake);
/* Fills the plan; mock_plan_release frees it. */
void mock_state_respond(struct mock_state *state, const struct mock_request *request,
                        struct mock_plan *plan);
void mock_plan_release(struct mock_state *state, struct mock_plan *plan);
void mock_state_finished(struct mock_state *state, uint64_t id, const struct mock_ending *ending);
