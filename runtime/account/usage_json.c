#include "account/usage_json.h"

struct counted { /* a count that may be missing */
  uint64_t value;
  bool known;
};

static struct counted count_of(struct slice value) {
  struct counted c = {0};
  double number;
  if (!value.data) return c;
  if (!json_to_u64(value, &c.value)) {
    if (!json_to_double(value, &number) || number < 0 || number >= (double)USAGE_COUNT_MAX)
      return c;
    c.value = (uint64_t)number;
  }
  c.known = c.value <= USAGE_COUNT_MAX;
  if (!c.known) c.value = 0;
  return c;
}

static struct counted first_known(struct counted a, struct counted b) {
  return a.known ? a : b;
}

static uint64_t less(uint64_t from, uint64_t part) { /* never below zero */
  return from > part ? from - part : 0;
}

static void set(uint64_t *target, struct counted value) {
  if (value.known) *target = value.value;
}

/* One pass over an object; what is no object has no members. */
static bool read_members(struct slice object, struct json_member *members, size_t count) {
  return json_members(object, members, count, JSON_DEPTH_MAX, NULL);
}

static struct counted field(const struct json_member *member) {
  return count_of(member->value);
}

/* What both details objects of OpenAI may hold, under either API's names. */
struct details {
  struct counted cached, written, reasoning, audio;
};

enum { CACHED_TOKENS, CACHE_WRITE_TOKENS, REASONING_TOKENS, AUDIO_TOKENS };
enum { DETAILS = USAGE_DETAIL_FIELDS };

#define DETAILS_FIELDS                                                                             \
  {                                                                                                \
    [CACHED_TOKENS] = {.key = SLICE("cached_tokens")},                                             \
    [CACHE_WRITE_TOKENS] = {.key = SLICE("cache_write_tokens")},                                   \
    [REASONING_TOKENS] = {.key = SLICE("reasoning_tokens")},                                       \
    [AUDIO_TOKENS] = {.key = SLICE("audio_tokens")},                                               \
  }

static struct details read_details(const struct json_member *member) {
  const struct json_member *f = member->inside;
  if (member->type != JSON_OBJECT) return (struct details){0};
  return (struct details){field(&f[CACHED_TOKENS]), field(&f[CACHE_WRITE_TOKENS]),
                          field(&f[REASONING_TOKENS]), field(&f[AUDIO_TOKENS])};
}

enum { INPUT, OUTPUT, INPUT_DETAILS, OUTPUT_DETAILS, COMMON };
enum { TOTAL = COMMON, CACHE_HIT, CACHED, REASONING }; /* of chat only */

static void take_details(const struct details *in, const struct details *out, struct usage *u) {
  set(&u->cache_write_5m, in->written);
  set(&u->reasoning, out->reasoning);
  set(&u->audio_input, in->audio);
  set(&u->audio_output, out->audio);
}

/* xAI and Google's compatible endpoint leave reasoning out of completion_tokens and count it in
 * total_tokens only; Google's may not name it either. (A gap as wide as the cached tokens is a
 * prompt that was counted without them.) */
static struct counted chat_output(struct counted completion, struct counted total, uint64_t prompt,
                                  uint64_t cached) {
  uint64_t gap = total.known ? less(total.value, prompt + completion.value) : 0;
  if (gap > 0 && gap != cached) return (struct counted){completion.value + gap, true};
  return completion.known ? completion : (struct counted){0, total.known};
}

void usage_chat_init(struct usage_chat *c) {
  *c = (struct usage_chat){
      .in = DETAILS_FIELDS,
      .out = DETAILS_FIELDS,
      .top = {
          [INPUT] = {.key = SLICE("prompt_tokens")},
          [OUTPUT] = {.key = SLICE("completion_tokens")},
          [INPUT_DETAILS] = {.key = SLICE("prompt_tokens_details"), .inside_count = DETAILS},
          [OUTPUT_DETAILS] = {.key = SLICE("completion_tokens_details"), .inside_count = DETAILS},
          [TOTAL] = {.key = SLICE("total_tokens")},
          [CACHE_HIT] = {.key = SLICE("prompt_cache_hit_tokens")},
          [CACHED] = {.key = SLICE("cached_tokens")},
          [REASONING] = {.key = SLICE("reasoning_tokens")}}};
  c->top[INPUT_DETAILS].inside = c->in;
  c->top[OUTPUT_DETAILS].inside = c->out;
}

/* OpenAI counts what the cache gave and took inside prompt_tokens; it has one lifetime for writes.
 */
bool usage_chat_take(const struct usage_chat *c, struct usage *u) {
  const struct json_member *f = c->top;
  struct counted prompt = field(&f[INPUT]), completion = field(&f[OUTPUT]);
  struct counted total = field(&f[TOTAL]);
  if (!prompt.known && !completion.known && !total.known) return false;
  struct details in = read_details(&f[INPUT_DETAILS]), out = read_details(&f[OUTPUT_DETAILS]);
  struct counted read =
      first_known(in.cached, first_known(field(&f[CACHE_HIT]), field(&f[CACHED])));
  out.reasoning = first_known(out.reasoning, field(&f[REASONING]));
  u->input = less(prompt.value, read.value + in.written.value);
  set(&u->cache_read, read);
  struct counted output =
      chat_output(completion, total, prompt.value, read.value + in.written.value);
  bool is_unnamed = completion.known && output.value > completion.value && !out.reasoning.known;
  if (is_unnamed) out.reasoning = (struct counted){output.value - completion.value, true};
  set(&u->output, output);
  take_details(&in, &out, u);
  return true;
}

static bool read_chat(struct slice body, struct usage *u) {
  struct usage_chat c;
  usage_chat_init(&c);
  return read_members(body, c.top, USAGE_CHAT_FIELDS) && usage_chat_take(&c, u);
}

static bool read_responses(struct slice body, struct usage *u) {
  struct json_member in_fields[] = DETAILS_FIELDS, out_fields[] = DETAILS_FIELDS;
  struct json_member f[COMMON] = {[INPUT] = {.key = SLICE("input_tokens")},
                                  [OUTPUT] = {.key = SLICE("output_tokens")},
                                  [INPUT_DETAILS] = {.key = SLICE("input_tokens_details"),
                                                     .inside = in_fields,
                                                     .inside_count = DETAILS},
                                  [OUTPUT_DETAILS] = {.key = SLICE("output_tokens_details"),
                                                      .inside = out_fields,
                                                      .inside_count = DETAILS}};
  if (!read_members(body, f, COMMON)) return false;
  struct counted input = field(&f[INPUT]), output = field(&f[OUTPUT]);
  if (!input.known && !output.known) return false;
  struct details in = read_details(&f[INPUT_DETAILS]), out = read_details(&f[OUTPUT_DETAILS]);
  u->input = less(input.value, in.cached.value + in.written.value);
  set(&u->cache_read, in.cached);
  set(&u->output, output);
  take_details(&in, &out, u);
  return true;
}

/* message_delta repeats only the sum of cache writes: what message_start said is 1h stays 1h, the
 * rest has the default lifetime, 5m. */
static void read_cache_writes(struct slice creation, struct counted total, struct usage *u) {
  struct json_member f[] = {{.key = SLICE("ephemeral_5m_input_tokens")},
                            {.key = SLICE("ephemeral_1h_input_tokens")}};
  read_members(creation, f, 2);
  struct counted five = field(&f[0]);
  set(&u->cache_write_1h, field(&f[1]));
  if (five.known)
    u->cache_write_5m = five.value;
  else if (total.known)
    u->cache_write_5m = less(total.value, u->cache_write_1h);
}

void usage_read_service(struct slice value, struct usage *usage) {
  int tier = service_tier_find(json_string_raw(value));
  if (tier >= 0) usage->service = (enum service_tier)tier;
}

void usage_find_service(struct slice object, struct usage *usage) {
  struct json_member response = {.key = SLICE("service_tier")}, own = response;
  struct json_member in_usage = response, message_usage = {.key = SLICE("usage")};
  struct json_member f[] = {{.key = SLICE("service_tier")},
                            {.key = SLICE("response"), .inside = &response, .inside_count = 1},
                            {.key = SLICE("usage"), .inside = &in_usage, .inside_count = 1},
                            {.key = SLICE("message"), .inside = &message_usage, .inside_count = 1}};
  if (!read_members(object, f, sizeof f / sizeof *f)) return;
  if (message_usage.type == JSON_OBJECT && read_members(message_usage.value, &own, 1))
    usage_read_service(own.value, usage);
  usage_read_service(f[0].value, usage);
  usage_read_service(response.value, usage);
  usage_read_service(in_usage.value, usage);
}

static void add_capped(uint64_t *sum, uint64_t more) {
  *sum = more < USAGE_COUNT_MAX - *sum ? *sum + more : USAGE_COUNT_MAX;
}

/* What was sampled within the request, and is billed, but stands in `iterations` alone: a summary
 * of the conversation, an adviser's words. The others are in the sums already.
 * https://platform.claude.com/docs/en/build-with-claude/compaction */
static void add_iteration(struct slice body, struct usage *u) {
  enum { TYPE, IN, OUT, READ, WRITTEN, CREATION, FIELDS };
  struct json_member long_lived = {.key = SLICE("ephemeral_1h_input_tokens")};
  struct json_member f[FIELDS] = {
      [TYPE] = {.key = SLICE("type")},
      [IN] = {.key = SLICE("input_tokens")},
      [OUT] = {.key = SLICE("output_tokens")},
      [READ] = {.key = SLICE("cache_read_input_tokens")},
      [WRITTEN] = {.key = SLICE("cache_creation_input_tokens")},
      [CREATION] = {.key = SLICE("cache_creation"), .inside = &long_lived, .inside_count = 1}};
  if (!read_members(body, f, FIELDS)) return;
  struct slice type = json_string_raw(f[TYPE].value);
  if (!slice_equal_text(type, "compaction") && !slice_equal_text(type, "advisor_message")) return;
  uint64_t written_1h = field(&long_lived).value;
  add_capped(&u->input, field(&f[IN]).value);
  add_capped(&u->output, field(&f[OUT]).value);
  add_capped(&u->cache_read, field(&f[READ]).value);
  add_capped(&u->cache_write_1h, written_1h);
  add_capped(&u->cache_write_5m, less(field(&f[WRITTEN]).value, written_1h));
}

/* Anthropic counts the cache beside input_tokens. */
static bool read_messages(struct slice body, struct usage *u) {
  enum { CACHE_READ = COMMON, CACHE_WRITTEN, SERVICE, ITERATIONS, FIELDS };
  struct json_member f[FIELDS] = {[INPUT] = {.key = SLICE("input_tokens")},
                                  [OUTPUT] = {.key = SLICE("output_tokens")},
                                  [INPUT_DETAILS] = {.key = SLICE("cache_creation")},
                                  [OUTPUT_DETAILS] = {.key = SLICE("output_tokens_details")},
                                  [CACHE_READ] = {.key = SLICE("cache_read_input_tokens")},
                                  [CACHE_WRITTEN] = {.key = SLICE("cache_creation_input_tokens")},
                                  [SERVICE] = {.key = SLICE("service_tier")},
                                  [ITERATIONS] = {.key = SLICE("iterations")}};
  struct json_member thinking = {.key = SLICE("thinking_tokens")};
  if (!read_members(body, f, FIELDS)) return false;
  struct counted input = field(&f[INPUT]), output = field(&f[OUTPUT]);
  if (!input.known && !output.known) return false;
  read_members(f[OUTPUT_DETAILS].value, &thinking, 1);
  set(&u->input, input);
  set(&u->output, output);
  set(&u->cache_read, field(&f[CACHE_READ]));
  set(&u->reasoning, field(&thinking));
  usage_read_service(f[SERVICE].value, u);
  read_cache_writes(f[INPUT_DETAILS].value, field(&f[CACHE_WRITTEN]), u);
  /* Beside sums that are all stated again: none of them has grown by an earlier frame. */
  bool is_whole = input.known && output.known && field(&f[CACHE_READ]).known &&
                  field(&f[CACHE_WRITTEN]).known && f[ITERATIONS].type == JSON_ARRAY;
  if (is_whole)
    for (struct json_walk w = json_walk_of(f[ITERATIONS].value); json_walk_next(&w);)
      add_iteration(w.value, u);
  return true;
}

static bool read_embeddings(struct slice body, struct usage *u) {
  struct json_member f[] = {{.key = SLICE("prompt_tokens")}, {.key = SLICE("total_tokens")}};
  read_members(body, f, 2);
  struct counted prompt = first_known(field(&f[0]), field(&f[1]));
  if (prompt.known) u->input = prompt.value;
  return prompt.known;
}

bool usage_read(enum dialect format, struct slice object, struct usage *usage) {
  if (json_type(object) != JSON_OBJECT) return false;
  switch (format) {
  case DIALECT_EMBEDDINGS: return read_embeddings(object, usage);
  case DIALECT_RESPONSES: return read_responses(object, usage);
  case DIALECT_MESSAGES: return read_messages(object, usage);
  default: return read_chat(object, usage);
  }
}

static void write_count(struct bytes *out, const char *before, uint64_t count) {
  bytes_append_text(out, before);
  bytes_append_u64(out, count);
}

static void write_chat(struct bytes *out, const struct usage *u) {
  uint64_t prompt = usage_prompt_tokens(u);
  write_count(out, "{\"prompt_tokens\":", prompt);
  write_count(out, ",\"completion_tokens\":", u->output);
  write_count(out, ",\"total_tokens\":", prompt + u->output);
  write_count(out, ",\"prompt_tokens_details\":{\"cached_tokens\":", u->cache_read);
  write_count(out, ",\"audio_tokens\":", u->audio_input);
  write_count(out, "},\"completion_tokens_details\":{\"reasoning_tokens\":", u->reasoning);
  write_count(out, ",\"audio_tokens\":", u->audio_output);
  bytes_append_text(out, "}}");
}

static void write_embeddings(struct bytes *out, const struct usage *u) {
  write_count(out, "{\"prompt_tokens\":", usage_prompt_tokens(u));
  write_count(out, ",\"total_tokens\":", usage_prompt_tokens(u));
  bytes_append_byte(out, '}');
}

static void write_responses(struct bytes *out, const struct usage *u) {
  uint64_t input = usage_prompt_tokens(u);
  write_count(out, "{\"input_tokens\":", input);
  write_count(out, ",\"input_tokens_details\":{\"cached_tokens\":", u->cache_read);
  write_count(out, "},\"output_tokens\":", u->output);
  write_count(out, ",\"output_tokens_details\":{\"reasoning_tokens\":", u->reasoning);
  write_count(out, "},\"total_tokens\":", input + u->output);
  bytes_append_byte(out, '}');
}

static void write_messages(struct bytes *out, const struct usage *u) {
  write_count(out, "{\"input_tokens\":", u->input);
  write_count(out, ",\"cache_creation_input_tokens\":", u->cache_write_5m + u->cache_write_1h);
  write_count(out, ",\"cache_read_input_tokens\":", u->cache_read);
  write_count(out, ",\"cache_creation\":{\"ephemeral_5m_input_tokens\":", u->cache_write_5m);
  write_count(out, ",\"ephemeral_1h_input_tokens\":", u->cache_write_1h);
  write_count(out, "},\"output_tokens\":", u->output);
  bytes_append_byte(out, '}');
}

void usage_write(struct bytes *out, enum dialect format, const struct usage *usage) {
  switch (format) {
  case DIALECT_EMBEDDINGS: write_embeddings(out, usage); return;
  case DIALECT_RESPONSES: write_responses(out, usage); return;
  case DIALECT_MESSAGES: write_messages(out, usage); return;
  default: write_chat(out, usage); return;
  }
}
