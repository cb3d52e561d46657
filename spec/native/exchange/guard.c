/* The output guard over the streams of every protocol, with a policy that masks a word and holds
 * back what may become one: however the words are split, the client reads the same. */
#include "exchange/guard.h"

#include "../check.h"
#include "exchange/policy.h"

enum { WINDOWS = 5000, WORD = 6 };

/* The policy: SECRET becomes ******. One held-back text for each window. */
static struct held {
  enum policy_channel channel;
  uint32_t index;
  struct bytes text;
} held[WINDOWS];
static size_t held_count;
static bool waits, was_denied;
static struct verdict verdict;

static struct bytes *held_of(const struct policy_delta *delta) {
  for (size_t i = 0; i < held_count; i++)
    if (held[i].channel == delta->channel && held[i].index == delta->index) return &held[i].text;
  must(held_count < WINDOWS);
  held[held_count] = (struct held){delta->channel, delta->index, {0}};
  return &held[held_count++].text;
}

static size_t live_prefix(struct slice text) {
  for (size_t len = text.len < WORD ? text.len : WORD - 1; len > 0; len--)
    if (memcmp(text.data + text.len - len, "SECRET", len) == 0) return len;
  return 0;
}

enum policy_progress policy_on_delta(struct policy_run *run, const struct policy_delta *delta,
                                     struct bytes *out) {
  (void)run;
  struct bytes *text = held_of(delta);
  bytes_append_slice(text, delta->text);
  char *found;
  while (text->len && (found = memmem(text->data, text->len, "SECRET", WORD)))
    memset(found, '*', WORD);
  size_t keep = delta->is_last || delta->is_overdue ? 0 : live_prefix(bytes_slice(text));
  bytes_append(out, text->data, text->len - keep);
  bytes_drop_front(text, text->len - keep);
  if (memmem(out->data ? out->data : "", out->len, "DENIED", 6)) verdict.kind = VERDICT_DENY;
  return waits ? POLICY_WAITING : POLICY_DONE;
}

const struct verdict *policy_verdict(const struct policy_run *run) {
  (void)run;
  return &verdict;
}

/* Held-back words are overdue at once, when a test asks for that. */
static bool is_overdue;
static uv_loop_t loop;
static struct exchange_host host = {.loop = &loop};
static struct config config = {.scripts_hold_ms = 1};

uint64_t policy_held_since_ns(const struct policy_run *run, struct policy_place *place) {
  (void)run;
  for (size_t i = 0; i < held_count && is_overdue; i++) {
    if (!held[i].text.len) continue;
    *place = (struct policy_place){held[i].channel, held[i].index};
    return 1;
  }
  return 0;
}

static bool is_over;

uint64_t policy_oldest_held_ns(const struct policy_run *run) {
  (void)run;
  return is_over && held_count ? 1 : 0;
}

void policy_hold_over(struct policy_run *run, struct slice why) {
  (void)run, (void)why;
  verdict.kind = VERDICT_DENY;
}

void relay_overdue(struct exchange *x) {
  guard_let_go(x->guard);
}

void policies_deny_reply(struct exchange *x, const struct verdict *v) {
  (void)x, (void)v;
  was_denied = true;
}

/* Streams: the words of one window in two or three deltas, split as the test says. */

static void begin(void) {
  for (size_t i = 0; i < held_count; i++)
    bytes_fini(&held[i].text);
  held_count = 0;
  verdict = (struct verdict){0};
  was_denied = waits = false;
}

struct spelled { /* a text in two parts */
  struct slice first, second;
};

static void write_chat(struct bytes *out, struct spelled text) {
  bytes_append_text(out, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
                         "\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n");
  struct slice parts[] = {text.first, text.second};
  for (size_t i = 0; i < 2; i++)
    bytes_printf(out,
                 "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%.*s\"},"
                 "\"logprobs\":{\"content\":[\"%.*s\"]},\"finish_reason\":null}]}\n\n",
                 (int)parts[i].len, parts[i].data, (int)parts[i].len, parts[i].data);
  bytes_append_text(out, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},"
                         "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
}

static void write_messages(struct bytes *out, struct spelled text) {
  bytes_append_text(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\","
                         "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
  struct slice parts[] = {text.first, text.second};
  for (size_t i = 0; i < 2; i++)
    bytes_printf(out,
                 "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                 "\"delta\":{\"type\":\"text_delta\",\"text\":\"%.*s\"}}\n\n",
                 (int)parts[i].len, parts[i].data);
  bytes_append_text(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
                         "\"index\":0}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}"
                         "\n\n");
}

static void write_responses(struct bytes *out, struct spelled text) {
  struct slice parts[] = {text.first, text.second};
  bytes_append_text(out, "event: response.created\ndata: {\"type\":\"response.created\","
                         "\"sequence_number\":0,\"response\":{\"output\":[]}}\n\n");
  for (int i = 0; i < 2; i++)
    bytes_printf(out,
                 "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\""
                 ",\"output_index\":0,\"content_index\":0,\"delta\":\"%.*s\",\"logprobs\":[],"
                 "\"sequence_number\":%d}\n\n",
                 (int)parts[i].len, parts[i].data, i + 1);
  bytes_printf(out,
               "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\","
               "\"output_index\":0,\"content_index\":0,\"text\":\"%.*s%.*s\",\"sequence_number\":3}"
               "\n\n",
               (int)text.first.len, text.first.data, (int)text.second.len, text.second.data);
  bytes_printf(out,
               "event: response.completed\ndata: {\"type\":\"response.completed\","
               "\"sequence_number\":4,\"response\":{\"id\":\"r\",\"output\":[{\"type\":\"message\","
               "\"content\":[{\"type\":\"output_text\",\"text\":\"%.*s%.*s\"}]}]}}\n\n",
               (int)text.first.len, text.first.data, (int)text.second.len, text.second.data);
}

/* What a client makes of a stream. */
struct reader {
  enum dialect dialect;
  struct bytes words, repeated;
  uint64_t next_number;
  bool is_numbered_right;
};

static bool on_read_frame(const struct sse_frame *frame, void *user) {
  struct reader *r = user;
  struct texts texts = {0};
  struct text_event event = {frame->name, frame->data};
  texts_of_event(&texts, r->dialect, &event);
  for (size_t i = 0; i < texts.count; i++) {
    bool is_last_copy = slice_equal(frame->name, SLICE("response.completed"));
    if (texts.pieces[i].is_whole && !is_last_copy) continue;
    (void)!json_string(texts.pieces[i].token, texts.pieces[i].is_whole ? &r->repeated : &r->words);
  }
  texts_fini(&texts);
  uint64_t number;
  if (json_to_u64(json_find(frame->data, "sequence_number"), &number))
    r->is_numbered_right = r->is_numbered_right && number == r->next_number++;
  return true;
}

static void read_stream(struct reader *r, struct slice stream) {
  struct sse sse;
  sse_init(&sse, 1 << 20, on_read_frame, r);
  CHECK(sse_feed(&sse, stream) == SSE_READ);
  CHECK(sse_held(&sse).len == 0);
  sse_fini(&sse);
}

static void reader_fini(struct reader *r) {
  bytes_fini(&r->words);
  bytes_fini(&r->repeated);
}

typedef void write_stream(struct bytes *out, struct spelled text);

static const struct stream_kind {
  enum dialect dialect;
  write_stream *write;
} kinds[] = {{DIALECT_CHAT, write_chat},
             {DIALECT_MESSAGES, write_messages},
             {DIALECT_RESPONSES, write_responses}};

/* The stream in pieces of `step` bytes. */
static void pass(struct guard *g, struct slice stream, size_t step) {
  for (size_t at = 0; at < stream.len; at += step) {
    struct slice part = {stream.data + at, stream.len - at < step ? stream.len - at : step};
    guard_feed(g, part);
    for (int turns = 0; waits && guard_is_busy(g) && turns < 100; turns++)
      guard_continue(g);
  }
  guard_finish(g);
  while (waits && guard_is_busy(g))
    guard_continue(g);
}

static void check_split(const struct stream_kind *kind, struct spelled text, bool is_waiting) {
  begin();
  waits = is_waiting;
  struct exchange x = {.host = &host, .config = &config, .route.dialect = kind->dialect};
  struct bytes stream = {0};
  kind->write(&stream, text);
  struct guard *g = guard_new(&x);
  pass(g, bytes_slice(&stream), 7);
  struct reader r = {.dialect = kind->dialect, .is_numbered_right = true};
  read_stream(&r, bytes_slice(guard_released(g)));
  CHECK_TEXT(bytes_slice(&r.words), "the word is ******, says SEC");
  CHECK(r.is_numbered_right);
  CHECK(!memmem(guard_released(g)->data, guard_released(g)->len, "SECRET", WORD));
  if (kind->dialect == DIALECT_RESPONSES) {
    CHECK_TEXT(bytes_slice(&r.repeated), "the word is ******, says SEC");
    CHECK(memmem(guard_response(g).data, guard_response(g).len, "is ******", 9) != NULL);
  }
  reader_fini(&r);
  bytes_fini(&stream);
  guard_free(g);
}

static void check_all_splits(void) {
  struct slice text = SLICE("the word is SECRET, says SEC");
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (size_t at = 0; at <= text.len; at++) {
      struct spelled spelled = {{text.data, at}, slice_skip(text, at)};
      check_split(&kinds[k], spelled, false);
      check_split(&kinds[k], spelled, true);
    }
}

/* Nobody changes anything: every byte stays. */
static void check_untouched(void) {
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    begin();
    struct exchange x = {.host = &host, .config = &config, .route.dialect = kinds[k].dialect};
    struct bytes stream = {0};
    kinds[k].write(&stream, (struct spelled){SLICE("plain "), SLICE("words")});
    struct guard *g = guard_new(&x);
    guard_feed(g, bytes_slice(&stream));
    CHECK(slice_equal(bytes_slice(guard_released(g)), bytes_slice(&stream)) ||
          kinds[k].dialect == DIALECT_RESPONSES);
    struct reader r = {.dialect = kinds[k].dialect, .is_numbered_right = true};
    read_stream(&r, bytes_slice(guard_released(g)));
    CHECK_TEXT(bytes_slice(&r.words), "plain words");
    reader_fini(&r);
    bytes_fini(&stream);
    guard_free(g);
  }
}

static void check_denied(void) {
  begin();
  struct exchange x = {.host = &host, .config = &config, .route.dialect = DIALECT_CHAT};
  struct bytes stream = {0};
  write_chat(&stream, (struct spelled){SLICE("fine so far "), SLICE("DENIED SECRET")});
  struct guard *g = guard_new(&x);
  guard_feed(g, bytes_slice(&stream));
  CHECK(was_denied);
  CHECK(memmem(guard_released(g)->data, guard_released(g)->len, "fine", 4) != NULL);
  CHECK(memmem(guard_released(g)->data, guard_released(g)->len, "DENIED", 6) == NULL);
  size_t before = guard_released(g)->len;
  guard_feed(g, bytes_slice(&stream));
  guard_finish(g);
  CHECK(guard_released(g)->len == before);
  bytes_fini(&stream);
  guard_free(g);
}

/* Words in several choices and calls at once do not run into one another. */
static void check_interleaved(void) {
  begin();
  struct exchange x = {.host = &host, .config = &config, .route.dialect = DIALECT_CHAT};
  struct guard *g = guard_new(&x);
  guard_feed(g, SLICE("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a SEC\"}},"
                      "{\"index\":1,\"delta\":{\"content\":\"b SEC\"}}]}\n\n"
                      "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"RET\"}},"
                      "{\"index\":0,\"delta\":{\"content\":\"OND\"}}]}\n\n"
                      "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
                      "\"function\":{\"arguments\":\"{\\\"k\\\":\\\"SE\"}},{\"index\":1,"
                      "\"function\":{\"arguments\":\"CRET\"}}]}}]}\n\n"
                      "data: [DONE]\n\n"));
  struct slice out = bytes_slice(guard_released(g));
  CHECK(memmem(out.data, out.len, "\"content\":\"SECOND\"", 18) != NULL);
  CHECK(memmem(out.data, out.len, "\"content\":\"******\"", 18) != NULL);
  CHECK(memmem(out.data, out.len, "\"arguments\":\"CRET\"", 18) != NULL);
  CHECK(memmem(out.data, out.len, "\"arguments\":\"SE\"", 16) != NULL);
  CHECK(out.len > 14 && memcmp(out.data + out.len - 14, "data: [DONE]\n\n", 14) == 0);
  guard_free(g);
}

/* Words that are held back go out on time, and those that follow after them. */
static void check_overdue(void) {
  begin();
  is_overdue = true;
  struct exchange x = {.host = &host, .config = &config, .route.dialect = DIALECT_CHAT};
  struct guard *g = x.guard = guard_new(&x);
  guard_feed(g, SLICE("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a SEC\"}}]}\n\n"));
  CHECK(memmem(guard_released(g)->data, guard_released(g)->len, "SEC", 3) == NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(memmem(guard_released(g)->data, guard_released(g)->len, "\"SEC\"", 5) != NULL);
  size_t before = guard_released(g)->len;
  guard_feed(g, SLICE("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"OND\"}}]}\n\n"));
  CHECK(memmem(guard_released(g)->data + before, guard_released(g)->len - before, "OND", 3));
  is_overdue = false;
  guard_free(g);
}

/* What may not be held any longer is refused, and nothing of it is shown. */
static void check_held_too_long(void) {
  begin();
  is_over = true;
  struct config bounded = {.scripts_hold_longest_ms = 1};
  struct exchange x = {.host = &host, .config = &bounded, .route.dialect = DIALECT_CHAT};
  struct guard *g = x.guard = guard_new(&x);
  guard_feed(g, SLICE("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a SEC\"}}]}\n\n"));
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(was_denied);
  CHECK(memmem(guard_released(g)->data, guard_released(g)->len, "SEC", 3) == NULL);
  is_over = false;
  guard_free(g);
}

/* A provider that opens windows without end is stopped; ours time out of mind would be spent. */
static void check_many_windows(void) {
  begin();
  struct exchange x = {.host = &host, .config = &config, .route.dialect = DIALECT_CHAT};
  struct guard *g = guard_new(&x);
  struct bytes frame;
  bytes_init(&frame);
  int fed = 0;
  for (; fed < 10000 && !was_denied; fed++) {
    bytes_clear(&frame);
    bytes_printf(&frame,
                 "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,"
                 "\"function\":{\"arguments\":\"x y\"}}]}}]}\n\n",
                 fed);
    guard_feed(g, bytes_slice(&frame));
  }
  CHECK(was_denied && fed > 1000 && fed < 5000);
  bytes_fini(&frame);
  guard_free(g);
}

int main(void) {
  must(uv_loop_init(&loop) == 0);
  check_overdue();
  check_held_too_long();
  check_many_windows();
  check_all_splits();
  check_untouched();
  check_denied();
  check_interleaved();
  begin();
  uv_run(&loop, UV_RUN_DEFAULT);
  must(uv_loop_close(&loop) == 0);
  return checks_end();
}
