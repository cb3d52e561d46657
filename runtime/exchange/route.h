/* Which endpoint a path names, and in which protocol its errors are written. */
#pragma once
#include "config/config.h"
#include "model/dialect.h"

enum endpoint {
  ENDPOINT_GENERATE,
  ENDPOINT_COUNT_TOKENS,
  ENDPOINT_TOKENIZE,
  ENDPOINT_MODELS,
  ENDPOINT_MODEL,
  ENDPOINT_STORED
};

struct route {
  enum endpoint endpoint;
  enum dialect dialect;
  struct slice path;    /* as the table knows it, aliases resolved; in the arena */
  struct slice twin;    /* the same under /v1, of a service's path; else path */
  struct slice service; /* its name, in /service/{name}/…; empty otherwise */
  bool is_invoke;       /* /service/{name}/invoke */
  const char *allow;    /* the methods that the path takes; set for ROUTE_METHOD */
  struct slice model;   /* from an Azure path, or of /v1/models/{id}; empty otherwise */
};

enum route_result { ROUTE_FOUND, ROUTE_UNKNOWN, ROUTE_METHOD };

enum route_result route_find(const struct config *config, struct slice method, struct slice path,
                             struct arena *arena, struct route *out);
/* True when errors on this path are Anthropic's. */
bool route_is_anthropic(struct slice path);
