#include "script/config_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "script/config_tokens.h"

enum { DEPTH_MAX = 32 }; /* of the ways that are looked for */

/* local providers = { … } at any depth of blocks: names are matched without scopes, the latest
 * wins, which is right for every file that a person writes and off by a few lines in the others. */
struct local {
  struct slice name;
  struct source_table *table;
  struct local *next;
};

struct scan {
  struct tokens tokens;
  struct arena *arena;
  struct local *locals;
  struct source_lines *lines;
};

static struct source_table *scan_table(struct scan *s);

static struct source_table *local_find(const struct scan *s, struct slice name) {
  for (const struct local *l = s->locals; l; l = l->next)
    if (slice_equal(l->name, name)) return l->table;
  return NULL;
}

static void local_add(struct scan *s, struct slice name, struct source_table *table) {
  struct local *l = arena_alloc(s->arena, sizeof *l);
  *l = (struct local){name, table, s->locals};
  s->locals = l;
}

static struct source_entry *entry_add(struct scan *s, struct source_table *t, struct slice key,
                                      int line) {
  if (t->count == t->room) {
    size_t room = t->room ? t->room * 2 : 8;
    struct source_entry *more = arena_alloc(s->arena, room * sizeof *more);
    if (t->count) memcpy(more, t->entries, t->count * sizeof *more);
    t->entries = more;
    t->room = room;
  }
  t->is_sorted = false;
  struct source_entry *e = &t->entries[t->count++];
  *e = (struct source_entry){.key = key, .line = line};
  return e;
}

static int by_key(const void *left, const void *right) {
  const struct source_entry *a = left, *b = right;
  if (a->is_index != b->is_index) return a->is_index ? -1 : 1;
  size_t shorter = a->key.len < b->key.len ? a->key.len : b->key.len;
  int order = shorter ? memcmp(a->key.data, b->key.data, shorter) : 0;
  if (order) return order;
  return a->key.len < b->key.len ? -1 : a->key.len > b->key.len;
}

static int by_key_and_line(const void *left, const void *right) {
  const struct source_entry *a = left, *b = right;
  int order = by_key(a, b);
  return order ? order : a->line < b->line ? -1 : a->line > b->line;
}

static void sort(struct source_table *t) {
  if (t->count && !t->is_sorted) qsort(t->entries, t->count, sizeof *t->entries, by_key_and_line);
  t->is_sorted = true;
}

/* 0 for a key, and for a number that is no place. */
static size_t place_of(const struct source_entry *e) {
  uint64_t place;
  return e->is_index && slice_to_u64(e->key, &place) ? (size_t)place : 0;
}

static void report_twice(struct scan *s, struct source_table *t) {
  sort(t);
  for (size_t i = 1; i < t->count; i++) {
    if (by_key(&t->entries[i - 1], &t->entries[i]) != 0) continue;
    const struct source_entry *e = &t->entries[i];
    struct source_twice *twice = arena_alloc(s->arena, sizeof *twice);
    *twice = (struct source_twice){.table = t,
                                   .key = e->key,
                                   .place = place_of(e),
                                   .line = e->line,
                                   .first_line = t->entries[i - 1].line,
                                   .next = s->lines->twice};
    s->lines->twice = twice;
  }
}

static bool opens_block(const struct token *t) {
  return token_is(t, "function") || token_is(t, "if") || token_is(t, "do") || token_is(t, "repeat");
}

static bool closes_block(const struct token *t) {
  return token_is(t, "end") || token_is(t, "until");
}

/* Passes one expression up to the , ; } or ] that ends it, looking into the tables on the way. */
static void skip_expression(struct scan *s) {
  struct token *now = &s->tokens.now;
  for (int depth = 0; now->type != TOKEN_END;) {
    if (depth == 0 &&
        (token_is(now, ",") || token_is(now, ";") || token_is(now, "}") || token_is(now, "]")))
      return;
    if (token_is(now, "{")) {
      scan_table(s);
      continue;
    }
    if (token_is(now, "(") || token_is(now, "[") || opens_block(now)) depth++;
    if (token_is(now, ")") || token_is(now, "]") || closes_block(now)) depth--;
    tokens_advance(&s->tokens);
  }
}

/* The table that the value at hand is written as; then the rest of its expression is passed. */
static struct source_table *scan_value(struct scan *s) {
  struct source_table *table = NULL;
  const struct token *now = &s->tokens.now, *next = &s->tokens.next;
  if (token_is(now, "{")) {
    table = scan_table(s);
  } else if (now->type == TOKEN_NAME && next->type == TOKEN_SYMBOL &&
             (token_is(next, ",") || token_is(next, ";") || token_is(next, "}"))) {
    table = local_find(s, now->text);
  }
  skip_expression(s);
  return table;
}

/* [ "name" ] = or [ 3 ] =; any other key in brackets is passed and forgotten. */
static struct source_entry *scan_bracket_key(struct scan *s, struct source_table *t) {
  struct source_entry *e = NULL;
  tokens_advance(&s->tokens);
  struct token key = s->tokens.now;
  bool is_literal = token_is(&s->tokens.next, "]");
  if (is_literal && (key.type == TOKEN_STRING || key.type == TOKEN_NUMBER)) {
    e = entry_add(s, t, key.text, key.line);
    e->is_index = key.type == TOKEN_NUMBER;
  }
  skip_expression(s);
  tokens_advance(&s->tokens); /* ] */
  tokens_advance(&s->tokens); /* = */
  return e;
}

static void scan_item(struct scan *s, struct source_table *t, size_t *position) {
  const struct token *now = &s->tokens.now;
  struct source_entry *e;
  size_t at;
  if (token_is(now, "[")) {
    e = scan_bracket_key(s, t);
  } else if (now->type == TOKEN_NAME && token_is(&s->tokens.next, "=")) {
    e = entry_add(s, t, now->text, now->line);
    tokens_advance(&s->tokens);
    tokens_advance(&s->tokens);
  } else {
    struct slice key = slice_of(arena_printf(s->arena, "%zu", ++*position));
    e = entry_add(s, t, key, now->line);
    e->is_index = true;
  }
  at = e ? (size_t)(e - t->entries) : 0;
  bool is_known = e != NULL;
  struct source_table *table = scan_value(s);
  if (is_known) t->entries[at].table = table;
}

static struct source_table *scan_table(struct scan *s) {
  struct source_table *t = arena_alloc(s->arena, sizeof *t);
  size_t position = 0;
  t->line = s->tokens.now.line;
  tokens_advance(&s->tokens);
  while (s->tokens.now.type != TOKEN_END && !token_is(&s->tokens.now, "}")) {
    if (token_is(&s->tokens.now, ",") || token_is(&s->tokens.now, ";") ||
        token_is(&s->tokens.now, "]"))
      tokens_advance(&s->tokens);
    else
      scan_item(s, t, &position);
  }
  tokens_advance(&s->tokens);
  report_twice(s, t);
  return t;
}

/* .key or ["key"]: false when it is anything else. */
static bool scan_key(struct scan *s, struct slice *key) {
  bool is_bracket = token_is(&s->tokens.now, "[");
  if (!is_bracket && !token_is(&s->tokens.now, ".")) return false;
  tokens_advance(&s->tokens);
  if (s->tokens.now.type != (is_bracket ? TOKEN_STRING : TOKEN_NAME)) return false;
  *key = s->tokens.now.text;
  tokens_advance(&s->tokens);
  if (is_bracket) tokens_advance(&s->tokens);
  return true;
}

/* name = { … }, name.key.key = … and name["key"] = …, at the start of a statement. */
static void scan_assignment(struct scan *s) {
  struct slice name = s->tokens.now.text, key;
  struct source_table *owner = local_find(s, name);
  tokens_advance(&s->tokens);
  if (token_is(&s->tokens.now, "=")) {
    tokens_advance(&s->tokens);
    if (token_is(&s->tokens.now, "{")) local_add(s, name, scan_table(s));
    return;
  }
  int line = s->tokens.now.line;
  while (owner && scan_key(s, &key)) {
    if (token_is(&s->tokens.now, "=")) {
      struct source_entry *e = entry_add(s, owner, key, line);
      size_t at = (size_t)(e - owner->entries);
      tokens_advance(&s->tokens);
      if (!token_is(&s->tokens.now, "{")) return;
      struct source_table *table = scan_table(s);
      owner->entries[at].table = table;
      return;
    }
    const struct source_entry *e = source_entry_find(owner, key, false);
    owner = e ? e->table : NULL;
  }
}

static void scan_return(struct scan *s) {
  tokens_advance(&s->tokens);
  const struct token *now = &s->tokens.now, *next = &s->tokens.next;
  s->lines->root = NULL;
  if (token_is(now, "{"))
    s->lines->root = scan_table(s);
  else if (now->type == TOKEN_NAME && (next->type == TOKEN_END || token_is(next, ";")))
    s->lines->root = local_find(s, now->text);
}

/* Tables may share others, and hold themselves by a local's name: the first way to each counts. */
static void reach(struct source_table *t, int depth) {
  t->is_reached = true;
  for (size_t i = 0; i < t->count && depth < DEPTH_MAX; i++) {
    struct source_table *below = t->entries[i].table;
    if (!below || below->is_reached) continue;
    below->up = t;
    below->key = t->entries[i].key;
    below->place = place_of(&t->entries[i]);
    reach(below, depth + 1);
  }
}

void source_lines_scan(struct source_lines *lines, struct slice source, struct arena *arena) {
  struct scan s = {.arena = arena, .lines = lines};
  const struct token *now = &s.tokens.now;
  *lines = (struct source_lines){0};
  tokens_init(&s.tokens, source, arena);
  while (now->type != TOKEN_END) {
    if (token_is(now, "return"))
      scan_return(&s); /* the chunk's own return is the last one, so the last one stays */
    else if (token_is(now, "{"))
      scan_table(&s);
    else if (now->type == TOKEN_NAME)
      scan_assignment(&s);
    else
      tokens_advance(&s.tokens);
  }
  if (lines->root) reach(lines->root, 0);
}

const struct source_entry *source_entry_find(struct source_table *table, struct slice key,
                                             bool is_index) {
  if (!table || table->count == 0) return NULL;
  sort(table);
  struct source_entry wanted = {.key = key, .is_index = is_index};
  struct source_entry *e = bsearch(&wanted, table->entries, table->count, sizeof wanted, by_key);
  while (e && e + 1 < table->entries + table->count && by_key(e, e + 1) == 0)
    e++;
  return e;
}

void source_path_append(const struct source_table *table, struct bytes *path) {
  if (!table->up) return;
  source_path_append(table->up, path);
  config_path_append(path, table->key, table->place);
}

struct at_line {
  int line;
  size_t count;
  const struct source_table *table;
  const struct source_entry *entry;
};

static void find_line(struct at_line *found, const struct source_table *t) {
  for (size_t i = 0; i < t->count; i++) {
    const struct source_entry *e = &t->entries[i];
    if (e->table && e->table->up == t) find_line(found, e->table);
    if (e->table || e->line != found->line) continue;
    found->count++;
    found->table = t;
    found->entry = e;
  }
}

void source_path_at(const struct source_lines *lines, int line, struct bytes *path) {
  struct at_line found = {.line = line};
  if (lines->root) find_line(&found, lines->root);
  if (found.count != 1) return;
  source_path_append(found.table, path);
  config_path_append(path, found.entry->key, place_of(found.entry));
}
