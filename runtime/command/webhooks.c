/* `gateyes webhooks`: what was sent, what waits, what nobody took. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "command/admin.h"
#include "command/commands.h"
#include "command/storage.h"
#include "load.h"

enum { LIST_ROWS = 1000 };

struct words {
  const char *config, *verb, *state, *id;
  bool json;
};

static bool is_state(const char *word) {
  return strcmp(word, "waiting") == 0 || strcmp(word, "delivered") == 0 ||
         strcmp(word, "dead") == 0;
}

static bool read_words(int argc, char **argv, struct words *words) {
  *words = (struct words){.config = load_path(NULL), .state = ""};
  for (int i = 1; i < argc; i++) {
    bool has_next = i + 1 < argc;
    if (strcmp(argv[i], "--json") == 0)
      words->json = true;
    else if (strcmp(argv[i], "--config") == 0 && has_next)
      words->config = argv[++i];
    else if (strncmp(argv[i], "--config=", 9) == 0)
      words->config = argv[i] + 9;
    else if (strcmp(argv[i], "--state") == 0 && has_next)
      words->state = argv[++i];
    else if (!words->verb && (strcmp(argv[i], "list") == 0 || strcmp(argv[i], "retry") == 0))
      words->verb = argv[i];
    else if (words->verb && strcmp(words->verb, "retry") == 0 && !words->id)
      words->id = argv[i];
    else {
      fprintf(stderr, "gateyes webhooks: unknown word %s\n", argv[i]);
      return false;
    }
  }
  if (*words->state && !is_state(words->state)) {
    fprintf(stderr, "gateyes webhooks: --state: expects one of: waiting delivered dead\n");
    return false;
  }
  bool is_whole = words->verb && (strcmp(words->verb, "list") == 0 || words->id);
  if (!is_whole)
    fprintf(stderr, "usage: gateyes webhooks list [--state waiting|delivered|dead] [--json] | "
                    "retry ID   [--config PATH]\n");
  return is_whole;
}

struct listing {
  struct bytes text;
  size_t count;
};

static void on_row(void *context, const struct entity *e) {
  struct listing *l = context;
  char time[25];
  clock_format(e->updated_ms, time);
  bytes_printf(&l->text, "%s{\"updated_at\":\"%s\"", l->count++ ? ",\n" : "", time);
  json_append_text(&l->text, "id", e->id);
  json_append_text(&l->text, "webhook", e->owner);
  json_append_text(&l->text, "tenant", e->tenant);
  json_append_text(&l->text, "type", e->name);
  json_append_text(&l->text, "state", e->state);
  for (struct json_walk w = json_walk_of(e->body); json_walk_next(&w);) {
    bytes_append_text(&l->text, ",\"");
    bytes_append_slice(&l->text, w.key);
    bytes_append_text(&l->text, "\":");
    bytes_append_slice(&l->text, w.value);
  }
  bytes_append_byte(&l->text, '}');
}

static int list(const struct storage *s, const struct words *words) {
  struct listing listing = {.count = 0};
  struct entity_query query = {
      .kind = ENTITY_DELIVERY, .state = slice_of(words->state), .limit = LIST_ROWS};
  struct entity_sink sink = {on_row, &listing};
  bytes_init(&listing.text);
  bytes_append_text(&listing.text, "{\"data\":[");
  enum store_result result = s->store->calls->list(s->store, &query, &sink);
  bytes_append_text(&listing.text, "]}");
  struct slice data = json_find(bytes_slice(&listing.text), "data");
  if (result == STORE_FINE && words->json)
    printf("%.*s\n", (int)data.len, data.data);
  else if (result == STORE_FINE)
    admin_print(bytes_slice(&listing.text), "id updated_at state webhook type attempts error");
  bytes_fini(&listing.text);
  return result == STORE_FINE ? 0 : storage_complain(s);
}

struct found {
  struct arena arena;
  struct entity row;
};

static void on_found(void *context, const struct entity *e) {
  struct found *f = context;
  struct entity *to = &f->row;
  *to = *e;
  struct slice *texts[] = {&to->id, &to->tenant, &to->owner, &to->name, &to->body};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    *texts[i] = arena_slice(&f->arena, *texts[i]);
  to->lookup = (struct slice){"", 0};
}

/* The running gateway finds it within seconds, and tries it at least once more. */
static enum store_result wake(struct store *s, struct entity *row) {
  struct bytes body;
  uint64_t attempts = 0;
  bytes_init(&body);
  (void)json_to_u64(json_find(row->body, "attempts"), &attempts);
  bytes_printf(&body, "{\"attempts\":%llu,\"next_ms\":0,\"status\":0,\"error\":\"\",\"event\":",
               (unsigned long long)attempts);
  bytes_append_slice(&body, json_find(row->body, "event"));
  bytes_append_byte(&body, '}');
  struct entity_change change = {.entity = *row, .expected_version = row->version};
  change.entity.state = SLICE("waiting");
  change.entity.body = bytes_slice(&body);
  enum store_result result = s->calls->write(s, &change, 1);
  bytes_fini(&body);
  return result;
}

static int retry(const struct storage *s, const struct words *words) {
  struct found found = {0};
  struct entity_key key = {.kind = ENTITY_DELIVERY, .id = slice_of(words->id)};
  struct entity_sink sink = {on_found, &found};
  arena_init(&found.arena);
  enum store_result result = s->store->calls->find(s->store, &key, &sink);
  if (result == STORE_NOT_FOUND)
    fprintf(stderr, "gateyes webhooks: there is no delivery %s; see gateyes webhooks list\n",
            words->id);
  else if (result == STORE_FINE)
    result = wake(s->store, &found.row);
  arena_fini(&found.arena);
  if (result == STORE_NOT_FOUND) return 1;
  return result == STORE_FINE ? 0 : storage_complain(s);
}

int webhooks_main(int argc, char **argv) {
  struct words words;
  struct storage storage;
  if (!read_words(argc, argv, &words)) return 2;
  if (!storage_open("webhooks", words.config, &storage)) return 1;
  bool is_list = strcmp(words.verb, "list") == 0;
  int status = is_list ? list(&storage, &words) : retry(&storage, &words);
  storage_close(&storage);
  return status;
}
