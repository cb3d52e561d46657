#include "script/config_sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/names.h"
#include "script/bundle.h"
#include "script/text_library.h"

enum {
  MEMORY_BYTES = 64 << 20,
  HOOK_INSTRUCTIONS = 100, /* one may copy most of the memory */
  SECRET_FILE_BYTES = 64 << 10,
  MEANT_DISTANCE = 3,    /* names share much that is no name: two letters may be wrong */
  SECRET_PART_BYTES = 4, /* shorter secrets are only compared as a whole */
};
static const uint64_t run_ns = 1000000000;

static uint64_t thread_ns(void) {
  struct timespec now;
  must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *on_allocate(void *data, void *old, size_t old_bytes, size_t bytes) {
  struct config_sandbox *s = data;
  size_t used = s->used_bytes - (old ? old_bytes : 0);
  if (bytes == 0) {
    free(old);
    s->used_bytes = used;
    return NULL;
  }
  if (bytes > MEMORY_BYTES - used && bytes > (old ? old_bytes : 0)) return NULL;
  void *memory = realloc(old, bytes);
  if (memory) s->used_bytes = used + bytes;
  return memory;
}

const char *config_text_read(const char *path, size_t max_bytes, struct bytes *out) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return strerror(errno);
  const char *why = NULL;
  ssize_t got = 0;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) why = "it is no plain file";
  while (!why && (got = read(fd, bytes_reserve(out, 16384), 16384)) > 0) {
    out->len += (size_t)got;
    if (out->len > max_bytes) why = "it is too large";
  }
  if (got < 0) why = strerror(errno);
  close(fd);
  return why;
}

static struct config_sandbox *self(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static void on_count(lua_State *L, lua_Debug *activation) {
  lua_getfield(L, LUA_REGISTRYINDEX, "sandbox");
  const struct config_sandbox *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (thread_ns() <= s->deadline_ns) return;
  lua_getinfo(L, "l", activation);
  lua_pushfstring(L, "config:%d: runs for more than a second; look for a loop that does not end",
                  activation->currentline);
  lua_error(L);
}

static int caller_line(lua_State *L) {
  lua_Debug info;
  if (!lua_getstack(L, 1, &info) || !lua_getinfo(L, "l", &info)) return 0;
  return info.currentline;
}

static struct config_secret *remember(struct config_sandbox *s, struct slice text) {
  struct config_secret *secret = arena_alloc(&s->arena, sizeof *secret);
  *secret = (struct config_secret){.text = arena_slice(&s->arena, text), .next = s->secrets};
  s->secrets = secret;
  return secret;
}

static int push_secret(lua_State *L, struct slice text) {
  (void)remember(self(L), text);
  lua_pushlstring(L, text.data, text.len);
  return 1;
}

/* The file is read to its end all the same, so that every problem is reported at once, and with the
 * place at which the value turns up: until then a text that nothing else is stands for it. */
static int push_faulty(lua_State *L, const char *problem) {
  struct config_sandbox *s = self(L);
  const char *text = lua_pushfstring(L, "gateyes: nothing was read (%d)", ++s->faults);
  struct config_secret *secret = remember(s, slice_of(text));
  secret->problem = problem;
  secret->line = caller_line(L);
  return 1;
}

void config_secret_report(struct config_sandbox *s, struct config_secret *secret,
                          const char *path) {
  if (secret->is_told) return;
  secret->is_told = true;
  config_problem_at(s->problems, s->path, secret->line, "%s%s%s", path, *path ? ": " : "",
                    secret->problem);
}

/* One variable belongs to one tenant: a name with an underscore, or with capitals, could be written
 * as two tenants' variables, so such a tenant has none. */
static bool has_variables(struct slice tenant) {
  for (size_t i = 0; i < tenant.len; i++) {
    char c = tenant.data[i];
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    bool is_between = i > 0 && i + 1 < tenant.len && tenant.data[i - 1] != '-';
    if (!is_letter && !(c == '-' && is_between)) return false;
  }
  return tenant.len > 0;
}

/* "GATEYES_TENANT_ACME__KEY" is KEY of the tenant acme. */
static const char *tenant_variable(lua_State *L, const struct config_sandbox *s, const char *name) {
  struct bytes text;
  bytes_init(&text);
  bytes_append_text(&text, "GATEYES_TENANT_");
  for (size_t i = 0; i < s->scope->tenant.len; i++) {
    char c = s->scope->tenant.data[i];
    bytes_append_byte(&text, c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
  }
  bytes_append_text(&text, "__");
  bytes_append_text(&text, name);
  lua_pushlstring(L, text.data, text.len);
  bytes_fini(&text);
  return lua_tostring(L, -1);
}

static const char *meant(struct config_sandbox *s, const struct nearest *nearest) {
  if (nearest->best.len == 0) return "";
  return arena_printf(&s->arena, " (did you mean \"%.*s\"?)", (int)nearest->best.len,
                      nearest->best.data);
}

/* A tenant hears of its own variables alone: they share all up to the second pair of lines. */
static const char *meant_variable(struct config_sandbox *s, const char *name) {
  const char *end = s->scope ? strstr(name, "__") : NULL;
  size_t own = end ? (size_t)(end - name) + 2 : 0;
  struct nearest nearest;
  nearest_init(&nearest, slice_skip(slice_of(name), own));
  nearest.distance = MEANT_DISTANCE;
  for (char **e = environ; *e; e++) {
    struct slice value, candidate = slice_cut(slice_of(*e), '=', &value);
    if (value.len && candidate.len > own && memcmp(candidate.data, name, own) == 0)
      nearest_offer(&nearest, arena_slice(&s->arena, slice_skip(candidate, own)));
  }
  return meant(s, &nearest);
}

static int call_env(lua_State *L) {
  struct config_sandbox *s = self(L);
  const char *name = luaL_checkstring(L, 1);
  if (s->scope && !has_variables(s->scope->tenant))
    return luaL_error(L, "env takes tenants named with a-z, 0-9 and single - inside; "
                         "use secret_file");
  if (s->scope) {
    lua_settop(L, 2);
    name = tenant_variable(L, s, name);
  }
  const char *value = getenv(name);
  if (value && *value) return push_secret(L, slice_of(value));
  if (!lua_isnoneornil(L, 2)) {
    lua_settop(L, 2);
    return 1;
  }
  return push_faulty(
      L,
      arena_printf(&s->arena,
                   "environment variable %s is %s%s; set it, or write env(\"%s\", \"default\")",
                   name, value ? "empty" : "not set", value ? "" : meant_variable(s, name), name));
}

static bool is_plain_name(const char *name) {
  return *name && *name != '.' && !strchr(name, '/');
}

/* NULL: a tenant has no such file. */
static char *tenant_secret(struct config_sandbox *s, const char *name) {
  struct slice tenant = s->scope->tenant, folder = s->scope->secrets_folder;
  if (folder.len == 0 || !is_plain_name(name)) return NULL;
  return arena_printf(&s->arena, "%.*s/%.*s/%s", (int)folder.len, folder.data, (int)tenant.len,
                      tenant.data, name);
}

static char *beside_config(struct config_sandbox *s, const char *name) {
  const char *slash = name[0] == '/' ? NULL : strrchr(s->path, '/');
  int folder = slash ? (int)(slash - s->path) + 1 : 0;
  return arena_printf(&s->arena, "%.*s%s", folder, s->path, name);
}

static const char *meant_file(struct config_sandbox *s, const char *path) {
  const char *slash = strrchr(path, '/');
  size_t folder_len = slash ? (size_t)(slash - path) + 1 : 0;
  DIR *folder = opendir(slash ? arena_text(&s->arena, (struct slice){path, folder_len}) : ".");
  struct nearest nearest;
  struct dirent *e;
  if (!folder) return "";
  nearest_init(&nearest, slice_of(path + folder_len));
  nearest.distance = MEANT_DISTANCE;
  while ((e = readdir(folder)))
    if (e->d_name[0] != '.' && strcmp(e->d_name, path + folder_len) != 0)
      nearest_offer(&nearest, arena_slice(&s->arena, slice_of(e->d_name)));
  closedir(folder);
  return meant(s, &nearest);
}

static int call_secret_file(lua_State *L) {
  struct config_sandbox *s = self(L);
  const char *name = luaL_checkstring(L, 1);
  char *path = s->scope ? tenant_secret(s, name) : beside_config(s, name);
  if (!path)
    return luaL_error(L, "secret_file takes a plain name of a file in the tenant's folder below "
                         "tenant_secrets, which the operator sets");
  struct bytes text;
  bytes_init(&text);
  const char *why = config_text_read(path, SECRET_FILE_BYTES, &text);
  while (!why && text.len && strchr("\r\n", text.data[text.len - 1]))
    text.len--;
  if (!why && text.len == 0) why = "it is empty";
  struct slice secret = arena_slice(&s->arena, bytes_slice(&text));
  bytes_fini(&text);
  if (!why) return push_secret(L, secret);
  return push_faulty(
      L,
      arena_printf(&s->arena,
                   "secret file %s cannot be read (%s)%s; check that it is there and may be read",
                   path, why, meant_file(s, path)));
}

/* Data that others write, such as rows of rules: a tenant's lies in its folder, and is part of the
 * generation. */
static int call_file(lua_State *L) {
  struct config_sandbox *s = self(L);
  const char *name = luaL_checkstring(L, 1);
  if (s->scope) {
    const struct bundle_file *file =
        s->scope->bundle ? bundle_own_find(s->scope->bundle, slice_of(name)) : NULL;
    if (!file)
      return push_faulty(
          L, arena_printf(&s->arena, "there is no file %s in the tenant's folder", name));
    lua_pushlstring(L, file->text.data, file->text.len);
    return 1;
  }
  const char *path = beside_config(s, name);
  struct bytes text;
  bytes_init(&text);
  const char *why = config_text_read(path, BUNDLE_FILE_BYTES, &text);
  if (!why) lua_pushlstring(L, text.len ? text.data : "", text.len);
  bytes_fini(&text);
  if (!why) return 1;
  return push_faulty(
      L, arena_printf(&s->arena, "file %s cannot be read (%s)%s", path, why, meant_file(s, path)));
}

static void copy_fields(lua_State *L, int from, const char *const *names) {
  for (; *names; names++) {
    lua_getfield(L, from, *names);
    lua_setfield(L, -2, *names);
  }
}

static void offer_library(lua_State *L, const char *library, const char *const *names) {
  lua_newtable(L);
  lua_getglobal(L, library);
  lua_insert(L, -2);
  copy_fields(L, lua_gettop(L) - 1, names);
  lua_setfield(L, 2, library);
  lua_pop(L, 1);
}

static void offer_call(lua_State *L, struct config_sandbox *s, const char *name,
                       lua_CFunction call) {
  lua_pushlightuserdata(L, s);
  lua_pushcclosure(L, call, 1);
  lua_setfield(L, 2, name);
}

static void open_library(lua_State *L, const char *name, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

static const char *const basics[] = {"pairs",  "ipairs", "tostring", "tonumber", "type",
                                     "select", "error",  "assert",   "unpack",   NULL};
static const char *const texts[] = {"byte", "char",    "format", "len",   "lower",
                                    "rep",  "reverse", "sub",    "upper", NULL};
static const char *const tables[] = {"concat", "insert", "maxn", "remove", "sort", NULL};
static const char *const numbers[] = {
    "abs",   "acos", "asin",  "atan", "atan2", "ceil", "cos",   "cosh", "deg", "exp",
    "floor", "fmod", "frexp", "huge", "ldexp", "log",  "log10", "max",  "min", "modf",
    "pi",    "pow",  "rad",   "sin",  "sinh",  "sqrt", "tan",   "tanh", NULL};

/* Stack: 1 the sandbox, 2 the table that the program takes for its globals. */
static int prepare(lua_State *L) {
  struct config_sandbox *s = lua_touserdata(L, 1);
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* compiled code calls no hooks */
  lua_pushlightuserdata(L, s);
  lua_setfield(L, LUA_REGISTRYINDEX, "sandbox");
  open_library(L, "", luaopen_base);
  open_library(L, LUA_STRLIBNAME, luaopen_string);
  open_library(L, LUA_TABLIBNAME, luaopen_table);
  open_library(L, LUA_MATHLIBNAME, luaopen_math);
  lua_newtable(L);
  copy_fields(L, LUA_GLOBALSINDEX, basics);
  offer_library(L, LUA_STRLIBNAME, texts);
  lua_getfield(L, 2, LUA_STRLIBNAME);
  text_library_add(L); /* the stock one may look for a match for ever, and no hook would end it */
  lua_pop(L, 1);
  offer_library(L, LUA_TABLIBNAME, tables);
  offer_library(L, LUA_MATHLIBNAME, numbers);
  offer_call(L, s, "env", call_env);
  offer_call(L, s, "secret_file", call_secret_file);
  offer_call(L, s, "file", call_file);
  lua_pushliteral(L, ""); /* ("x"):dump() would reach what the table leaves out */
  lua_getmetatable(L, -1);
  lua_getfield(L, 2, LUA_STRLIBNAME);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, 2);
  lua_setfield(L, LUA_REGISTRYINDEX, "globals");
  lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
  return 0;
}

void config_sandbox_init(struct config_sandbox *s, const char *path,
                         struct config_problems *problems) {
  *s = (struct config_sandbox){.path = path, .problems = problems};
  arena_init(&s->arena);
  s->state = lua_newstate(on_allocate, s);
  must(s->state != NULL);
  s->deadline_ns = thread_ns() + run_ns;
  must(lua_cpcall(s->state, prepare, s) == 0);
}

void config_sandbox_fini(struct config_sandbox *s) {
  lua_close(s->state);
  arena_fini(&s->arena);
}

struct config_secret *config_sandbox_secret(const struct config_sandbox *s, struct slice text) {
  for (struct config_secret *e = s->secrets; e; e = e->next) {
    if (slice_equal(e->text, text)) return e;
    if (e->text.len >= SECRET_PART_BYTES && text.len > e->text.len &&
        memmem(text.data, text.len, e->text.data, e->text.len))
      return e;
  }
  return NULL;
}

/* "config:12: message" as Lua writes it; the name is ours, so that no long path is shortened. */
static void report(struct config_sandbox *s, struct slice message) {
  struct slice prefix = SLICE("config:"), rest;
  uint64_t line = 0;
  if (slice_starts(message, prefix)) {
    struct slice digits = slice_cut(slice_skip(message, prefix.len), ':', &rest);
    if (slice_to_u64(digits, &line) && line < INT32_MAX) message = slice_trim(rest);
  }
  const struct config_secret *secret = config_sandbox_secret(s, message);
  if (secret && secret->problem) return; /* follows from what is reported anyway */
  if (secret) message = SLICE("an error whose message holds a secret; it is not shown");
  config_problem_at(s->problems, s->path, (int)line, "%.*s", (int)message.len, message.data);
}

static void report_top(struct config_sandbox *s, int status) {
  size_t len = 0;
  const char *text = lua_tolstring(s->state, -1, &len);
  if (status == LUA_ERRMEM)
    config_problem_at(s->problems, s->path, 0, "needs more than 64 MiB; build smaller tables");
  else if (text)
    report(s, (struct slice){text, len});
  else
    config_problem_at(s->problems, s->path, 0, "stopped with an error that is no text");
}

bool config_sandbox_run(struct config_sandbox *s, struct slice source) {
  lua_State *L = s->state;
  if (source.len && *source.data == LUA_SIGNATURE[0]) {
    config_problem_at(s->problems, s->path, 0, "is bytecode; configurations are source text");
    return false;
  }
  int status = luaL_loadbufferx(L, source.data, source.len, "=config", "t");
  if (status == 0) {
    lua_getfield(L, LUA_REGISTRYINDEX, "globals");
    lua_setfenv(L, -2);
    status = lua_pcall(L, 0, 1, 0);
  }
  bool is_run = status == 0;
  if (!is_run) {
    report_top(s, status);
  } else if (!lua_istable(L, -1)) {
    config_problem_at(s->problems, s->path, 0, "returns %s; end it with return { … }",
                      luaL_typename(L, -1));
    is_run = false;
  }
  return is_run;
}
