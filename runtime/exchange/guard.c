/* Words that are held back leave in a frame made after the newest one of their kind: each
 * protocol's own shape, without a writer for each. A queue keeps the frames behind a hook that
 * waits. */
#include "exchange/guard.h"

#include <stdlib.h>

#include "base/clock.h"

#include "exchange/policy.h"

/* A provider decides how many windows there are; each is looked for among all of them. */
enum { WINDOWS_MOST = 4096, LET_GO_MOST = 64 };

struct window {
  struct list link;
  enum policy_channel channel;
  uint32_t index;
  bool is_open, is_changed;
  struct bytes said;       /* all that was released; compared with what the provider said */
  struct bytes original;   /* Responses only, which repeats it all */
  struct bytes name, data; /* the newest frame of this window */
  size_t token_at, token_len;
};

struct queued { /* one frame; texts in the same allocation */
  struct list link;
  struct slice raw, name, data;
  bool has_data;
};

enum phase { PHASE_IDLE, PHASE_ENDING, PHASE_PIECES };

struct guard {
  struct exchange *x;
  uv_timer_t timer; /* runs while words are held back */
  struct sse sse;
  struct list frames, windows;
  size_t window_count;
  size_t pending_bytes;
  struct bytes released, word; /* word: one decoded text, or the hook's answer to it */
  struct bytes response;
  uint64_t sequence;
  struct texts texts;
  struct slice *replacements; /* beside texts.pieces; NULL data: unchanged */
  size_t replacement_room, piece;
  struct arena arena; /* of the frame that is being worked on */
  enum phase phase;
  struct window *flushing;
  bool waits, finishing, stopped;
  bool is_letting_go; /* the window that is flushed goes on */
};

/* Windows. */

static struct window *window_find(struct guard *g, enum policy_channel channel, uint32_t index) {
  list_each(node, &g->windows) {
    struct window *w = list_entry(node, struct window, link);
    if (w->channel == channel && w->index == index) return w;
  }
  return NULL;
}

static struct window *window_get(struct guard *g, enum policy_channel channel, uint32_t index) {
  struct window *w = window_find(g, channel, index);
  if (w) return w;
  w = must_calloc(1, sizeof *w);
  w->channel = channel;
  w->index = index;
  list_append(&g->windows, &w->link);
  g->window_count++;
  return w;
}

static void window_free(struct window *w) {
  list_remove(&w->link);
  bytes_fini(&w->said);
  bytes_fini(&w->original);
  bytes_fini(&w->name);
  bytes_fini(&w->data);
  free(w);
}

static void remember_frame(struct window *w, const struct queued *frame, struct slice token) {
  bytes_clear(&w->name);
  bytes_clear(&w->data);
  bytes_append_slice(&w->name, frame->name);
  bytes_append_slice(&w->data, frame->data);
  w->token_at = (size_t)(token.data - frame->data.data);
  w->token_len = token.len;
}

/* Writing frames. */

static void write_frame(struct guard *g, struct slice name, struct slice data) {
  struct bytes *out = &g->released;
  if (name.len) {
    bytes_append_text(out, "event: ");
    bytes_append_slice(out, name);
    bytes_append_byte(out, '\n');
  }
  while (data.len) {
    struct slice line = slice_cut(data, '\n', &data);
    bytes_append_text(out, "data: ");
    bytes_append_slice(out, line);
    bytes_append_byte(out, '\n');
  }
  bytes_append_byte(out, '\n');
}

/* Frames may come and go here, and clients of Responses count them. */
static struct slice renumbered(struct guard *g, struct slice data) {
  if (g->x->route.dialect != DIALECT_RESPONSES) return data;
  struct slice number = json_find(data, "sequence_number");
  if (!number.data) return data;
  char text[24];
  int len = snprintf(text, sizeof text, "%llu", (unsigned long long)g->sequence++);
  struct slice end = slice_skip(data, (size_t)(number.data + number.len - data.data));
  struct slice parts[] = {{data.data, (size_t)(number.data - data.data)}, {text, (size_t)len}, end};
  return arena_join(&g->arena, parts, 3);
}

/* Log probabilities spell the words as they were: they go where the words change. */
static struct splice without_logprobs(struct slice logprobs) {
  bool is_list = json_type(logprobs) == JSON_ARRAY;
  return (struct splice){logprobs, is_list ? SLICE("[]") : SLICE("null")};
}

static bool has_splice(const struct splice *splices, size_t count, struct slice old) {
  for (size_t i = 0; i < count; i++)
    if (splices[i].old.data == old.data) return true;
  return false;
}

static struct slice quoted(struct guard *g, struct slice words) {
  struct bytes text;
  bytes_init(&text);
  json_quote(&text, words);
  struct slice kept = arena_slice(&g->arena, bytes_slice(&text));
  bytes_fini(&text);
  return kept;
}

/* The remembered frame with other words; what else it said has been sent. */
static void write_flushed(struct guard *g, const struct window *w, struct slice words) {
  struct slice data = bytes_slice(&w->data);
  struct texts texts = {0};
  struct text_event event = {bytes_slice(&w->name), data};
  texts_of_event(&texts, g->x->route.dialect, &event);
  struct splice *splices = arena_alloc(&g->arena, (2 * texts.count + 1) * sizeof *splices);
  size_t count = 0;
  for (size_t i = 0; i < texts.count; i++) {
    const struct text_piece *piece = &texts.pieces[i];
    bool is_own = (size_t)(piece->token.data - data.data) == w->token_at;
    splices[count++] = (struct splice){piece->token, is_own ? quoted(g, words) : SLICE("\"\"")};
    if (piece->logprobs.len && !has_splice(splices, count, piece->logprobs))
      splices[count++] = without_logprobs(piece->logprobs);
  }
  struct slice written = splice_all(data, splices, count, &g->arena);
  texts_fini(&texts);
  write_frame(g, bytes_slice(&w->name), renumbered(g, written));
}

/* Asking the policies. */

static bool ask(struct guard *g, const struct policy_delta *delta) {
  bytes_clear(&g->word);
  if (policy_on_delta(g->x->run, delta, &g->word) == POLICY_WAITING) {
    g->waits = true;
    return false;
  }
  return true;
}

static bool is_denied(struct guard *g) {
  const struct verdict *verdict = policy_verdict(g->x->run);
  if (verdict->kind != VERDICT_DENY) return false;
  g->stopped = true;
  policies_deny_reply(g->x, verdict);
  return true;
}

static void refuse_to_hold(struct guard *g, struct slice why) {
  policy_hold_over(g->x->run, why);
  (void)is_denied(g);
}

static bool is_ending(const struct guard *g, const struct window *w) {
  if (g->finishing || g->texts.ends_all) return true;
  for (size_t i = 0; i < g->texts.end_count; i++)
    if ((w->index & g->texts.ends[i].mask) == g->texts.ends[i].value) return true;
  return false;
}

/* A frame that ends a window and carries its last words needs no frame before it. */
static bool has_own_piece(const struct guard *g, const struct window *w) {
  for (size_t i = 0; i < g->texts.count; i++) {
    const struct text_piece *p = &g->texts.pieces[i];
    if (!p->is_whole && p->channel == w->channel && p->index == w->index) return true;
  }
  return false;
}

static void take_flushed(struct guard *g) {
  struct window *w = g->flushing;
  g->flushing = NULL;
  w->is_open = g->is_letting_go;
  if (g->word.len == 0) return;
  if (g->x->route.dialect == DIALECT_RESPONSES) bytes_append_slice(&w->said, bytes_slice(&g->word));
  write_flushed(g, w, bytes_slice(&g->word));
}

/* Lets the words of ending windows go. False: a hook waits, or has denied. */
static bool flush_windows(struct guard *g) {
  list_each(node, &g->windows) {
    struct window *w = list_entry(node, struct window, link);
    if (!w->is_open || !is_ending(g, w) || has_own_piece(g, w)) continue;
    g->flushing = w;
    struct policy_delta delta = {
        .channel = w->channel, .index = w->index, .text = {"", 0}, .is_last = true};
    if (!ask(g, &delta) || is_denied(g)) return false;
    take_flushed(g);
  }
  return true;
}

static void decode(const struct text_piece *piece, struct bytes *out) {
  if (piece->is_raw)
    bytes_append_slice(out, piece->token);
  else
    (void)!json_string(piece->token, out);
}

static struct slice decoded(struct guard *g, const struct text_piece *piece) {
  struct bytes text;
  bytes_init(&text);
  decode(piece, &text);
  struct slice kept = arena_slice(&g->arena, bytes_slice(&text));
  bytes_fini(&text);
  return kept;
}

/* What repeats earlier words repeats them as the client read them. */
static bool repeat(struct guard *g, const struct text_piece *piece, const struct window *w) {
  struct slice all = decoded(g, piece);
  if (!w || !slice_equal(all, bytes_slice(&w->original))) return false;
  if (!slice_equal(all, bytes_slice(&w->said)))
    g->replacements[g->piece] = quoted(g, bytes_slice(&w->said));
  return true;
}

static void take_piece(struct guard *g, const struct queued *frame) {
  const struct text_piece *piece = &g->texts.pieces[g->piece];
  struct window *w = window_get(g, piece->channel, piece->index);
  struct slice before = decoded(g, piece), after = bytes_slice(&g->word);
  if (!piece->is_whole) {
    remember_frame(w, frame, piece->token);
    w->is_open = !is_ending(g, w);
  }
  if (g->x->route.dialect == DIALECT_RESPONSES) {
    if (piece->is_whole) bytes_clear(&w->original), bytes_clear(&w->said);
    bytes_append_slice(&w->original, before);
    bytes_append_slice(&w->said, after);
  }
  if (!slice_equal(before, after)) g->replacements[g->piece] = quoted(g, after);
  g->piece++;
}

/* False: a hook waits, or has denied. */
static bool ask_pieces(struct guard *g, const struct queued *frame) {
  while (g->piece < g->texts.count) {
    const struct text_piece *piece = &g->texts.pieces[g->piece];
    struct window *w = window_find(g, piece->channel, piece->index);
    if (piece->is_whole && (texts_say_nothing(piece) || repeat(g, piece, w))) {
      g->piece++;
      continue;
    }
    if (!w && g->window_count == WINDOWS_MOST) {
      refuse_to_hold(g, SLICE("the reply has more parts than policies can guard"));
      return false;
    }
    bool is_last = piece->is_whole || (w ? is_ending(g, w) : g->texts.ends_all);
    for (size_t i = 0; !is_last && i < g->texts.end_count; i++)
      is_last = (piece->index & g->texts.ends[i].mask) == g->texts.ends[i].value;
    struct policy_delta delta = {.channel = piece->channel,
                                 .index = piece->index,
                                 .text = decoded(g, piece),
                                 .is_last = is_last};
    if (!ask(g, &delta) || is_denied(g)) return false;
    take_piece(g, frame);
  }
  return true;
}

/* Frames. */

static size_t collect(struct guard *g, struct splice *splices) {
  size_t count = 0;
  for (size_t i = 0; i < g->texts.count; i++) {
    const struct text_piece *piece = &g->texts.pieces[i];
    if (!g->replacements[i].data) continue;
    splices[count++] = (struct splice){piece->token, g->replacements[i]};
    if (piece->logprobs.len && !has_splice(splices, count, piece->logprobs))
      splices[count++] = without_logprobs(piece->logprobs);
  }
  return count;
}

static struct slice spliced(struct guard *g, struct slice data) {
  struct splice *splices = arena_alloc(&g->arena, (2 * g->texts.count + 1) * sizeof *splices);
  return splice_all(data, splices, collect(g, splices), &g->arena);
}

static bool is_changed(const struct guard *g) {
  for (size_t i = 0; i < g->texts.count; i++)
    if (g->replacements[i].data) return true;
  return false;
}

static void write_queued(struct guard *g, const struct queued *frame) {
  bool is_response = g->x->route.dialect == DIALECT_RESPONSES;
  if (!frame->has_data || (!is_changed(g) && !is_response)) {
    bytes_append_slice(&g->released, frame->raw);
    return;
  }
  struct slice data = spliced(g, frame->data);
  if (is_response && g->texts.ends_all) {
    bytes_clear(&g->response);
    bytes_append_slice(&g->response, json_find(data, "response"));
  }
  write_frame(g, frame->name, renumbered(g, data));
}

static void look_at(struct guard *g, const struct queued *frame) {
  struct text_event event = {frame->name, frame->data};
  texts_of_event(&g->texts, g->x->route.dialect, &event);
  if (g->texts.count > g->replacement_room) {
    free(g->replacements);
    g->replacement_room = g->texts.count;
    g->replacements = must_calloc(g->replacement_room, sizeof *g->replacements);
  }
  for (size_t i = 0; i < g->texts.count; i++)
    g->replacements[i] = (struct slice){NULL, 0};
  g->piece = 0;
  g->phase = PHASE_ENDING;
}

static void drop_first(struct guard *g) {
  struct queued *frame = list_entry(g->frames.next, struct queued, link);
  g->pending_bytes -= frame->raw.len;
  list_remove(&frame->link);
  free(frame);
  arena_fini(&g->arena);
  arena_init(&g->arena);
  g->phase = PHASE_IDLE;
}

/* False: it is not done with the frame. */
static bool work_on(struct guard *g, struct queued *frame) {
  if (g->phase == PHASE_IDLE && frame->has_data) look_at(g, frame);
  if (g->phase == PHASE_ENDING) {
    if (!flush_windows(g)) return false;
    g->phase = PHASE_PIECES;
  }
  if (g->phase == PHASE_PIECES && !ask_pieces(g, frame)) return false;
  write_queued(g, frame);
  drop_first(g);
  return true;
}

static void run(struct guard *g) {
  while (!g->waits && !g->stopped && !list_empty(&g->frames))
    if (!work_on(g, list_entry(g->frames.next, struct queued, link))) return;
  if (g->waits || g->stopped || !g->finishing) return;
  g->texts.count = 0;
  flush_windows(g);
}

static uint64_t hold_ns(const struct guard *g) {
  return (uint64_t)g->x->config->scripts_hold_ms * 1000000u;
}

/* When no policy may hold on any longer; 0: none does, or it may for ever. */
static uint64_t end_ns(const struct guard *g) {
  uint64_t longest = (uint64_t)g->x->config->scripts_hold_longest_ms * 1000000u;
  uint64_t since = longest ? policy_oldest_held_ns(g->x->run) : 0;
  return since ? since + longest : 0;
}

/* When the next window's words have been held for long enough; 0: none are held. */
static uint64_t due_ns(const struct guard *g) {
  uint64_t end = end_ns(g);
  struct policy_place place;
  uint64_t since = hold_ns(g) ? policy_held_since_ns(g->x->run, &place) : 0;
  uint64_t due = since ? since + hold_ns(g) : 0;
  return due && (!end || due < end) ? due : end;
}

static void on_timer(uv_timer_t *timer) {
  struct guard *g = timer->data;
  relay_overdue(g->x);
}

/* While a hook waits or frames wait behind one, whatever comes next arms it again. */
static void arm(struct guard *g) {
  bool is_idle = !g->waits && !g->stopped && !g->finishing && list_empty(&g->frames);
  uint64_t due = is_idle ? due_ns(g) : 0, now = clock_mono_ns();
  if (!due)
    uv_timer_stop(&g->timer);
  else
    uv_timer_start(&g->timer, on_timer, due > now ? (due - now) / 1000000u + 1 : 1, 0);
}

void guard_let_go(struct guard *g) {
  uint64_t now = clock_mono_ns();
  if (g->waits || g->stopped || g->finishing || !list_empty(&g->frames)) return;
  uint64_t end = end_ns(g);
  if (end && end <= now) {
    refuse_to_hold(g, SLICE("the reply was held back for as long as scripts.hold_longest allows"));
    return;
  }
  g->is_letting_go = true;
  for (int i = 0; i < LET_GO_MOST && hold_ns(g); i++) {
    struct policy_place place;
    uint64_t since = policy_held_since_ns(g->x->run, &place);
    struct window *w = since ? window_find(g, place.channel, place.index) : NULL;
    if (!w || !w->is_open || since + hold_ns(g) > now) break;
    g->flushing = w;
    struct policy_delta delta = {
        .channel = w->channel, .index = w->index, .text = {"", 0}, .is_overdue = true};
    if (!ask(g, &delta)) return;
    if (is_denied(g)) break;
    take_flushed(g);
  }
  g->is_letting_go = false;
  arm(g);
}

void guard_continue(struct guard *g) {
  if (!g->waits) return;
  g->waits = false;
  if (is_denied(g)) return;
  if (g->flushing)
    take_flushed(g);
  else
    take_piece(g, list_entry(g->frames.next, struct queued, link));
  g->is_letting_go = false;
  run(g);
  arm(g);
}

static struct slice put(char **at, struct slice text) {
  memcpy(*at, text.data, text.len);
  struct slice kept = {*at, text.len};
  *at += text.len;
  return kept;
}

static bool on_frame(const struct sse_frame *frame, void *user) {
  struct guard *g = user;
  struct queued *q = must_alloc(sizeof *q + frame->raw.len + frame->name.len + frame->data.len);
  char *at = (char *)(q + 1);
  *q = (struct queued){.has_data = frame->has_data};
  list_init(&q->link);
  if (frame->raw.len) q->raw = put(&at, frame->raw);
  if (frame->name.len) q->name = put(&at, frame->name);
  if (frame->data.len) q->data = put(&at, frame->data);
  g->pending_bytes += q->raw.len;
  list_append(&g->frames, &q->link);
  return true;
}

struct guard *guard_new(struct exchange *x) {
  struct guard *g = must_calloc(1, sizeof *g);
  g->x = x;
  /* What comes here was cut to limits.frame before; a translation may make more of it. */
  sse_init(&g->sse, SIZE_MAX / 2, on_frame, g);
  list_init(&g->frames);
  list_init(&g->windows);
  arena_init(&g->arena);
  must(uv_timer_init(x->host->loop, &g->timer) == 0);
  g->timer.data = g;
  return g;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void guard_free(struct guard *g) {
  if (!g) return;
  list_each_safe(node, &g->frames) {
    free(list_entry(node, struct queued, link));
  }
  list_each_safe(node, &g->windows) {
    window_free(list_entry(node, struct window, link));
  }
  sse_fini(&g->sse);
  texts_fini(&g->texts);
  free(g->replacements);
  bytes_fini(&g->released);
  bytes_fini(&g->word);
  bytes_fini(&g->response);
  arena_fini(&g->arena);
  uv_close((uv_handle_t *)&g->timer, on_closed);
}

void guard_feed(struct guard *g, struct slice data) {
  if (g->stopped) return;
  must(sse_feed(&g->sse, data) == SSE_READ);
  run(g);
  arm(g);
}

void guard_finish(struct guard *g) {
  if (g->finishing) return;
  g->finishing = true;
  uv_timer_stop(&g->timer);
  (void)!sse_finish(&g->sse);
  run(g);
}

bool guard_is_busy(const struct guard *g) {
  return g->waits || (!g->stopped && !list_empty(&g->frames));
}

size_t guard_pending_bytes(const struct guard *g) {
  return g->pending_bytes;
}

struct bytes *guard_released(struct guard *g) {
  return &g->released;
}

struct slice guard_response(const struct guard *g) {
  return bytes_slice(&g->response);
}
