/* The last generations on disk, in TENANTS/.generations/NAME: NUMBER.json holds the files of one,
 * state.json what runs. A folder that cannot be written costs the memory of a restart, no more. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "keeper/private.h"
#include "observe/log.h"
#include "script/config_sandbox.h"

enum { STATE_BYTES = 64 << 20 };
static const char state_name[] = "state.json";

static const char *const role_names[] = {"running", "canary", "shadow"};
static const char *const source_names[] = {"folder", "push", "site"};

static char *state_path(struct arena *a, const struct config *c, const char *tenant,
                        const char *file) {
  return arena_printf(a, "%.*s/.generations%s%s%s%s", (int)c->tenants_path.len,
                      c->tenants_path.data, *tenant ? "/" : "", tenant, *file ? "/" : "", file);
}

static bool write_whole(const char *path, struct slice text) {
  struct bytes temporary;
  bytes_init(&temporary);
  bytes_printf(&temporary, "%s.new", path);
  int fd = open(bytes_text(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool fine = fd >= 0;
  while (fine && text.len) {
    ssize_t sent = write(fd, text.data, text.len);
    fine = sent > 0;
    if (fine) text = slice_skip(text, (size_t)sent);
  }
  if (fd >= 0) fine = fsync(fd) == 0 && fine;
  if (fd >= 0) close(fd);
  fine = fine && rename(bytes_text(&temporary), path) == 0;
  int why = errno;
  if (!fine) unlink(bytes_text(&temporary)); /* on a full disk each try would take more of it */
  errno = why;
  bytes_fini(&temporary);
  return fine;
}

static bool make_folder(const char *path) {
  return mkdir(path, 0700) == 0 || errno == EEXIST;
}

struct keeping {
  struct keeper *keeper;
  const struct config *config;
  const char *tenant, *file;
};

static void keep_text(const struct keeping *w, struct slice text) {
  struct arena a;
  arena_init(&a);
  const char *path = state_path(&a, w->config, w->tenant, w->file);
  bool fine = make_folder(state_path(&a, w->config, "", "")) &&
              make_folder(state_path(&a, w->config, w->tenant, "")) && write_whole(path, text);
  int why = errno;
  if (!atomic_exchange(&w->keeper->cannot_keep, !fine) && !fine)
    log_process(LOG_WARN, "generations are not kept across a restart: %s cannot be written: %s",
                path, strerror(why));
  arena_fini(&a);
}

void keeper_state_keep(const struct job *job) {
  struct bytes out;
  char file[32];
  bytes_init(&out);
  bytes_printf(&out, "{\"number\":%llu,\"created_ms\":%lld,\"source\":\"%s\",\"files\":",
               (unsigned long long)job->number, (long long)clock_wall_ms(),
               source_names[job->source]);
  bundle_write_json(job->bundle, &out);
  bytes_append_text(&out, "}\n");
  snprintf(file, sizeof file, "%llu.json", (unsigned long long)job->number);
  keep_text(&(struct keeping){job->keeper, job->config, job->tenant.data, file}, bytes_slice(&out));
  bytes_fini(&out);
}

/* {"7":6}: 7 took over from 6. */
static void append_runs(const struct keeper_tenant *t, struct bytes *out) {
  const char *between = "";
  bytes_append_text(out, ",\"ran\":{");
  list_each(node, &t->kept) {
    const struct kept *kept = list_entry(node, struct kept, link);
    if (!kept->has_run) continue;
    bytes_printf(out, "%s\"%llu\":%llu", between, (unsigned long long)kept->number,
                 (unsigned long long)kept->before);
    between = ",";
  }
  bytes_append_byte(out, '}');
}

void keeper_state_note(struct keeper *k, const struct keeper_tenant *t) {
  struct bytes out;
  char digest[2 * SHA256_BYTES + 1];
  bytes_init(&out);
  digest_hex(t->folder_digest, SHA256_BYTES, digest);
  bytes_printf(&out, "{\"last\":%llu", (unsigned long long)t->last_number);
  append_runs(t, &out);
  for (int role = 0; role < TENANT_ROLE_COUNT; role++)
    bytes_printf(&out, ",\"%s\":%llu", role_names[role], (unsigned long long)t->roles[role]);
  if (t->has_folder) bytes_printf(&out, ",\"folder_sha256\":\"%s\"", digest);
  bytes_printf(&out, ",\"percent\":%u,\"keys\":[", t->share.percent);
  for (size_t i = 0; i < t->share.key_count; i++) {
    if (i) bytes_append_byte(&out, ',');
    json_quote(&out, t->share.keys[i]);
  }
  bytes_append_text(&out, "]}\n");
  keep_text(&(struct keeping){k, k->config, t->name, state_name}, bytes_slice(&out));
  bytes_fini(&out);
}

void keeper_state_forget(struct keeper *k, const struct keeper_tenant *t, uint64_t number) {
  struct arena a;
  arena_init(&a);
  char *file = arena_printf(&a, "%llu.json", (unsigned long long)number);
  unlink(state_path(&a, k->config, t->name, file));
  arena_fini(&a);
}

static uint64_t number_of(struct slice object, const char *key) {
  uint64_t number = 0;
  struct slice value = json_find(object, key);
  if (value.data && !json_to_u64(value, &number)) number = 0;
  return number;
}

/* Empty when it cannot be read, or was not written by us. */
static struct slice read_json(const char *path, struct bytes *out) {
  struct slice nothing = {"", 0};
  bytes_clear(out);
  if (config_text_read(path, STATE_BYTES, out)) return nothing;
  return json_validate(bytes_slice(out), 8, NULL) ? bytes_slice(out) : nothing;
}

static enum kept_source source_of(struct slice object) {
  struct slice raw = json_string_raw(json_find(object, "source"));
  for (size_t i = 0; i < sizeof source_names / sizeof *source_names; i++)
    if (slice_equal_text(raw, source_names[i])) return (enum kept_source)i;
  return KEPT_FOLDER;
}

static void load_generation(struct keeper *k, struct keeper_tenant *t, struct slice text) {
  struct config_problems problems;
  struct arena a;
  uint64_t number = number_of(text, "number");
  if (!number || keeper_kept_find(t, number)) return;
  arena_init(&a);
  config_problems_init(&problems);
  char *folder = arena_printf(&a, "%.*s/%s", (int)k->config->tenants_path.len,
                              k->config->tenants_path.data, t->name);
  struct bundle *b = bundle_new(slice_of(folder), NULL);
  bool fine = bundle_add_json(b, json_find(text, "files"), &problems);
  bundle_seal(b);
  if (fine)
    keeper_kept_add(t, &(struct kept){.number = number,
                                      .created_ms = (int64_t)number_of(text, "created_ms"),
                                      .source = source_of(text),
                                      .bundle = bundle_ref(b)});
  bundle_unref(b);
  config_problems_fini(&problems);
  arena_fini(&a);
}

static void load_share(struct keeper_tenant *t, struct slice text) {
  size_t room = 0;
  struct slice list = json_find(text, "keys");
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    room++;
  struct slice *keys = arena_alloc(&t->canary_arena, (room + 1) * sizeof *keys);
  t->share = (struct tenant_share){(uint32_t)number_of(text, "percent"), keys, 0};
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);) {
    struct bytes key;
    bytes_init(&key);
    if (json_string(w.value, &key))
      keys[t->share.key_count++] = arena_slice(&t->canary_arena, bytes_slice(&key));
    bytes_fini(&key);
  }
}

/* Without the list an earlier version wrote this: all that is kept may have run. */
static void load_runs(struct keeper_tenant *t, struct slice ran) {
  list_each(node, &t->kept) {
    struct kept *kept = list_entry(node, struct kept, link);
    char key[24];
    snprintf(key, sizeof key, "%llu", (unsigned long long)kept->number);
    kept->has_run = !ran.data || json_find(ran, key).data;
    kept->before = ran.data ? number_of(ran, key) : 0;
  }
}

static void load_state(struct keeper_tenant *t, struct slice text) {
  struct slice digest = json_string_raw(json_find(text, "folder_sha256"));
  uint64_t last = number_of(text, "last");
  if (last > t->last_number) t->last_number = last;
  load_runs(t, json_find(text, "ran"));
  for (int role = 0; role < TENANT_ROLE_COUNT; role++)
    t->wanted[role] = number_of(text, role_names[role]);
  t->has_folder = digest_from_hex(digest, t->folder_digest, SHA256_BYTES);
  load_share(t, text);
}

static void load_tenant(struct keeper *k, const char *folder, const char *name) {
  struct bytes path, text;
  DIR *dir = opendir(folder);
  if (!dir) return;
  struct keeper_tenant *t = keeper_tenant_get(k, slice_of(name));
  bytes_init(&path);
  bytes_init(&text);
  for (const struct dirent *e; (e = readdir(dir));) {
    size_t len = strlen(e->d_name);
    if (len < 6 || strcmp(e->d_name + len - 5, ".json") != 0) continue;
    if (strcmp(e->d_name, state_name) == 0) continue;
    bytes_clear(&path);
    bytes_printf(&path, "%s/%s", folder, e->d_name);
    load_generation(k, t, read_json(bytes_text(&path), &text));
  }
  closedir(dir);
  bytes_clear(&path);
  bytes_printf(&path, "%s/%s", folder, state_name);
  load_state(t, read_json(bytes_text(&path), &text));
  if (!list_empty(&t->kept)) {
    uint64_t newest = list_entry(t->kept.prev, struct kept, link)->number;
    if (newest > t->last_number) t->last_number = newest;
  }
  bytes_fini(&path);
  bytes_fini(&text);
}

void keeper_state_load(struct keeper *k) {
  struct arena a;
  if (!k->config->tenants_path.len) return;
  arena_init(&a);
  DIR *dir = opendir(state_path(&a, k->config, "", ""));
  for (const struct dirent *e; dir && (e = readdir(dir));)
    if (e->d_name[0] != '.') load_tenant(k, state_path(&a, k->config, e->d_name, ""), e->d_name);
  if (dir) closedir(dir);
  arena_fini(&a);
}
