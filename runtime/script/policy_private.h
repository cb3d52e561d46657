/* Inside of a chain and its runs, for the files policy*, surface* and api_* only. */
#pragma once
#include <lua.h>

#include "base/arena.h"
#include "detect/detect.h"
#include "script/body_texts.h"
#include "script/policy.h"

struct surface;
struct detect_stream;
struct detect_rules;

enum {
  POLICY_WALL_MS = 100,
  POLICY_HOLD_BYTES = 64 << 10,
  POLICY_TAGS_MAX = 32,
  POLICY_TAG_BYTES = 128,
  POLICY_CODE_CHARACTERS = 64, /* of a denial; longer ones are cut */
  POLICY_MESSAGE_CHARACTERS = 1000,
  POLICY_PARAM_CHARACTERS = 200,
  POLICY_NAMES_MAX = 64, /* of capabilities, and of providers */
  POLICY_TRACES_MAX = 64,
  POLICY_WHY_BYTES = 200,
  POLICY_IDLE_THREADS = 8
};

/* What of a request wakes a hook, looked for without Lua. Any of it is enough. */
struct waking {
  struct detect_rules *rules; /* counted; NULL: none */
  bool is_set;                /* false: the hook runs for every request */
  bool attachments;           /* something that nothing looks into */
  bool session; /* the request belongs to a session, and the policy's store is not empty */
};

struct loaded_policy {
  struct slice name, module;
  unsigned hooks;
  int functions[POLICY_HOOK_COUNT]; /* in the registry */
  int settings;                     /* the table, in the registry */
  enum policy_on_error on_error;
  struct waking waking; /* of on_request */
  bool is_house;        /* ships or is the operator's: runs in a realm of its own */
  bool holds_stream;    /* stream = "hold": on_reply at the end of a stream, nothing before */
  uint32_t breaches;
};

struct policy_chain {
  struct sandbox *sandbox;
  struct surface *surface;
  lua_State *L;
  struct arena arena;
  struct policy_settings settings;
  struct loaded_policy *policies;
  size_t count;
  unsigned hooks;
  uint64_t next_id;
  size_t runs;
  struct { /* finished coroutines, ready for another run */
    lua_State *L;
    int reference;
  } idle[POLICY_IDLE_THREADS];
  size_t idle_count;
  bool is_direct; /* of a spec: hooks run inside of the spec's own entry, and nothing waits */
};

struct window { /* of one policy and one text */
  struct window *next;
  uint32_t policy, index;
  enum policy_channel channel;
  struct bytes text;            /* held back, and while its hook runs what is new */
  struct detect_stream *stream; /* of delta:detect; NULL: not called */
  struct detect_rules *rules;
  struct detect_findings pending; /* that may yet overlap with others */
  uint64_t since_ns;              /* when the first byte of text came; 0: there is no text */
  uint64_t oldest_ns;             /* the same, however often its hook was told it is overdue */
  size_t fresh;                   /* bytes of its end that came with this call */
  size_t fed, unfed; /* bytes that the stream has had; of the window's end, that it has not */
};

struct scans { /* of the request's texts, by rules that several policies share */
  struct detect_findings *texts;
  bool *is_known;
  size_t count;
  struct detect_rules *rules; /* NULL: there are no scans */
};

struct wait { /* what the running hook waits for */
  bool is_active, is_sleep;
  void *fetch; /* NULL: sleeping, or none */
  uint64_t sleep_ms;
  const struct policy_fetch_reply *reply; /* while it is pushed */
  struct policy_fetch_request request;    /* in the run's arena */
};

struct run_timer { /* freed by its own close callback: a run may end first */
  uv_timer_t timer;
  struct policy_run *run; /* NULL: closing */
};

struct body_reading {
  struct json_index index;
  struct body_texts texts;
};

struct policy_pool {
  struct policy_run *first;
  size_t count;
  struct body_reading reading; /* memory for one run after the other: so it stays near */
};

struct policy_run {
  struct policy_chain *chain;
  struct policy_run *next; /* of the pool's spare ones */
  struct policy_request request;
  struct slice session; /* once has_session */
  bool has_session;
  const struct policy_callbacks *callbacks;
  void *context;
  uint64_t id;
  struct arena arena;
  struct verdict verdict;

  /* The coroutine. */
  lua_State *L;
  int reference;
  int notes; /* table of each policy's own notes, in the registry; LUA_NOREF */
  int views; /* table of decoded views, in the registry; LUA_NOREF */
  uint32_t views_policy;
  uint64_t views_version, edit_count;

  /* The hook that is running. */
  enum policy_hook call, hook; /* what C asked for; the hook that serves it */
  uint32_t at;                 /* policy */
  bool in_call, is_waiting;    /* is_waiting: POLICY_WAITING was answered */
  uint64_t started_ns;         /* 0: nothing woke it */
  uint64_t cpu_ns;             /* used by all parts of it */
  size_t traces_before, edits;
  struct wait wait;
  struct run_timer *timer;

  /* The body as it now is. */
  struct bytes body; /* after the first structural edit or flush; else the client's is in force */
  bool owns_body, has_texts, has_pending, has_index;
  /* Of the body without pending edits, while a call of hooks lasts; the pool's memory. */
  struct body_reading reading;
  struct bytes **replaced; /* beside the texts; NULL where a text stays, and where all do */
  struct scans scans;      /* of the texts as they now are */
  uint32_t version;        /* counts structural edits: texts taken before are stale */

  uint32_t house_tags; /* bit by bit: set by a policy of the house, which no tenant's may change */
  struct policy_trace *traces;
  size_t trace_count, trace_room;

  const struct policy_candidate *candidates;
  uint32_t *order;
  size_t candidate_count, order_count;

  const struct policy_delta *delta; /* own_delta while on_delta runs, without its text; or NULL */
  struct policy_delta own_delta;
  struct window *windows, *window; /* window: of the running hook; its text is what the hook sees */
  struct bytes passed;             /* what the policies so far let through */
  struct bytes *out;
  struct policy_text *replies; /* of the running on_reply */
  size_t reply_count, reply_at;
  struct policy_text held_reply; /* the one of a stream that was held */

  const struct policy_outcome *outcome;

  /* Not cleared for each run: counts say how much of them means something. */
  struct policy_tag tags[POLICY_TAGS_MAX];
  struct slice capabilities[POLICY_NAMES_MAX], providers[POLICY_NAMES_MAX];
};

/* policy_run.c */
enum policy_progress policy_call(struct policy_run *run, enum policy_hook hook);
void policy_trace(struct policy_run *run, const char *what, struct slice why);
void policy_trace_pass(struct policy_run *run); /* a hook that said nothing; once for each */
const struct loaded_policy *policy_now(const struct policy_run *run);

/* policy_body.c: the body and its texts as the hooks have left them. */
struct slice policy_body(struct policy_run *run);       /* with every edit in it */
size_t policy_body_bytes(const struct policy_run *run); /* without pending edits of texts */
struct body_texts *policy_texts(struct policy_run *run);
/* Of the body as it is without the edits of its texts. */
const struct json_index *policy_index(struct policy_run *run);
void policy_reading_fini(struct body_reading *r);
void policy_reading_end(struct policy_run *run); /* texts and index are made again when needed */
bool policy_text_is_sent(const struct policy_run *run, size_t index); /* no hook has changed it */
/* The text as it now is, appended to out. */
void policy_text(struct policy_run *run, size_t index, struct bytes *out);
struct bytes *policy_text_edit(struct policy_run *run, size_t index); /* cleared, to be filled */
/* Takes a whole new body. */
void policy_body_take(struct policy_run *run, struct bytes *body);
void policy_body_fini(struct policy_run *run);
void policy_scans_drop(struct policy_run *run);

/* policy_waking.c: what `wakes` of a policy said lies at index. NULL, or a sentence about what is
 * wrong with it. */
const char *policy_waking_take(lua_State *L, int index, struct surface *s, struct waking *waking);
void policy_waking_fini(struct waking *waking);
bool policy_wakes(struct policy_run *run); /* the hook that is to run has something to do */

const char *policy_hook_name(enum policy_hook hook); /* "on_request" */

/* policy_hooks.c: which policies a call concerns, what each hook is called with, and what its
 * results mean. push leaves the arguments on L and returns their number; take reads the results
 * (raw) and answers NULL, or a sentence about what is wrong with them. */
bool policy_wants(struct policy_run *run);       /* sets run->hook */
bool policy_again(struct policy_run *run);       /* the same policy has more to do */
void policy_finish_call(struct policy_run *run); /* after the last policy */
int policy_push(struct policy_run *run, lua_State *L);
const char *policy_take(struct policy_run *run, lua_State *L, int results);
/* policy_route.c */
const char *policy_take_order(struct policy_run *run, lua_State *L, int results);
/* policy_output.c */
bool policy_wants_delta(struct policy_run *run);
bool policy_wants_reply(struct policy_run *run);
bool policy_again_reply(struct policy_run *run);
const char *policy_take_delta(struct policy_run *run, lua_State *L, int results);
/* problem: what is wrong with the results, or NULL. */
const char *policy_take_reply(struct policy_run *run, const char *problem);
void policy_pass_delta(struct policy_run *run); /* the hook has failed and its policy passes */
void policy_finish_delta(struct policy_run *run);
void policy_finish_reply(struct policy_run *run);
void policy_windows_fini(struct policy_run *run);

/* policy_verdict.c: each answers NULL, or why not. */
struct policy_denial {
  int status;
  struct slice code, message, param;
};
void policy_deny(struct policy_run *run, const struct policy_denial *denial);
void policy_answer(struct policy_run *run, int status, struct slice text, struct slice body);
const char *policy_require_residency(struct policy_run *run, struct slice residency);
const char *policy_require_capability(struct policy_run *run, struct slice capability);
void policy_require_context(struct policy_run *run, uint64_t tokens);
/* Only these providers: what an earlier call allowed too. */
const char *policy_require_providers(struct policy_run *run, const struct slice *names,
                                     size_t count);
const char *policy_tag(struct policy_run *run, struct slice name, struct slice value);

/* policy_wait.c: what hooks wait for. fetch: NULL, or why not; the hook awaits next. */
const char *policy_fetch(struct policy_run *run, const struct policy_fetch_request *request);
void policy_sleep(struct policy_run *run, uint64_t ms);
const char *policy_wait_arm(struct policy_run *run); /* the timer of budget and sleep */
void policy_wait_stop(struct policy_run *run);       /* cancels what is under way */
int policy_wait_push(struct policy_run *run);        /* results of the wait, onto run->L */
void policy_resume(struct policy_run *run);          /* policy_run.c: what it waited for came */
void policy_timeout(struct policy_run *run);

/* policy_chain.c: the one policy whose table lies at index of L, called from inside an entry. NULL
 * with the problems. */
struct policy_chain *policy_chain_new_direct(lua_State *L, int index,
                                             const struct policy_entry *entry, struct bytes *error);

/* policy_settings.c: takes the schema (or nil) from the top of L and leaves the settings, checked
 * and with defaults. False: error has a line for each problem. */
bool policy_settings_take(lua_State *L, const struct policy_entry *entry, struct bytes *error);
