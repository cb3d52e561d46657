/* Inside config/ only: what the files share that turn a tree of values into a snapshot. */
#pragma once
#include "config/config.h"
#include "config/keys.h"
#include "config/names.h"

struct build {
  struct config *config;
  const struct config *base; /* of a tenant's configuration: the operator's; else NULL */
  struct config_problems *problems;
  const struct value *root;
  struct slice folder;            /* of the file, for relative names; empty or with a final slash */
  struct names providers, models; /* struct provider, struct value of the model or alias */
  struct price_table *prices;     /* NULL: none */
};

/* Where a value stands, for problems: a chain up to the root, on the stack. */
struct place {
  const struct place *up; /* NULL: the root */
  struct slice key;
  size_t index;              /* from 1, in a list; 0: has a key */
  int line;                  /* of the value, or of what it is missing from */
  const struct value *value; /* NULL when it is not there */
};

struct place place_root(const struct build *b);
struct place place_item(const struct place *up, size_t item);     /* of up's map or list */
struct place place_find(const struct place *up, const char *key); /* value NULL when absent */
/* The same place with its value marked secret, whatever it came from; copy holds the value. */
struct place place_hidden(const struct place *at, struct value *copy);

/* "file:line: key.path: " and the sentence. Says nothing about a value that was reported before. */
void problem(struct build *b, const struct place *at, const char *format, ...) PRINTF(3, 4);
/* "got …" of a problem: the value in quotes, or what it is when it is secret or no text. */
const char *got(struct build *b, const struct value *v);
/* ' (did you mean "x"?)' when one of the names is close enough, or nothing. */
const char *meant(struct build *b, const struct names *names, struct slice wanted);
/* text in quotes, unless it is secret: v is the text's value, the list that it is in, or NULL for
 * a default. */
const char *shown(struct build *b, const struct value *v, struct slice text);
size_t item_count(const struct value *v); /* 0 for NULL and for what holds no items */

/* walk.c: checks names, types and bounds below a table, and stores into base what the table of keys
 * says how to store. pattern is the table's path in keys.def. */
void walk_table(struct build *b, const struct place *at, const char *pattern, void *base);
void walk_defaults(struct build *b, const char *pattern, void *base);
/* False, with a problem, unless it is text that is not empty and holds no control bytes. */
bool walk_text(struct build *b, const struct place *at, struct slice *out);
/* A text or a list of texts, each clean. */
void walk_texts(struct build *b, const struct place *at, struct slice **out, size_t *count);
bool walk_number(struct build *b, const struct place *at, const struct key_row *row, uint64_t *out);
bool walk_is_list(struct build *b, const struct place *at, const char *wanted);
bool walk_is_map(struct build *b, const struct place *at, const char *wanted);
bool text_has_control(struct slice s);

bool parse_base_url(struct build *b, const struct place *at, struct provider *p);
void parse_addresses(struct build *b, const struct place *at, struct addresses *out);

void build_providers(struct build *b, const struct place *root);
void build_models(struct build *b, const struct place *root);
/* A model's price, from the file, the price table or the default; after its targets. */
void build_price(struct build *b, const struct place *at, struct model *m);
bool build_has_price(const struct model *m); /* one that holds already */
/* The same for one of its targets, where it says so. */
void build_target_price(struct build *b, const struct place *at, struct model_target *t);
/* NULL, with a problem when it is there and is no zone. */
const struct zone *build_zone(struct build *b, const struct place *at);
void build_money(struct build *b, const struct place *root);  /* what prices need: before models */
void build_quotas(struct build *b, const struct place *root); /* after models */
void build_keys(struct build *b, const struct place *root);
void build_identities(struct build *b, const struct place *root);
void build_protocol(struct build *b, const struct place *root); /* cors, paths, limits by route */

/* build_tenant.c: `"residency"`, or `{ name = "residency", … }` with its settings. */
void build_policy_entry(struct build *b, const struct place *at, struct tenant_policy *p);
/* What a tenant may say about a provider, and what becomes of one that it names. */
bool tenant_may_provide(struct build *b, const struct place *at);
void tenant_own_provider(struct build *b, const struct place *at, struct provider *p);
/* A list of hosts that names become reachable by; a name opens no internal address, only a network
 * does. NULL when the key is not there. */
const struct address_policy *build_hosts(struct build *b, const struct place *at,
                                         struct slice **texts, size_t *count);
void build_webhooks(struct build *b, const struct place *root);
/* gateyes.lua: tenant_hosts. */
void build_tenant_hosts(struct build *b, const struct place *root);
