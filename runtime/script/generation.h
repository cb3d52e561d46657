/* One set of scripts, loaded once per worker and swapped whole. Requests hold the generation they
 * began with. All calls on the worker's thread. */
#pragma once
#include "config/config.h"
#include "model/dialect.h"
#include "model/header.h"

struct generation;
struct sandbox;

struct adapter_info { /* what C needs to relay a native request without entering Lua */
  struct slice name;
  struct slice native[DIALECT_COUNT]; /* path after base_url with {model}, {api_version}; empty: not
                                         native */
  struct slice count_tokens;          /* the same for /v1/messages/count_tokens */
  struct slice auth_header, auth_prefix;
  struct headers limits;  /* preset, or "other" -> what chats call the token limit */
  struct headers headers; /* sent with every request */
  struct slice *relay;    /* lower-case names of client headers that go through */
  size_t relay_count;
};

struct responses; /* store/responses.h */

/* Loads every script that `config` needs. NULL: error says which file and line. responses outlives
 * it. */
struct generation *generation_new(const struct config *config, struct responses *responses,
                                  struct bytes *error);
/* The same in a sandbox, which is taken, for the providers of a tenant's own configuration: their
 * adapters may be the tenant's. It reads and writes stored responses of that tenant alone. */
struct generation *generation_new_sandboxed(const struct config *config, struct sandbox *sandbox,
                                            struct responses *responses, struct bytes *error);
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g);
uint64_t generation_version(const struct generation *g);
/* What a chat body of that provider calls its token limit. */
struct slice adapter_limit_name(const struct adapter_info *adapter, struct slice preset);
const struct adapter_info *generation_adapter(const struct generation *g,
                                              struct slice name); /* NULL: unknown */
