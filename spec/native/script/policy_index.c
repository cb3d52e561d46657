/* The index that a request brings is one for many: a run reads it while it is of the run's body,
 * and never what it holds of another request. */
#include "base/json_index.h"
#include "policy_kit.h"

#define BODY(turns) "{\"model\":\"m\",\"user\":\"" turns "]}"

static const char ours[] =
    BODY("ann\",\"messages\":[{\"role\":\"user\",\"content\":\"good morning to you\"}");
static const char others[] =
    BODY("bob\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"content\":\"bbb\"}");

static const char reading[] =
    "local gateyes = require 'gateyes'\n"
    "return { name = 'p', on_request = function(request, context)\n"
    "  if request.id == 'req_1' then context:tag('turns', tostring(request.turns)) end\n"
    "  gateyes.sleep(1)\n"
    "  context:tag('turns', tostring(request.turns))\n"
    "  context:tag('session', request.session)\n"
    "  context:tag('text', request.messages[1].text)\n"
    "end }";

static void check_tag(const struct policy_run *run, size_t at, const char *text) {
  const struct verdict *v = policy_verdict(run);
  must(at < v->tag_count);
  CHECK_TEXT(v->tags[at].value, text);
}

/* Another request comes while a hook waits. */
static void test_waiting(struct kit *kit, struct json_index *index) {
  json_index_read(index, slice_of(ours));
  kit_add(kit, "p", reading);
  must(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, ours);
  enum policy_progress progress = policy_on_request(run);
  CHECK(progress == POLICY_WAITING);
  json_index_read(index, slice_of(others));
  kit_wait(kit, progress);
  check_tag(run, 0, "1");
  check_tag(run, 1, "ann");
  check_tag(run, 2, "good morning to you");
  kit_end(kit, run);
}

static void test_edited(struct kit *kit, struct json_index *index) {
  json_index_read(index, slice_of(ours));
  kit_add(kit, "edits",
          "return { name = 'edits', on_request = function(request)\n"
          "  request:set('messages.1.content', 'good evening') end }");
  kit_add(kit, "p", reading);
  must(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, ours);
  kit_wait(kit, policy_on_request(run));
  check_tag(run, 2, "good evening");
  kit_end(kit, run);
}

int main(void) {
  struct kit kit;
  struct json_index index = {0};
  CHECK(sizeof ours == sizeof others);
  kit_init(&kit);
  kit.index = &index;
  test_waiting(&kit, &index);
  test_edited(&kit, &index);
  kit_fini(&kit);
  json_index_fini(&index);
  return checks_end();
}
