/* What the model says, as the shadow would let it through and as it went out. Of both only lengths
 * and hashes are kept, for each window of text. */
#include <stdlib.h>

#include "exchange/policy.h"
#include "exchange/shadow_state.h"

enum { REPLY_HOOKS = 1u << POLICY_ON_DELTA | 1u << POLICY_ON_REPLY };

static bool on_live_frame(const struct sse_frame *frame, void *user);
static bool on_own_frame(const struct sse_frame *frame, void *user);

static void side_init(struct side *side) {
  list_init(&side->windows);
}

static void side_read(struct side *side, sse_on_frame *on_frame, struct shadow *s) {
  if (side->is_reading) return;
  side->is_reading = true;
  sse_init(&side->sse, SIZE_MAX / 2, on_frame, s); /* frames are bounded before they come here */
}

static void side_fini(struct side *side) {
  list_each_safe(node, &side->windows) {
    free(list_entry(node, struct spoken, link));
  }
  if (side->is_reading) sse_fini(&side->sse);
  texts_fini(&side->texts);
}

void shadow_reply_init(struct shadow *s) {
  side_init(&s->live);
  side_init(&s->own);
}

void shadow_reply_fini(struct shadow *s) {
  side_fini(&s->live);
  side_fini(&s->own);
  bytes_fini(&s->word);
  bytes_fini(&s->reply);
  bytes_fini(&s->live_reply);
}

static struct spoken *spoken_find(const struct side *side, enum policy_channel channel,
                                  uint32_t index) {
  list_each(node, &side->windows) {
    struct spoken *w = list_entry(node, struct spoken, link);
    if (w->channel == channel && w->index == index) return w;
  }
  return NULL;
}

static struct spoken *spoken_get(struct side *side, enum policy_channel channel, uint32_t index) {
  struct spoken *w = spoken_find(side, channel, index);
  if (w) return w;
  w = must_calloc(1, sizeof *w);
  *w = (struct spoken){.channel = channel, .index = index, .hash = 14695981039346656037u};
  list_append(&side->windows, &w->link);
  return w;
}

static void say(struct spoken *w, struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    w->hash = (w->hash ^ (unsigned char)text.data[i]) * 1099511628211u;
  w->bytes += text.len;
}

/* The order of the windows says nothing: the sum is over all of them. */
static void describe(const struct side *side, struct bytes *out) {
  uint64_t bytes = 0, sum = 0;
  list_each(node, &side->windows) {
    const struct spoken *w = list_entry(node, struct spoken, link);
    if (w->bytes == 0) continue;
    bytes += w->bytes;
    sum += (w->hash ^ ((uint64_t)w->channel << 32 | w->index)) * 1099511628211u;
  }
  bytes_printf(out, "reply of %llu bytes %016llx", (unsigned long long)bytes,
               (unsigned long long)sum);
}

static void decode(const struct text_piece *piece, struct bytes *out) {
  bytes_clear(out);
  if (piece->is_raw)
    bytes_append_slice(out, piece->token);
  else
    (void)!json_string(piece->token, out);
}

/* Streams. */

static bool is_ending(const struct side *side, uint32_t index) {
  if (side->texts.ends_all) return true;
  for (size_t i = 0; i < side->texts.end_count; i++)
    if ((index & side->texts.ends[i].mask) == side->texts.ends[i].value) return true;
  return false;
}

static void ask(struct shadow *s, struct spoken *w, struct slice text, bool is_last) {
  struct policy_delta delta = {
      .channel = w->channel, .index = w->index, .text = text, .is_last = is_last};
  struct bytes out;
  if (s->is_over) return;
  bytes_init(&out);
  shadow_begin(s);
  if (s->run)
    shadow_end(s, policy_on_delta(s->run, &delta, &out));
  else
    bytes_append_slice(&out, text);
  say(w, bytes_slice(&out));
  w->is_open = !is_last;
  bytes_fini(&out);
}

static bool has_own_piece(const struct side *side, const struct spoken *w) {
  for (size_t i = 0; i < side->texts.count; i++) {
    const struct text_piece *p = &side->texts.pieces[i];
    if (!p->is_whole && p->channel == w->channel && p->index == w->index) return true;
  }
  return false;
}

static void end_windows(struct shadow *s, bool all) {
  list_each(node, &s->own.windows) {
    struct spoken *w = list_entry(node, struct spoken, link);
    bool ends = all || (is_ending(&s->own, w->index) && !has_own_piece(&s->own, w));
    if (w->is_open && ends) ask(s, w, (struct slice){"", 0}, true);
  }
}

static bool look_at(struct shadow *s, struct side *side, const struct sse_frame *frame) {
  if (!frame->has_data) return false;
  struct text_event event = {frame->name, frame->data};
  texts_of_event(&side->texts, s->x->route.dialect, &event);
  return true;
}

/* What repeats the words before it is none of them. */
static bool is_repeated(const struct side *side, const struct text_piece *piece) {
  if (!piece->is_whole) return false;
  return texts_say_nothing(piece) || spoken_find(side, piece->channel, piece->index);
}

static bool on_live_frame(const struct sse_frame *frame, void *user) {
  struct shadow *s = user;
  if (!look_at(s, &s->live, frame)) return true;
  for (size_t i = 0; i < s->live.texts.count; i++) {
    const struct text_piece *piece = &s->live.texts.pieces[i];
    if (is_repeated(&s->live, piece)) continue;
    decode(piece, &s->word);
    say(spoken_get(&s->live, piece->channel, piece->index), bytes_slice(&s->word));
  }
  return true;
}

static bool on_own_frame(const struct sse_frame *frame, void *user) {
  struct shadow *s = user;
  if (!look_at(s, &s->own, frame)) return true;
  end_windows(s, false);
  for (size_t i = 0; i < s->own.texts.count; i++) {
    const struct text_piece *piece = &s->own.texts.pieces[i];
    if (is_repeated(&s->own, piece)) continue;
    decode(piece, &s->word);
    bool is_last = piece->is_whole || is_ending(&s->own, piece->index);
    ask(s, spoken_get(&s->own, piece->channel, piece->index), bytes_slice(&s->word), is_last);
  }
  return true;
}

/* Without hooks on either side the reply is the same for both. */
static bool looks(const struct shadow *s) {
  if (!s || s->is_over || s->x->route.endpoint != ENDPOINT_GENERATE) return false;
  if (s->x->route.dialect == DIALECT_EMBEDDINGS) return false; /* no words */
  return policies_guard(s->x) || shadow_may(s, REPLY_HOOKS);
}

void shadow_feed(struct exchange *x, struct slice data) {
  struct shadow *s = x->shadow;
  if (!data.len || !looks(s)) return;
  s->has_reply = true;
  side_read(&s->own, on_own_frame, s);
  (void)!sse_feed(&s->own.sse, data);
}

void shadow_sent(struct exchange *x, struct slice data) {
  struct shadow *s = x->shadow;
  if (!data.len || !s || !s->has_reply) return;
  side_read(&s->live, on_live_frame, s);
  (void)!sse_feed(&s->live.sse, data);
}

/* Whole replies. */

static void read_reply(struct shadow *s, struct side *side) {
  texts_of_reply(&side->texts, s->x->route.dialect, s->x->answer.body);
}

static void say_pieces(struct shadow *s, struct side *side) {
  for (size_t i = 0; i < side->texts.count; i++) {
    const struct text_piece *piece = &side->texts.pieces[i];
    decode(piece, &s->word);
    say(spoken_get(side, piece->channel, piece->index), bytes_slice(&s->word));
  }
}

void shadow_reply(struct exchange *x) {
  struct shadow *s = x->shadow;
  if (!looks(s)) return;
  s->has_reply = true;
  read_reply(s, &s->own);
  if (!s->run) {
    say_pieces(s, &s->own);
    return;
  }
  size_t count = s->own.texts.count;
  struct policy_text *items = arena_alloc(&x->arena, (count + 1) * sizeof *items);
  for (size_t i = 0; i < count; i++) {
    decode(&s->own.texts.pieces[i], &s->word);
    items[i] = (struct policy_text){.channel = s->own.texts.pieces[i].channel,
                                    .text = arena_slice(&x->arena, bytes_slice(&s->word))};
  }
  shadow_begin(s);
  shadow_end(s, policy_on_reply(s->run, items, count));
  for (size_t i = 0; i < count; i++) {
    const struct text_piece *piece = &s->own.texts.pieces[i];
    say(spoken_get(&s->own, piece->channel, piece->index), items[i].changed);
  }
}

void shadow_replied(struct exchange *x) {
  struct shadow *s = x->shadow;
  if (!s || !s->has_reply) return;
  read_reply(s, &s->live);
  say_pieces(s, &s->live);
}

/* A reply that broke off says nothing about the two, unless a policy has ended it. */
void shadow_reply_compare(struct shadow *s) {
  struct exchange *x = s->x;
  const struct verdict *verdict = x->run ? policy_verdict(x->run) : NULL;
  bool is_denied = verdict && verdict->kind == VERDICT_DENY;
  if (!s->has_reply || s->is_spent || (x->failure != FAILURE_NONE && !is_denied)) return;
  end_windows(s, true);
  if (s->is_spent) return;
  const struct verdict *own = s->run ? policy_verdict(s->run) : NULL;
  if (own && own->kind == VERDICT_DENY)
    shadow_describe(own, &s->reply);
  else
    describe(&s->own, &s->reply);
  if (is_denied)
    shadow_describe(verdict, &s->live_reply);
  else
    describe(&s->live, &s->live_reply);
  shadow_decide(s, x->is_stream ? "on_delta" : "on_reply", bytes_slice(&s->live_reply),
                bytes_slice(&s->reply));
}
