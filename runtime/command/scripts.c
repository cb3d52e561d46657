/* `gateyes scripts`: asks the running gateway about tenants' scripts, and changes them. */
#include "command/scripts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "command/commands.h"
#include "command/door.h"
#include "command/http.h"
#include "load.h"
#include "script/bundle.h"

enum { WORDS_MAX = 4, KEYS_MAX = 32 };

struct words {
  const char *config_path, *items[WORDS_MAX], *keys[KEYS_MAX], *percent, *to;
  size_t count, key_count;
  bool json, shadow;
  struct admin_door door;
};

static const char usage[] =
    "usage: gateyes scripts <action> [--config PATH] [--json]\n\n"
    "  list [TENANT]             what runs, what was refused and why, what is kept\n"
    "  show TENANT [NUMBER [FILE]]  the files of a generation, the running one by default\n"
    "  diff TENANT [OLD [NEW]]   what changed; by default from the one before to the running one\n"
    "  push TENANT FOLDER        take the files of a folder as a new generation;\n"
    "                            with --percent N or --key NAME as a canary, or with --shadow\n"
    "  rollback TENANT [--to NUMBER]  run what ran before it again; once more: what ran before "
    "that\n"
    "  canary TENANT NUMBER --percent N [--key NAME]   run it for a part of the requests\n"
    "  shadow TENANT [NUMBER]    let it decide without effect; without a number: where it differs\n"
    "  promote TENANT [NUMBER]   the canary, the shadow or that generation runs from now on\n"
    "  drop TENANT               end the canary and the shadow\n";

static void append_path(struct bytes *out, const char *tenant, const char *rest) {
  bytes_append_text(out, "/admin/tenants/");
  for (const unsigned char *c = (const unsigned char *)tenant; *c; c++) {
    bool is_plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= 'a' && *c <= 'z') || strchr("-_.~", *c);
    if (is_plain)
      bytes_append_byte(out, (char)*c);
    else
      bytes_printf(out, "%%%02X", *c);
  }
  bytes_append_text(out, "/scripts");
  if (*rest) bytes_append_byte(out, '/');
  bytes_append_text(out, rest);
}

/* 0, or the exit status; reply->body is to be freed in any case. */
static int ask(const struct words *w, const char *method, const char *path, struct slice body,
               struct admin_reply *reply) {
  struct admin_call call = {method, path, body};
  if (!admin_ask(&w->door, &call, reply)) return 1;
  if (reply->status == 200) return 0;
  if (w->json)
    printf("%s", bytes_text(&reply->body));
  else
    scripts_print_error(bytes_slice(&reply->body));
  return 1;
}

static int ask_tenant(const struct words *w, const char *method, const char *rest,
                      struct slice body, struct admin_reply *reply) {
  struct bytes path;
  bytes_init(&path);
  append_path(&path, w->items[1], rest);
  int status = ask(w, method, bytes_text(&path), body, reply);
  bytes_fini(&path);
  return status;
}

static int list(const struct words *w) {
  struct admin_reply reply;
  struct slice nothing = {"", 0};
  int status = w->count > 1 ? ask_tenant(w, "GET", "", nothing, &reply)
                            : ask(w, "GET", "/admin/scripts", nothing, &reply);
  if (status == 0 && w->json)
    printf("%s", bytes_text(&reply.body));
  else if (status == 0 && w->count > 1)
    scripts_print_tenant(bytes_slice(&reply.body), true);
  else if (status == 0)
    scripts_print_list(bytes_slice(&reply.body));
  bytes_fini(&reply.body);
  return status;
}

/* The number of a role, as text: "running", "before". */
static int find_number(const struct words *w, bool before, char out[24]) {
  struct admin_reply reply;
  int status = ask_tenant(w, "GET", "", (struct slice){"", 0}, &reply);
  uint64_t number = 0;
  if (status == 0) {
    struct slice found = json_find(bytes_slice(&reply.body), before ? "before" : "running");
    if (!json_to_u64(found, &number)) number = 0;
    snprintf(out, 24, "%llu", (unsigned long long)number);
    if (number == 0) {
      fprintf(stderr, "gateyes scripts: %s; name a generation of gateyes scripts list %s\n",
              before ? "nothing that ran before the running one is kept" : "nothing runs",
              w->items[1]);
      status = 1;
    }
  }
  bytes_fini(&reply.body);
  return status;
}

static int show(const struct words *w) {
  char number[24];
  struct admin_reply reply;
  int status = w->count > 2 ? 0 : find_number(w, false, number);
  if (status) return status;
  status = ask_tenant(w, "GET", w->count > 2 ? w->items[2] : number, (struct slice){"", 0}, &reply);
  if (status == 0 && w->json)
    printf("%s", bytes_text(&reply.body));
  else if (status == 0 &&
           !scripts_print_files(bytes_slice(&reply.body), w->count > 3 ? w->items[3] : NULL)) {
    fprintf(stderr, "gateyes scripts: generation %s of %s has no file %s\n", w->items[2],
            w->items[1], w->items[3]);
    status = 1;
  }
  bytes_fini(&reply.body);
  return status;
}

static int diff(const struct words *w) {
  char old_number[24], new_number[24];
  struct admin_reply before = {0}, after = {0};
  struct slice nothing = {"", 0};
  int status = w->count > 2 ? 0 : find_number(w, true, old_number);
  if (!status && w->count < 4) status = find_number(w, false, new_number);
  if (!status)
    status = ask_tenant(w, "GET", w->count > 2 ? w->items[2] : old_number, nothing, &before);
  if (!status)
    status = ask_tenant(w, "GET", w->count > 3 ? w->items[3] : new_number, nothing, &after);
  if (!status && w->json)
    printf("{\"old\":%s,\"new\":%s}\n", bytes_text(&before.body), bytes_text(&after.body));
  else if (!status && !scripts_print_diff(bytes_slice(&before.body), bytes_slice(&after.body)))
    printf("no difference\n");
  bytes_fini(&before.body);
  bytes_fini(&after.body);
  return status;
}

static void append_share(struct bytes *out, const struct words *w) {
  bytes_printf(out, "\"percent\":%s,\"keys\":[", w->percent ? w->percent : "0");
  for (size_t i = 0; i < w->key_count; i++) {
    if (i) bytes_append_byte(out, ',');
    json_quote(out, slice_of(w->keys[i]));
  }
  bytes_append_byte(out, ']');
}

static int change(const struct words *w, const char *action, struct bytes *body) {
  struct admin_reply reply;
  int status = ask_tenant(w, "POST", action, bytes_slice(body), &reply);
  if (status == 0 && w->json)
    printf("%s", bytes_text(&reply.body));
  else if (status == 0)
    scripts_print_tenant(bytes_slice(&reply.body), false);
  bytes_fini(&reply.body);
  bytes_fini(body);
  return status;
}

static int push(const struct words *w) {
  struct config_problems problems;
  struct bytes body;
  config_problems_init(&problems);
  bytes_init(&body);
  struct bundle *b = bundle_read(slice_of(w->items[2]), NULL, &problems);
  bool fine = b && bundle_check_texts(b, &problems);
  load_print_problems(&problems);
  config_problems_fini(&problems);
  if (!fine) {
    bundle_unref(b);
    return 1;
  }
  bytes_append_text(&body, "{\"files\":");
  bundle_write_json(b, &body);
  if (w->percent || w->key_count) {
    bytes_append_text(&body, ",\"canary\":{");
    append_share(&body, w);
    bytes_append_byte(&body, '}');
  } else if (w->shadow) {
    bytes_append_text(&body, ",\"shadow\":true");
  }
  bytes_append_byte(&body, '}');
  bundle_unref(b);
  return change(w, "", &body);
}

static int act(const struct words *w) {
  struct bytes body;
  bytes_init(&body);
  bytes_append_byte(&body, '{');
  const char *number = w->count > 2 ? w->items[2] : w->to;
  if (number) bytes_printf(&body, "\"generation\":%s", number);
  if (strcmp(w->items[0], "canary") == 0) {
    bytes_append_byte(&body, ',');
    append_share(&body, w);
  }
  bytes_append_byte(&body, '}');
  return change(w, w->items[0], &body);
}

static int shadow(const struct words *w) {
  struct admin_reply reply;
  if (w->count > 2) return act(w);
  int status = ask_tenant(w, "GET", "differences", (struct slice){"", 0}, &reply);
  if (status == 0 && w->json)
    printf("%s", bytes_text(&reply.body));
  else if (status == 0)
    scripts_print_differences(bytes_slice(&reply.body));
  bytes_fini(&reply.body);
  return status;
}

static const struct {
  const char *name;
  size_t least, most; /* words, its own name counted */
  int (*run)(const struct words *w);
} actions[] = {
    {"list", 1, 2, list},     {"show", 2, 4, show},    {"diff", 2, 4, diff},
    {"push", 3, 3, push},     {"rollback", 2, 3, act}, {"canary", 3, 3, act},
    {"shadow", 2, 3, shadow}, {"promote", 2, 3, act},  {"drop", 2, 2, act},
};

static bool is_number(const char *text) {
  uint64_t number;
  return slice_to_u64(slice_of(text), &number);
}

/* Takes the option at argv[i]; 0 when it is none. */
static int take_option(struct words *w, int left, char **at) {
  const char *value = left > 1 ? at[1] : NULL;
  if (strcmp(at[0], "--json") == 0) w->json = true;
  if (strcmp(at[0], "--shadow") == 0) w->shadow = true;
  if (strcmp(at[0], "--json") == 0 || strcmp(at[0], "--shadow") == 0) return 1;
  if (!value) return 0;
  if (strcmp(at[0], "--config") == 0) {
    w->config_path = value;
  } else if (strcmp(at[0], "--percent") == 0 && is_number(value)) {
    w->percent = value;
  } else if (strcmp(at[0], "--to") == 0 && is_number(value)) {
    w->to = value;
  } else if (strcmp(at[0], "--key") == 0 && w->key_count < KEYS_MAX) {
    w->keys[w->key_count++] = value;
  } else {
    return 0;
  }
  return 2;
}

static bool read_words(struct words *w, int argc, char **argv) {
  for (int i = 1; i < argc;) {
    int taken = argv[i][0] == '-' ? take_option(w, argc - i, &argv[i]) : 0;
    if (taken == 0 && (argv[i][0] == '-' || w->count == WORDS_MAX)) return false;
    if (taken == 0) w->items[w->count++] = argv[i++];
    i += taken;
  }
  bool has_number = w->count > 2 && strcmp(w->items[0], "push") != 0;
  if (w->to && (w->count != 2 || strcmp(w->items[0], "rollback") != 0)) return false;
  return w->count > 0 && !(has_number && !is_number(w->items[2]));
}

int scripts_main(int argc, char **argv) {
  struct words w = {.count = 0};
  int (*run)(const struct words *) = NULL;
  bool fine = read_words(&w, argc, argv);
  for (size_t i = 0; fine && i < sizeof actions / sizeof *actions; i++)
    if (strcmp(w.items[0], actions[i].name) == 0 && w.count >= actions[i].least &&
        w.count <= actions[i].most)
      run = actions[i].run;
  if (!run) {
    fputs(usage, stderr);
    return 2;
  }
  if (!admin_door_open("scripts", w.config_path, &w.door)) return 1;
  int status = run(&w);
  admin_door_close(&w.door);
  return status;
}
