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

static struct counted field(struct slice object, const char *path) {
  return count_of(json_find_path(object, path));
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

/* xAI and Google's compatible endpoint leave reasoning out of completion_tokens and count it in
 * total_tokens only. */
static struct counted chat_output(struct slice body, uint64_t prompt, uint64_t reasoning) {
  struct counted completion = field(body, "completion_tokens"), total = field(body, "total_tokens");
  if (!completion.known) {
    if (total.known) total.value = less(total.value, prompt);
    return total;
  }
  if (total.known && reasoning && total.value == prompt + completion.value + reasoning)
    completion.value += reasoning;
  return completion;
}

/* OpenAI counts what the cache gave and took inside prompt_tokens; it has one lifetime for writes.
 */
static bool read_chat(struct slice body, struct usage *u) {
  struct counted prompt = field(body, "prompt_tokens");
  if (!prompt.known && !field(body, "completion_tokens").known &&
      !field(body, "total_tokens").known)
    return false;
  struct counted read = first_known(
      field(body, "prompt_tokens_details.cached_tokens"),
      first_known(field(body, "prompt_cache_hit_tokens"), field(body, "cached_tokens")));
  struct counted written = field(body, "prompt_tokens_details.cache_write_tokens");
  struct counted reasoning = first_known(field(body, "completion_tokens_details.reasoning_tokens"),
                                         field(body, "reasoning_tokens"));
  u->input = less(prompt.value, read.value + written.value);
  set(&u->cache_read, read);
  set(&u->cache_write_5m, written);
  set(&u->output, chat_output(body, prompt.value, reasoning.value));
  set(&u->reasoning, reasoning);
  set(&u->audio_input, field(body, "prompt_tokens_details.audio_tokens"));
  set(&u->audio_output, field(body, "completion_tokens_details.audio_tokens"));
  return true;
}

static bool read_responses(struct slice body, struct usage *u) {
  struct counted input = field(body, "input_tokens"), output = field(body, "output_tokens");
  if (!input.known && !output.known) return false;
  struct counted read = field(body, "input_tokens_details.cached_tokens");
  struct counted written = field(body, "input_tokens_details.cache_write_tokens");
  u->input = less(input.value, read.value + written.value);
  set(&u->cache_read, read);
  set(&u->cache_write_5m, written);
  set(&u->output, output);
  set(&u->reasoning, field(body, "output_tokens_details.reasoning_tokens"));
  set(&u->audio_input, field(body, "input_tokens_details.audio_tokens"));
  set(&u->audio_output, field(body, "output_tokens_details.audio_tokens"));
  return true;
}

/* message_delta repeats only the sum of cache writes: what message_start said is 1h stays 1h, the
 * rest has the default lifetime, 5m. */
static void read_cache_writes(struct slice body, struct usage *u) {
  struct counted five = field(body, "cache_creation.ephemeral_5m_input_tokens");
  struct counted hour = field(body, "cache_creation.ephemeral_1h_input_tokens");
  struct counted total = field(body, "cache_creation_input_tokens");
  set(&u->cache_write_1h, hour);
  if (five.known)
    u->cache_write_5m = five.value;
  else if (total.known)
    u->cache_write_5m = less(total.value, u->cache_write_1h);
}

/* Anthropic counts the cache beside input_tokens. */
static bool read_messages(struct slice body, struct usage *u) {
  struct counted input = field(body, "input_tokens"), output = field(body, "output_tokens");
  if (!input.known && !output.known) return false;
  set(&u->input, input);
  set(&u->output, output);
  set(&u->cache_read, field(body, "cache_read_input_tokens"));
  set(&u->reasoning, field(body, "output_tokens_details.thinking_tokens"));
  read_cache_writes(body, u);
  return true;
}

static bool read_embeddings(struct slice body, struct usage *u) {
  struct counted prompt = first_known(field(body, "prompt_tokens"), field(body, "total_tokens"));
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
