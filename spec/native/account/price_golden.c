/* From a provider's usage object to the bill. Those called recorded are what providers answered to
 * others, as they published it (recorded_usage.md says where); the rest has the form of each
 * provider's API reference. What they cost was worked out by hand, at prices per million tokens. */
#include "account/price.h"
#include "account/usage_json.h"
#include "check.h"
#include "config/price_table.h"

static const struct golden {
  enum dialect dialect;
  const char *usage, *price;
  uint64_t cost_nanousd;
} goldens[] = {
    /* Recorded: gpt-4o-audio-preview, 44 of 64 prompt tokens are audio: 20 x 2.50 + 44 x 40 + 9 x
     * 10 = 50 + 1760 + 90 millionths. */
    {DIALECT_CHAT,
     "{\"completion_tokens\":9,\"completion_tokens_details\":{\"accepted_prediction_tokens\":0,"
     "\"audio_tokens\":0,\"reasoning_tokens\":0,\"rejected_prediction_tokens\":0,"
     "\"text_tokens\":9},\"prompt_tokens\":64,\"prompt_tokens_details\":{\"audio_tokens\":44,"
     "\"cached_tokens\":0,\"image_tokens\":0,\"text_tokens\":20},\"total_tokens\":73}",
     "{\"input\":2.5,\"output\":10,\"audio_input\":40,\"audio_output\":80}", 1900000},
    /* Recorded: o3-mini over the Responses API, 1408 of 2033 are reasoning, at the price of output:
     * 424 x 1.10 + 2033 x 4.40 = 466.4 + 8945.2. */
    {DIALECT_RESPONSES,
     "{\"input_tokens\":424,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":2033,"
     "\"output_tokens_details\":{\"reasoning_tokens\":1408},\"total_tokens\":2457}",
     "{\"input\":1.1,\"cache_read\":0.55,\"output\":4.4}", 9411600},
    /* Recorded: claude-sonnet-4-5, written for 5 minutes and read: 3 x 3 + 403 x 3.75 + 1111 x 0.30
     * + 33 x 15 = 9 + 1511.25 + 333.3 + 495. */
    {DIALECT_MESSAGES,
     "{\"cache_creation\":{\"ephemeral_1h_input_tokens\":0,\"ephemeral_5m_input_tokens\":403},"
     "\"cache_creation_input_tokens\":403,\"cache_read_input_tokens\":1111,\"input_tokens\":3,"
     "\"output_tokens\":33,\"service_tier\":\"standard\"}",
     "{\"input\":3,\"cache_read\":0.3,\"cache_write\":3.75,\"cache_write_1h\":6,\"output\":15}",
     2348550},
    /* Recorded: a first turn that only wrote: 337 x 3 + 46209 x 3.75 + 342 x 15 = 1011 + 173283.75
     * + 5130. */
    {DIALECT_MESSAGES,
     "{\"cache_creation\":{\"ephemeral_1h_input_tokens\":0,\"ephemeral_5m_input_tokens\":46209},"
     "\"cache_creation_input_tokens\":46209,\"cache_read_input_tokens\":0,\"input_tokens\":337,"
     "\"output_tokens\":342,\"service_tier\":\"standard\"}",
     "{\"input\":3,\"cache_read\":0.3,\"cache_write\":3.75,\"cache_write_1h\":6,\"output\":15}",
     179424750},
    /* Recorded: written for an hour, with thinking: 2 x 5 + 31874 x 10 + 4862 x 0.50 + 6021 x 25 =
     * 10
     * + 318740 + 2431 + 150525. What is repeated by `iterations` counts once. */
    {DIALECT_MESSAGES,
     "{\"cache_creation\":{\"ephemeral_1h_input_tokens\":31874,\"ephemeral_5m_input_tokens\":0},"
     "\"cache_creation_input_tokens\":31874,\"cache_read_input_tokens\":4862,\"inference_geo\":"
     "\"not_available\",\"input_tokens\":2,\"iterations\":[{\"cache_creation\":{"
     "\"ephemeral_1h_input_tokens\":31874,\"ephemeral_5m_input_tokens\":0},"
     "\"cache_creation_input_tokens\":31874,\"cache_read_input_tokens\":4862,\"input_tokens\":2,"
     "\"output_tokens\":6021,\"type\":\"message\"}],\"output_tokens\":6021,"
     "\"output_tokens_details\":{\"thinking_tokens\":4585},\"server_tool_use\":{"
     "\"web_fetch_requests\":0,\"web_search_requests\":0},\"service_tier\":\"standard\","
     "\"speed\":\"standard\"}",
     "{\"input\":5,\"cache_read\":0.5,\"cache_write\":6.25,\"cache_write_1h\":10,\"output\":25}",
     471706000},
    /* Recorded: deepseek-chat, nothing of the prompt was cached: 496 x 0.28 + 1783 x 0.42 = 138.88
     * + 748.86. */
    {DIALECT_CHAT,
     "{\"prompt_tokens\":496,\"completion_tokens\":1783,\"total_tokens\":2279,"
     "\"prompt_tokens_details\":{\"cached_tokens\":0},\"prompt_cache_hit_tokens\":0,"
     "\"prompt_cache_miss_tokens\":496}",
     "{\"input\":0.28,\"cache_read\":0.028,\"output\":0.42}", 887740},
    /* OpenAI, chat: 86 x 2.50 + 1920 x 1.25 + 300 x 10 = 215 + 2400 + 3000 millionths. */
    {DIALECT_CHAT,
     "{\"prompt_tokens\":2006,\"completion_tokens\":300,\"total_tokens\":2306,"
     "\"prompt_tokens_details\":{\"cached_tokens\":1920,\"audio_tokens\":0},"
     "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
     "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
     "{\"input\":2.5,\"cache_read\":1.25,\"output\":10}", 5615000},
    /* With audio: 200 x 2.50 + 1000 x 40 + 100 x 10 + 400 x 80 = 500 + 40000 + 1000 + 32000. */
    {DIALECT_CHAT,
     "{\"prompt_tokens\":1200,\"completion_tokens\":500,\"total_tokens\":1700,"
     "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":1000},"
     "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":400}}",
     "{\"input\":2.5,\"output\":10,\"audio_input\":40,\"audio_output\":80}", 73500000},
    /* OpenAI, responses, reasoning is output: 476 x 2 + 1024 x 0.5 + 900 x 8 = 952 + 512 + 7200. */
    {DIALECT_RESPONSES,
     "{\"input_tokens\":1500,\"input_tokens_details\":{\"cached_tokens\":1024},"
     "\"output_tokens\":900,\"output_tokens_details\":{\"reasoning_tokens\":640},"
     "\"total_tokens\":2400}",
     "{\"input\":2,\"cache_read\":0.5,\"output\":8}", 8664000},
    /* Anthropic, the cache beside the input: 2048 x 3 + 1800 x 0.30 + 148 x 3.75 + 100 x 6 +
     * 503 x 15 = 6144 + 540 + 555 + 600 + 7545. */
    {DIALECT_MESSAGES,
     "{\"input_tokens\":2048,\"cache_creation_input_tokens\":248,\"cache_read_input_tokens\":1800,"
     "\"cache_creation\":{\"ephemeral_5m_input_tokens\":148,\"ephemeral_1h_input_tokens\":100},"
     "\"output_tokens\":503,\"service_tier\":\"standard\"}",
     "{\"input\":3,\"cache_read\":0.3,\"cache_write\":3.75,\"cache_write_1h\":6,\"output\":15}",
     15384000},
    /* Without lifetimes it is the shorter one: 50 x 3 + 1000 x 3.75 + 10 x 15 = 150 + 3750 + 150.
     */
    {DIALECT_MESSAGES,
     "{\"input_tokens\":50,\"cache_creation_input_tokens\":1000,\"cache_read_input_tokens\":0,"
     "\"output_tokens\":10}",
     "{\"input\":3,\"cache_read\":0.3,\"cache_write\":3.75,\"cache_write_1h\":6,\"output\":15}",
     4050000},
    /* DeepSeek: 232 x 0.27 + 768 x 0.07 + 200 x 1.10 = 62.64 + 53.76 + 220. */
    {DIALECT_CHAT,
     "{\"prompt_tokens\":1000,\"completion_tokens\":200,\"total_tokens\":1200,"
     "\"prompt_cache_hit_tokens\":768,\"prompt_cache_miss_tokens\":232}",
     "{\"input\":0.27,\"cache_read\":0.07,\"output\":1.1}", 336400},
    /* Gemini's compatible endpoint, thinking beside the completion: 350 x 1.25 + 720 x 10 = 437.5 +
     * 7200. */
    {DIALECT_CHAT,
     "{\"completion_tokens\":120,\"prompt_tokens\":350,\"total_tokens\":1070,"
     "\"completion_tokens_details\":{\"reasoning_tokens\":600}}",
     "{\"input\":1.25,\"output\":10}", 7637500},
    /* vLLM: 15 x 0.20 + 25 x 0.20 = 3 + 5. */
    {DIALECT_CHAT,
     "{\"prompt_tokens\":15,\"total_tokens\":40,\"completion_tokens\":25,"
     "\"prompt_tokens_details\":null}",
     "{\"input\":0.2,\"output\":0.2}", 8000},
};

int main(void) {
  struct arena arena;
  arena_init(&arena);
  for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
    const struct golden *g = &goldens[i];
    struct usage usage = {0};
    struct price price;
    struct bill bill;
    struct price_query query = {.usage = &usage, .markup = PRICE_PARTS};
    CHECK(price_read(slice_of(g->price), &arena, &price) == NULL);
    CHECK(usage_read(g->dialect, slice_of(g->usage), &usage));
    CHECK(price_bill(&price, &query, &bill) == PRICE_KNOWN);
    if (bill.cost_nanousd != g->cost_nanousd)
      fprintf(stderr, "vector %zu: %llu\n", i, (unsigned long long)bill.cost_nanousd);
    CHECK(bill.cost_nanousd == g->cost_nanousd);
  }
  arena_fini(&arena);
  return checks_end();
}
