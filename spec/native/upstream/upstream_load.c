/* Reports of load, in the words of each engine. */
#include "upstream/load.h"

#include "check.h"

static void check(const char *text, double queue, double kv_usage) {
  struct engine_load load = load_read(slice_of(text));
  CHECK(load.queue == queue);
  CHECK(load.kv_usage == kv_usage);
  if (load.queue != queue || load.kv_usage != kv_usage) fprintf(stderr, "in: %s\n", text);
}

static void check_header(const char *text, double queue, double kv_usage) {
  struct engine_load load = load_read_header(slice_of(text));
  CHECK(load.queue == queue);
  CHECK(load.kv_usage == kv_usage);
}

static void test_text(void) {
  check("", -1, -1);
  check("ok\n", -1, -1);
  check("vllm:num_requests_waiting{engine=\"0\"} 3.0\nvllm:num_requests_waiting{engine=\"1\"} 4\n"
        "vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.5\n",
        7, 0.5);
  check("vllm:gpu_cache_usage_perc{model_name=\"a} 9\"} 0.75\r\n", -1, 0.75);
  check("sglang:num_queue_reqs 2 1700000000\nsglang:token_usage 0.5", 2, 0.5);
  check("llamacpp:requests_deferred 0\nllamacpp:kv_cache_usage_ratio 1.5\n", 0, 1);
  check("# vllm:num_requests_waiting 3\nvllm:num_requests_waiting_total 3\n", -1, -1);
  check("vllm:num_requests_waiting NaN\nvllm:kv_cache_usage_perc -1\n", -1, -1);
  check("vllm:num_requests_waiting{", -1, -1);
  check("vllm:num_requests_waiting{}\n5", -1, -1);
}

static void test_json(void) {
  check("[{\"dp_rank\":0,\"num_reqs\":5,\"num_waiting_reqs\":2,\"num_tokens\":9},"
        "{\"dp_rank\":1,\"num_waiting_reqs\": 1}]",
        3, -1);
  check("{\"status\":\"ok\"}", -1, -1);
  check("{\"num_waiting_reqs\"", -1, -1);
}

static void test_header(void) {
  check_header("", -1, -1);
  check_header("TEXT named_metrics.kv_cache_usage_perc=0.5,named_metrics.num_requests_waiting=2.0",
               2, 0.5);
  check_header(
      "JSON {\"named_metrics\": {\"kv_cache_usage_perc\": 0.25, \"num_requests_waiting\": 4}}", 4,
      0.25);
}

static void test_state(void) {
  struct provider_load l;
  load_init(&l);
  CHECK(load_view(&l, 5).queue == -1);
  load_note(&l, &(struct engine_load){2.5, -1}, 1000);
  CHECK(load_view(&l, 1000).queue == 2.5);
  CHECK(load_view(&l, 1000).kv_usage == -1);
  load_note(&l, &(struct engine_load){-1, -1}, 5000);
  CHECK(load_view(&l, 1000 + LOAD_STALE_MS).queue == 2.5);
  CHECK(load_view(&l, 1001 + LOAD_STALE_MS).queue == -1);
  CHECK(load_set_down(&l, true));
  CHECK(!load_set_down(&l, true));
  CHECK(load_set_down(&l, false));
}

int main(void) {
  test_text();
  test_json();
  test_header();
  test_state();
  return checks_end();
}
