/* Inside of the operators' side, for the files admin*.c only. */
#pragma once
#include "admin.h"
#include "admin_scripts.h"
#include "base/bytes.h"

struct admin {
  struct http_server *http;
  struct config *config;
  const struct admin_callbacks *callbacks;
  void *context;
};

struct visit { /* one request on the admin listener */
  struct admin *admin;
  struct http_stream *stream; /* NULL once the client has left */
  bool waiting;               /* an answer is being collected elsewhere */
  bool takes_body;            /* asks when the body is there */
  struct scripts_question question;
  char *tenant; /* of the question */
  struct bytes body;
};

void admin_answer_json(struct visit *v, int status, struct slice body);
void admin_refuse(struct visit *v, int status, const char *code, const char *message);

/* admin_scripts.c: true when the request is about scripts; it has been dealt with then. */
bool admin_scripts_request(struct visit *v, const struct http_request *request);
void admin_scripts_ask(struct visit *v);
