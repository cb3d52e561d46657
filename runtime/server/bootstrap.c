#include "server/bootstrap.h"

#include <stdio.h>

#include "auth/key.h"
#include "base/clock.h"
#include "observe/log.h"
#include "server/secret.h"
#include "store/store.h"

static const struct slice tenant = {"operator", 8}, key_id = {"bootstrap", 9};

static void on_row(void *context, const struct entity *entity) {
  (void)context, (void)entity;
}

/* A key that was revoked or removed does not come back: its tenant is the mark. */
static enum store_result find_mark(struct store *store) {
  struct entity_key key = {.kind = ENTITY_TENANT, .id = tenant};
  struct entity_sink sink = {on_row, NULL};
  return store->calls->find(store, &key, &sink);
}

static enum store_result write_rows(struct store *store, const char *lookup, const char *last4) {
  char body[64];
  snprintf(body, sizeof body, "{\"roles\":[\"super_admin\"],\"last4\":\"%s\"}", last4);
  struct audit_entry audit = {.time_ms = clock_wall_ms(),
                              .tenant = tenant,
                              .actor = SLICE("bootstrap"),
                              .action = SLICE("key.create"),
                              .target = SLICE("keys/bootstrap"),
                              .outcome = SLICE("done")};
  struct entity_change changes[] = {{.entity = {.kind = ENTITY_TENANT,
                                                .id = tenant,
                                                .name = SLICE("who runs this gateway"),
                                                .body = SLICE("{}")}},
                                    {.entity = {.kind = ENTITY_KEY,
                                                .id = key_id,
                                                .tenant = tenant,
                                                .name = key_id,
                                                .lookup = slice_of(lookup),
                                                .body = slice_of(body)},
                                     .audit = &audit}};
  return store->calls->write(store, changes, 2);
}

bool server_bootstrap(const struct config *config, struct store *store,
                      struct config_problems *problems) {
  if (config->has_admin_key || !store || !config->admin_listen.count) return true;
  if (find_mark(store) != STORE_NOT_FOUND) return true;
  uint8_t secret[SHA256_BYTES];
  char key[KEY_BYTES + 1], lookup[2 * SHA256_BYTES + 1];
  if (!server_secret_read(config, secret, problems)) return false;
  key_make(key);
  struct key_hash hash =
      key_hash((struct slice){(const char *)secret, sizeof secret}, slice_of(key));
  key_hash_text(&hash, lookup);
  enum store_result result = write_rows(store, lookup, key + KEY_BYTES - 4);
  if (result == STORE_FINE)
    fprintf(stderr,
            "gateyes: first start: the key for the admin API is %s\n"
            "gateyes: it is shown this once; keep it, or set admin.key in the configuration\n",
            key);
  else
    log_process(LOG_WARN, "no admin key was made, since the store is %s", store_trouble(result));
  return true;
}
