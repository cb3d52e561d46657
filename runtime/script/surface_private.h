/* Inside of the surface, for the files api_*, surface* and policy* only. */
#pragma once
#include "base/digest.h"
#include "detect/detect.h"
#include "script/policy_private.h"
#include "script/surface.h"

enum object {
  OBJECT_REQUEST,
  OBJECT_CONTEXT,
  OBJECT_TEXT,
  OBJECT_CANDIDATE,
  OBJECT_DELTA,
  OBJECT_REPLY,
  OBJECT_OUTCOME,
  OBJECT_SECRET,
  OBJECT_DETECTOR,
  OBJECT_COUNT
};

/* What a script holds instead of a pointer. It means something only while the request that it was
 * made for has the word: kept in a global, it answers with an error. */
struct handle {
  uint64_t run_id;
  uint32_t index, version;
};

struct secret {
  struct secret *next;
  struct slice text; /* what a header gets */
};

struct surface {
  lua_State *L;
  struct arena arena;
  struct policy_settings settings;
  struct kv_space *space;
  struct kv_space *house_space; /* of the policies that are not the tenant's */
  struct policy_run *run;       /* whose hook is running; NULL while modules load */
  unsigned phase;
  int metatables[OBJECT_COUNT]; /* in the registry */
  const void *metatable_tables[OBJECT_COUNT];
  int json_encode, json_decode; /* functions, in the registry */
  struct bytes scratch;         /* freed with the state, also when a call raises */
  uint8_t hash_key[SHA256_BYTES];
  struct secret *secrets; /* the newest first */
  uint32_t secret_count;
  int fakes; /* of a spec: {fetch = function, now = seconds, secrets = {name = text}}; LUA_NOREF */
  struct kv *own_store; /* of a spec */
  int detectors;        /* made of names of kinds: a table, in the registry */
  uint32_t detector_count;
  /* Detectors with neither lists nor allowed values: one scan of a text serves them all. */
  uint32_t plain_count;
  struct detect_kinds plain_kinds;
  struct detect_rules *shared;     /* of plain_kinds; NULL: to be made */
  struct detect_findings findings; /* of the newest scan */
};

struct surface *surface_self(lua_State *L); /* of the running function of the surface */
/* The handle at index, NULL when there is another value. */
struct handle *surface_handle(struct surface *s, lua_State *L, int index, enum object object);
/* The handle at index 1, which must mean something now; raises for anything else. */
struct handle *surface_check(struct surface *s, lua_State *L, enum object object);
void surface_push_handle(struct surface *s, lua_State *L, enum object object,
                         const struct handle *handle);
void surface_push_metatable(struct surface *s, lua_State *L, enum object object);
/* Text as an argument; a value of another type raises, numbers too. */
struct slice surface_text(lua_State *L, int index);
/* A field of the table at index: true when it is there. Raises when it has another type. */
bool surface_text_field(lua_State *L, int index, const char *name, struct slice *out);
bool surface_number_field(lua_State *L, int index, const char *name, double *out);
/* Raises unless every key of the table at index is one of names (NULL at the end). */
void surface_check_keys(lua_State *L, int index, const char *const *names);
/* JSON text of the value at index, pushed. */
struct slice surface_encode(struct surface *s, lua_State *L, int index);
void surface_decode(struct surface *s, lua_State *L, struct slice json); /* pushes the value */
void surface_push_text(lua_State *L, struct slice text);
/* Pushes the text of a JSON string given without its quotes. */
void surface_push_raw(struct surface *s, lua_State *L, struct slice raw);

uint64_t api_now_ms(const struct surface *s); /* wall clock, or the host's */
/* Of the secret at index, its prefix in front; raises for any other value. Lives with the state. */
struct slice api_secret_text(lua_State *L, struct surface *s, int index);

/* surface_fakes.c: what stands in for the outside while specs run. Each: false when nothing does.
 */
bool surface_fake_secret(lua_State *L, struct surface *s, struct slice name, struct bytes *out);
bool surface_fake_now(const struct surface *s, lua_State *L, uint64_t *now_ms);
bool surface_fake_sleep(struct surface *s, lua_State *L, double ms);
/* The request is at index 1; its results are on the stack, and their number is returned; 0: none.
 */
int surface_fake_fetch(lua_State *L, struct surface *s);

/* The text that the handle at 1 means, as an index of policy_texts. */
size_t surface_text_index(lua_State *L, struct surface *s);
struct window *surface_window(lua_State *L, struct surface *s); /* of the delta at 1 */
int surface_detector_collect(lua_State *L);
/* Of the detector at index, borrowed; NULL for any other value. */
struct detect_rules *surface_detector_rules(lua_State *L, struct surface *s, int index);

/* What the client's own body or headers say, whatever policies have made of it; empty: nothing. */
struct slice request_session_text(struct policy_run *run);

/* The functions and getters that the rows of surface.def name. */
#define FUNCTION(owner, name, call, ...) int call(lua_State *L);
#define FOREIGN(...)
#define FIELD(owner, name, push, ...) void push(lua_State *L, struct surface *s);
#include "script/surface.def"
#undef FUNCTION
#undef FOREIGN
#undef FIELD
