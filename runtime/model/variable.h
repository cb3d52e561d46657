/* Typed variables of a prompt: what a caller fills in. Definitions are a JSON object:
 *   {"customer": {"type":"string", "required":true, "max_length":200},
 *    "tone":     {"type":"enum", "values":["kind","short"], "default":"kind"}}
 * type: string (the default), integer, number, boolean, enum, array, object. max_length counts
 * characters of a string, items of an array, bytes of an object as written. */
#pragma once
#include "base/arena.h"

enum variable_type {
  VARIABLE_STRING,
  VARIABLE_INTEGER,
  VARIABLE_NUMBER,
  VARIABLE_BOOLEAN,
  VARIABLE_ENUM,
  VARIABLE_ARRAY,
  VARIABLE_OBJECT
};

enum { VARIABLES_MAX = 64, VARIABLE_LENGTH = 32768 /* unless max_length says more or less */ };

struct variable {
  struct slice name;
  enum variable_type type;
  bool is_required;
  struct slice fallback; /* JSON of its default; empty: none */
  struct slice values;   /* JSON list, of an enum */
  uint64_t max_length;
};

struct variables {
  const struct variable *items;
  size_t count;
};

/* json is valid, or empty: no variables. False, and one sentence that names the variable. Names are
 * copied; JSON is borrowed. */
bool variables_read(struct slice json, struct arena *arena, struct variables *out,
                    struct bytes *problem);
/* NULL: no such variable. */
const struct variable *variable_find(const struct variables *v, struct slice name);
/* One value for each definition, in their order: what given (a valid object, or empty) says, else
 * the default, else empty. False, and a sentence, for a variable that is missing, not known, twice,
 * or of another type; *name is then its name, as the caller or the definition wrote it. */
bool variables_take(const struct variables *v, struct slice given, struct slice *values,
                    struct slice *name, struct bytes *problem);
