#include "script/config_adapters.h"

#include <dirent.h>
#include <string.h>

#include "config/names.h"
#include "script/embedded.h"
#include "script/state.h"

enum { FILES_MAX = 4096 };

struct check {
  const struct config *config;
  struct config_problems *problems;
  lua_State *L;
  struct names adapters, presets;
};

/* "openai" from "openai.lua"; empty when the name is none of an adapter. */
static struct slice stem(struct slice file) {
  struct slice suffix = SLICE(".lua"), spec = SLICE("_spec.lua");
  struct slice none = {"", 0};
  if (file.len <= suffix.len || memchr(file.data, '/', file.len)) return none;
  if (memcmp(file.data + file.len - suffix.len, suffix.data, suffix.len) != 0) return none;
  if (file.len > spec.len && memcmp(file.data + file.len - spec.len, spec.data, spec.len) == 0)
    return none;
  file.len -= suffix.len;
  return slice_equal_text(file, "presets") ? none : file;
}

static size_t count_embedded(void) {
  size_t count = 0;
  while (embedded_files()[count].name)
    count++;
  return count;
}

static void find_embedded(struct check *c) {
  struct slice folder = SLICE("adapters/");
  for (const struct embedded_file *f = embedded_files(); f->name; f++) {
    if (!slice_starts(slice_of(f->name), folder)) continue;
    struct slice name = stem(slice_skip(slice_of(f->name), folder.len));
    if (name.len) names_add(&c->adapters, name, f);
  }
}

static void find_on_disk(struct check *c, struct slice folder) {
  struct arena *a = &c->problems->arena;
  DIR *dir = opendir(arena_printf(a, "%.*s/adapters", (int)folder.len, folder.data));
  const struct dirent *entry = dir ? readdir(dir) : NULL;
  for (size_t count = 0; entry && count < FILES_MAX; entry = readdir(dir), count++) {
    struct slice name = stem(slice_of(entry->d_name));
    if (name.len) names_add(&c->adapters, arena_slice(a, name), a);
  }
  if (dir) closedir(dir);
}

/* The presets are the tables of adapters/presets.lua; false when it cannot be asked. */
static bool find_presets(struct check *c) {
  enum { PRESETS_MAX = 1024 };
  lua_State *L = c->L;
  struct arena *a = &c->problems->arena;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "adapters.presets");
  if (lua_pcall(L, 1, 1, 0) != 0 || !lua_istable(L, -1)) return false;
  names_init(&c->presets, a, PRESETS_MAX);
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_istable(L, -1) && lua_type(L, -2) == LUA_TSTRING && count++ < PRESETS_MAX)
      names_add(&c->presets, arena_slice(a, state_text(L, -2)), a);
  return true;
}

static void report(struct check *c, const struct provider *p, const char *kind,
                   const struct names *known) {
  struct slice name = strcmp(kind, "adapter") == 0 ? p->adapter : p->preset;
  struct slice near = names_nearest(known, name);
  struct bytes hint;
  bytes_init(&hint);
  if (near.len) bytes_printf(&hint, " (did you mean \"%.*s\"?)", (int)near.len, near.data);
  config_problem_at(c->problems, c->config->file, p->line,
                    "providers.%.*s.%s: there is no %s \"%.*s\"%s; correct the name",
                    (int)p->name.len, p->name.data, kind, kind, (int)name.len, name.data,
                    bytes_text(&hint));
  bytes_fini(&hint);
}

void config_adapters_check(const struct config *config, struct config_problems *problems) {
  struct check c = {.config = config,
                    .problems = problems,
                    .L = state_new(config->lua_path, config->site_path, NULL)};
  names_init(&c.adapters, &problems->arena, 2 * FILES_MAX + count_embedded());
  if (config->site_path.len) find_on_disk(&c, config->site_path);
  if (config->lua_path.len)
    find_on_disk(&c, config->lua_path);
  else
    find_embedded(&c);
  bool has_presets = find_presets(&c);
  for (size_t i = 0; i < config->provider_count; i++) {
    const struct provider *p = &config->providers[i];
    if (p->adapter.len && !names_find(&c.adapters, p->adapter))
      report(&c, p, "adapter", &c.adapters);
    if (has_presets && p->preset.len && !names_find(&c.presets, p->preset))
      report(&c, p, "preset", &c.presets);
  }
  state_free(c.L);
}
