/* What is read as a plain delta must count the same when it is read member by member. */
#include "account/meter.h"
#include "account/meter_read.h"
#include "model/plain_delta.h"

#include "check.h"

static unsigned read_whole(struct meter *m, struct slice data) {
  return m->format == DIALECT_CHAT ? meter_chat(m, data, false)
                                   : meter_messages_frame(m, SLICE(""), data);
}

/* Returns whether it was plain. */
static bool compare(enum dialect format, struct slice data) {
  struct plain_delta plain;
  if (!plain_delta_read(format, data, &plain)) return false;
  struct meter one, other;
  meter_init(&one, format);
  meter_init(&other, format);
  unsigned flags = meter_frame(&one, SLICE(""), data), wanted = read_whole(&other, data);
  bool same = flags == wanted && one.output_bytes == other.output_bytes && other.damaged == 0 &&
              estimate_tokens(&one.output) == estimate_tokens(&other.output);
  if (!same) fprintf(stderr, "differs: %.*s\n", (int)data.len, data.data);
  CHECK(same);
  meter_fini(&one);
  meter_fini(&other);
  return true;
}

static void mutate(enum dialect format, const char *text) {
  size_t len = strlen(text), count = 0;
  char *copy = malloc(len);
  CHECK(compare(format, slice_of(text)));
  for (size_t at = 0; at < len; at++) {
    memcpy(copy, text, len);
    for (unsigned byte = 0; byte < 256; byte++) {
      copy[at] = (char)byte;
      count += compare(format, (struct slice){copy, len});
    }
    /* One byte less: brackets, commas and quotes that are missing. */
    memmove(copy + at, text + at + 1, len - at - 1);
    count += compare(format, (struct slice){copy, len - 1});
  }
  CHECK(count > 200);
  free(copy);
}

int main(void) {
  mutate(DIALECT_CHAT,
         "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
         "\"delta\":{\"role\":\"assistant\",\"content\":\"h\\u00e9\xc3\xa9\",\"refusal\":"
         "null,\"tool_calls\":[]},\"logprobs\":null,\"finish_reason\":null}],\"usage\":"
         "null,\"x\":[1.5e3,{}]}");
  mutate(DIALECT_CHAT,
         "{\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning_content\":\"Hm\"}}]}");
  mutate(DIALECT_MESSAGES, "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
                           "\"text_delta\",\"text\":\"Hi\\n\"}}");
  mutate(DIALECT_MESSAGES, "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                           "\"thinking_delta\",\"thinking\":\"Hm\"}}");
  return checks_end();
}
