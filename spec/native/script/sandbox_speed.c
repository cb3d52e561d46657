/* How long matching takes, printed for whoever changes it; fails only when a match goes wrong. */
#include "sandbox_kit.h"
#include "script/text_api.h"

static const char *const cases[][2] = {
    {"regex, words", "return text.matches(prose, [[\\b(secret|password|confidential)\\b]])"},
    {"regex, address", "return text.matches(prose, [[\\w+@\\w+\\.com]])"},
    {"regex, digits", "return text.matches(prose, [[\\b\\d{4}-\\d{4}\\b]])"},
    {"regex, no case", "return text.matches(prose, [[(?i)salary of \\w+]])"},
    {"regex, any", "return text.matches(prose, [[x.*y.*Z]])"},
    {"pattern, words", "return prose:find('secret%s') ~= nil"},
    {"pattern, address", "return prose:find('%w+@%w+%.com') ~= nil"},
    {"pattern, shortest", "return prose:find('(.-)secret') ~= nil"},
    {"pattern, gsub", "return (prose:gsub('%s+', ' ')) ~= prose"},
    {"plain", "return prose:find('secret', 1, true) ~= nil"},
    {"fold", "return text.contains(prose, 'secret', true)"},
};

int main(void) {
  enum { ROUNDS = 20 };
  struct bytes error;
  bytes_init(&error);
  kit_start();
  struct sandbox *s = kit_sandbox(NULL);
  lua_State *L = sandbox_state(s);
  sandbox_set_cpu_ms(s, 60000);
  text_api_push(L);
  lua_setglobal(L, "text");
  CHECK(kit_run(s, "prose = ('The quick brown fox jumps over the lazy dog, 42 times. '):rep(174)",
                &error) == SANDBOX_DONE);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t start_ns = kit_cpu_ns();
    for (int k = 0; k < ROUNDS; k++) {
      lua_settop(L, 0);
      CHECK(kit_run(s, cases[i][1], &error) == SANDBOX_DONE && !lua_toboolean(L, -1));
    }
    printf("%-18s %8.2f us a KiB\n", cases[i][0],
           (double)(kit_cpu_ns() - start_ns) / ROUNDS / 10 / 1000);
  }
  sandbox_free(s);
  bytes_fini(&error);
  return kit_end();
}
