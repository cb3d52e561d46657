/* One request to the running gateway's admin listener, for commands. Blocks. */
#pragma once
#include "command/door.h"

struct admin_call {
  const char *method;
  const char *path;
  struct slice body; /* JSON, or empty */
};

struct admin_reply {
  int status; /* 0: no answer came */
  struct bytes body;
};

/* -1 when nobody answers. A wildcard listener is asked on loopback. */
int admin_connect(const struct address *address, int timeout_s);
/* False, with a sentence on standard error, when no answer came. reply->body is the caller's. */
bool admin_ask(const struct admin_door *door, const struct admin_call *call,
               struct admin_reply *reply);
