/* Regular expressions as a program for a machine that walks all ways at once (the construction of
 * Thompson, CACM 11(6), 1968, with captures as Pike's): time is at most text x program, whatever
 * the expression, and the work can be stopped at any byte, which the well-kept libraries do not
 * offer to a host that shares its thread.
 *
 * Syntax: literals; . [a-z] [^…] [[:alpha:]]; \d \w \s \D \W \S \b \B \A \z; \t \n \r \f \v
 * \xHH \x{HHHH} \uHHHH; ^ $; (…) (?:…) (?<name>…) (?P<name>…), names being comments; (?i) (?m) (?s)
 * and (?i:…); | * + ? {n} {n,} {n,m}, and the lazy forms with ?. Text and expression are UTF-8: .
 * and negated classes match whole characters, and nothing that is not UTF-8. (?i) knows the letters
 * of text_case.h. \d \w \s \b are ASCII. There are no back references and no looking around. */
#pragma once
#include "base/bytes.h"

enum text_op {
  TEXT_OP_RANGE, /* a byte from low to high */
  TEXT_OP_SET,   /* a byte in sets[x] */
  TEXT_OP_SPLIT, /* go on at x, and with less priority at y; both relative */
  TEXT_OP_JUMP,  /* x */
  TEXT_OP_SAVE,  /* position into slot x */
  TEXT_OP_ASSERT,
  TEXT_OP_MATCH
};

enum text_assertion { /* in x */
                      TEXT_AT_START,
                      TEXT_AT_END,
                      TEXT_AT_LINE_START,
                      TEXT_AT_LINE_END,
                      TEXT_AT_WORD_EDGE,
                      TEXT_NOT_AT_WORD_EDGE
};

struct text_instruction {
  uint8_t op, low, high;
  int32_t x, y;
};

struct text_set {
  uint32_t bits[8];
};

enum {
  TEXT_PROGRAM_MOST = 8192,    /* instructions */
  TEXT_EXPRESSION_MOST = 8192, /* bytes of source */
  TEXT_GROUPS = 31
};

struct text_program {
  struct text_instruction *items;
  struct text_set *sets;
  uint32_t count, set_count, room, set_room;
  uint32_t groups; /* with captures */
};

/* NULL, or what is wrong and where ("missing ) at byte 12"), in `error`. The program is to be freed
 * either way. */
const char *text_program_compile(struct slice source, struct text_program *out, char error[128]);
void text_program_fini(struct text_program *p);

/* Building blocks for the parser. */
uint32_t text_program_add(struct text_program *p, struct text_instruction instruction);
/* Moves what follows `at` one up; relative jumps inside stay right. */
void text_program_insert(struct text_program *p, uint32_t at, struct text_instruction instruction);
void text_program_copy(struct text_program *p, uint32_t from, uint32_t count);

struct text_points { /* code points as sorted ranges once normalised */
  struct {
    uint32_t low, high;
  } * items;
  size_t count, room;
};

void text_points_add(struct text_points *p, uint32_t low, uint32_t high);
void text_points_fold(struct text_points *p); /* adds the other case of each letter */
void text_points_negate(struct text_points *p);
/* Sorts, joins, and emits what matches one of them in UTF-8. */
void text_points_emit(struct text_points *p, struct text_program *program);
void text_points_fini(struct text_points *p);
