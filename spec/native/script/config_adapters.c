/* Providers whose scripts are not there, in the binary and in a folder that replaces it. */
#include "config_kit.h"

#include "script/config_adapters.h"

/* Told together with everything else, in the order of lines. */
static void test_with_other_problems(void) {
  static const char text[] = "return { providers = { p = { adapter = 'opnai', base_url = 'h' },\n"
                             " q = { base_url = 'http://h' },\n"
                             " r = { adapter = 'nthropic', base_url = 'http://h' } },\n"
                             " lmits = {} }";
  static const char *const wanted[] = {"p.base_url", "opnai", "q", "nthropic", "lmits"};
  struct config_problems p;
  write_beside("gateyes.lua", text, strlen(text));
  config_problems_init(&p);
  CHECK(config_file_load(config_path, config_adapters_check, &p) == NULL);
  CHECK(p.count == 5);
  for (size_t i = 0; i < 5 && i < p.count; i++)
    CHECK(i < 2
              ? p.lines[i] == 1 && (strstr(p.items[i], wanted[0]) || strstr(p.items[i], wanted[1]))
              : strstr(p.items[i], wanted[i]) != NULL);
  if (p.count != 5) print_problems(&p);
  config_problems_fini(&p);
}

static void check_names(int line, const char *text, const char *const *wanted) {
  struct config_problems p;
  struct config *c = load_bytes(text, strlen(text), &p);
  CHECK(c != NULL);
  if (c) config_adapters_check(c, &p);
  size_t i = 0;
  for (; wanted[i] && i < p.count; i++)
    if (strcmp(p.items[i] + strlen(config_path) + 1, wanted[i]) != 0) break;
  if (wanted[i] || i != p.count) {
    fprintf(stderr, "line %d: not the problems that were wanted:\n", line);
    print_problems(&p);
    checks_failed++;
  }
  config_unref(c);
  config_problems_fini(&p);
}

#define NAMES(text, ...)                                                                           \
  check_names(__LINE__, text, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

int main(void) {
  char command[128];
  kit_init();
  test_with_other_problems();
  NAMES(
      "return { providers = { p = { adapter = 'openai', base_url = 'http://h', preset = 'vllm' },\n"
      " q = { adapter = 'anthropic', base_url = 'http://h' } } }");
  NAMES("return { providers = { p = {\n adapter = 'opnai', base_url = 'http://h' },\n"
        " q = { adapter = '../gateyes/usage', base_url = 'http://h' },\n"
        " r = { adapter = 'openai', preset = 'vlm', base_url = 'http://h' } } }",
        "2: providers.p.adapter: there is no adapter \"opnai\" (did you mean \"openai\"?); correct "
        "the "
        "name",
        "3: providers.q.adapter: there is no adapter \"../gateyes/usage\"; correct the name",
        "4: providers.r.preset: there is no preset \"vlm\" (did you mean \"vllm\"?); correct the "
        "name");
  snprintf(command, sizeof command, "mkdir -p %s/lua/adapters", config_folder);
  CHECK(system(command) == 0);
  write_beside("lua/adapters/house.lua", "return {}", 9);
  NAMES("return { lua = 'lua', providers = { p = { adapter = 'house', base_url = 'http://h' },\n"
        " q = { adapter = 'openai', base_url = 'http://h' } } }",
        "2: providers.q.adapter: there is no adapter \"openai\"; correct the name");
  return kit_end();
}
