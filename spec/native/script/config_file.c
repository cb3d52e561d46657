/* gateyes.lua from a file on disk to a snapshot. */
#include <sys/stat.h>

#include "config_kit.h"

static void test_example(void) {
  struct config_problems p;
  config_problems_init(&p);
  struct config *c = config_file_load(EXAMPLES "/basic/gateyes.lua", NULL, &p);
  print_problems(&p);
  CHECK(c && p.count == 0);
  if (c) {
    CHECK(c->provider_count == 3 && c->model_count == 3 && c->alias_count == 1);
    const struct model *smart = config_model_find(c, SLICE("smart"));
    CHECK(smart && smart->price.rates.output == 15000000000 &&
          smart->price.rates.cache_write_1h == 6000000000);
    CHECK_TEXT(c->providers[0].name, "mock-openai"); /* the order of the file */
    CHECK_TEXT(c->providers[0].host, "127.0.0.1:9100");
    CHECK(c->key_count == 1 && !c->has_admin_key);
  }
  config_unref(c);
  config_problems_fini(&p);
}

static void test_documented(void) {
  char command[96];
  snprintf(command, sizeof command, "mkdir %s/tenants", config_folder);
  CHECK(system(command) == 0);
  struct config *c = accepted(
      "return {\n"
      "  listen = { '127.0.0.1:8080', '[::]:8443', 'unix:/run/gateyes.sock' },\n"
      "  admin = { listen = { '127.0.0.1:8081' }, key = env 'GATEYES_ADMIN_KEY' },\n"
      "  workers = 2, store = 'sqlite:gateyes.db', shared = nil, tenants = 'tenants/',\n"
      "  providers = {\n"
      "    gpu = { adapter = 'openai', base_url = 'http://gpu1:8000/v1', residency = 'local' },\n"
      "    claude = { adapter = 'anthropic', base_url = 'https://api.anthropic.com',\n"
      "               credential = env 'ANTHROPIC_API_KEY', residency = 'cloud' },\n"
      "  },\n"
      "  models = {\n"
      "    ['llama-3-70b'] = { targets = { 'gpu/meta-llama/Llama-3-70B-Instruct' } },\n"
      "    ['gpt-4o'] = { targets = { 'gpu/gpt-4o', { target = 'claude/c', weight = 1 } },\n"
      "      strategy = 'priority', price = { input = 2.50, cache_read = 1.25, output = 10.00 },\n"
      "      tokenizer = 'o200k_base', context_tokens = 128000, max_output_tokens = 16384 },\n"
      "    smart = { alias = 'gpt-4o' },\n"
      "  },\n"
      "  keys = { { name = 'dev', key = env 'GATEYES_KEY', tenant = 'acme',\n"
      "             roles = { 'developer' } } },\n"
      "}\n");
  CHECK(c->workers == 2 && c->listen.count == 3 && c->listen.items[2].is_unix);
  CHECK(strcmp(c->listen.items[1].host, "::") == 0 && c->listen.items[1].port == 8443);
  const struct model *m = config_model_find(c, SLICE("smart"));
  CHECK(m && m->price.rates.input == 2500000000 && m->price.rates.cache_read == 1250000000 &&
        m->price.rates.output == 10000000000);
  CHECK_TEXT(config_model_find(c, SLICE("llama-3-70b"))->targets[0].model,
             "meta-llama/Llama-3-70B-Instruct");
  CHECK_TEXT(c->providers[1].credential, "sk-ant-secret");
  CHECK_TEXT(c->keys[0].tenant, "acme");
  CHECK(c->has_admin_key && c->providers[0].line == 6 && c->providers[1].line == 7);
  config_unref(c);
}

static void test_defaults(void) {
  struct config *c = accepted("return {}");
  CHECK(c->listen.count == 1 && c->listen.items[0].port == 8080);
  CHECK(c->admin_listen.count == 1 && c->admin_listen.items[0].port == 8081 && !c->has_admin_key);
  CHECK(c->workers >= 1 && c->tls.certificate == NULL && c->provider_count == 0);
  CHECK(c->client.tls_handshake_ms == 5000 && c->client.header_ms == 10000);
  CHECK(c->client.body_total_ms == 60000 && c->client.body_idle_ms == 10000);
  CHECK(c->client.keepalive_ms == 75000 && c->client.write_stall_ms == 60000);
  CHECK(c->upstream.dns_ms == 2000 && c->upstream.connect_ms == 3000 && c->upstream.tls_ms == 5000);
  CHECK(c->upstream.head_ms == 30000 && c->upstream.first_token_ms == 60000);
  CHECK(c->upstream.idle_ms == 60000 && c->upstream.total_ms == 600000);
  CHECK(c->upstream.stream_total_ms == 3600000 && c->upstream.pool_idle_ms == 55000);
  CHECK(c->upstream.pool_lifetime_ms == 300000 && c->upstream.idle_counts_comments);
  CHECK(c->queue_wait_ms == 5000 && c->drain_grace_ms == 30000 && c->drain_hard_ms == 600000);
  CHECK(c->limits.head_bytes == 65536 && c->limits.head_lines == 100);
  CHECK(c->limits.url_bytes == 8192 && c->limits.body_bytes == 20971520);
  CHECK(c->limits.frame_bytes == 1048576 && c->limits.json_depth == 128);
  CHECK(c->limits.write_high_bytes == 65536 && c->limits.write_low_bytes == 32768);
  CHECK(c->limits.upstreams == 1024 && c->limits.retry_percent == 20 && c->limits.retry_min == 3);
  CHECK(c->ping_ms == 0 && !c->strict && !c->litellm_headers && c->azure_paths && c->bare_paths);
  CHECK(c->responses.entries == 10000 && c->responses.ttl_s == 86400);
  CHECK(c->responses.bytes == 268435456);
  CHECK_TEXT(c->currency, "USD");
  CHECK(config_model_find(c, SLICE("none")) == NULL);
  config_unref(c);
}

static void test_everything(void) {
  struct config *c = accepted(
      "return { ping = '15s', strict = true, headers = { litellm = true }, lua = '.',\n"
      " log = { file = 'gateyes.log' }, currency = 'EUR', cors = { origins = 'https://a.example' "
      "},\n"
      " paths = { azure = false, aliases = { ['/chat'] = '/v1/chat/completions' } },\n"
      " limits = { body_by_route = { ['/v1/embeddings'] = '1MiB' } },\n"
      " upstream = { idle = 7, total = 0 }, responses = { ttl = '1h' },\n"
      " providers = { p = { adapter = 'openai', base_url = 'https://[::1]:8443/a/b/',\n"
      "   headers = { ['x-team'] = 'a' }, timeouts = { connect = '250ms', idle_counts_comments = "
      "false },\n"
      "   tls = { ca = 'gateyes.lua' }, proxy = 'socks5h://127.0.0.1:1080', concurrency = 8,\n"
      "   api_version = '2024-06-01', preset = 'vllm' } },\n"
      " models = { m = { targets = { { target = 'p/x', weight = 3 } }, strategy = 'weighted',\n"
      "   price = { input = 1, output = '2.5', reasoning = 4, image = 0.04 }, first_token = 90,\n"
      "   owned_by = 'us', created = 1700000000, capabilities = { 'tools', 'images' } },\n"
      "   a = { alias = 'b' }, b = { alias = 'm' } },\n"
      " keys = { { name = 'k', models = { 'm', 'b', 'gpt-*' }, sha256 =\n"
      "   '2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824' } } }\n");
  const struct provider *p = &c->providers[0];
  CHECK(p->is_tls && p->port == 8443);
  CHECK_TEXT(p->host, "[::1]:8443");
  CHECK_TEXT(p->path, "/a/b");
  CHECK_TEXT(p->base_url, "https://[::1]:8443/a/b");
  CHECK(p->timers.connect_ms == 250 && p->timers.idle_ms == 7000 && p->timers.total_ms == 0);
  CHECK(!p->timers.idle_counts_comments && c->upstream.idle_counts_comments);
  CHECK(p->header_count == 1 && p->concurrency == 8 && p->tls.ca_file);
  CHECK(strcmp(p->proxy, "socks5h://127.0.0.1:1080") == 0);
  const struct model *m = config_model_find(c, SLICE("a"));
  CHECK(m && m == config_model_find(c, SLICE("m")) && m->targets[0].weight == 3);
  CHECK(m->price.rates.cache_read == 1000000000 && m->price.rates.cache_write_1h == 1000000000 &&
        m->price.rates.output == 2500000000);
  CHECK(m->price.rates.has_reasoning && !m->price.rates.has_audio_input &&
        m->price.rates.reasoning == 4000000000);
  CHECK(m->price.image == 40000000 && m->first_token_ms == 90000 && m->created == 1700000000);
  CHECK(m->capability_count == 2 && m->targets[0].provider == p);
  uint8_t hello[SHA256_BYTES];
  digest_sha256(SLICE("hello"), hello);
  CHECK(digest_equal(c->keys[0].sha256, hello) && c->keys[0].model_count == 3);
  CHECK(c->limits.route_count == 1 && c->limits.routes[0].body_bytes == 1048576);
  CHECK(c->path_alias_count == 1 && c->cors_origin_count == 1 && !c->azure_paths);
  CHECK(c->log_file.len > 12 && c->log_file.data[0] == '/' && c->responses.ttl_s == 3600);
  CHECK(config_ref(c) == c);
  config_unref(c);
  CHECK_TEXT(c->currency, "EUR");
  config_unref(c);
}

/* Comments, loops and functions are free; env may have a default; a secret file ends in a line. */
static void test_program(void) {
  write_beside("key.txt", "gy-from-file\r\n", 14);
  struct config *c = accepted(
      "-- a comment\n--[==[ and a long\n one ]==]\n"
      "local models = {}\n"
      "for i = 1, 300 do models['m' .. i] = { targets = { 'p/' .. i } } end\n"
      "local function provider(url)\n  return { adapter = 'openai', base_url = url }\nend\n"
      "local keys = { { name = 'k', key = secret_file 'key.txt' } }\n"
      "table.insert(keys, { name = ('K'):lower() .. 2, key = env('GATEYES_NONE', 'gy-default') })\n"
      "return { models = models, keys = keys, providers = { p = provider 'http://h' } }\n");
  uint8_t digest[SHA256_BYTES];
  digest_sha256(SLICE("gy-from-file"), digest);
  CHECK(c->model_count == 300 && config_model_find(c, SLICE("m300")));
  CHECK(c->key_count == 2 && digest_equal(c->keys[0].sha256, digest));
  CHECK_TEXT(c->keys[1].name, "k2");
  config_unref(c);
}

/* A model without a date has that of the file. */
static void test_created(void) {
  struct stat file;
  struct config *c =
      accepted("return { providers = { p = { adapter = 'openai', base_url = 'http://h' } },\n"
               " models = { m = { targets = { 'p/x' } },\n"
               "   n = { targets = { 'p/x' }, created = 5 } } }");
  CHECK(stat(config_path, &file) == 0);
  const struct model *m = config_model_find(c, SLICE("m")), *n = config_model_find(c, SLICE("n"));
  CHECK(m && m->created == file.st_mtim.tv_sec && n && n->created == 5);
  config_unref(c);
}

int main(void) {
  kit_init();
  setenv("GATEYES_ADMIN_KEY", "admin-secret", 1);
  setenv("ANTHROPIC_API_KEY", "sk-ant-secret", 1);
  setenv("GATEYES_KEY", "gy-dev-key", 1);
  test_example();
  test_documented();
  test_defaults();
  test_everything();
  test_created();
  test_program();
  return kit_end();
}
