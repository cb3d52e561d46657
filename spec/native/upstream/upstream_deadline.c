/* The ring of deadlines: never early, at most 20 ms late, also beyond one turn of the ring. A busy
 * machine may let the loop sleep longer: late is what an earlier turn of the loop should have seen.
 */
#include "check.h"
#include "upstream/deadline.h"

enum { COUNT = 400 };

struct entry {
  struct deadline deadline;
  uint64_t want_ms, fired_ms, turn_ms; /* turn_ms: the loop's time one turn before it fired */
  int fired;
};

static struct deadlines all;
static uv_loop_t loop;
static struct entry entries[COUNT];
static int moved;
static uint64_t turn_ms;

static void on_due(struct deadline *d) {
  struct entry *e = list_entry(d, struct entry, deadline);
  e->fired++;
  e->fired_ms = uv_now(&loop);
  e->turn_ms = turn_ms;
}

static void on_due_again(struct deadline *d) {
  if (++moved < 5) deadline_arm(&all, d, uv_now(&loop) + 30);
}

static void on_closed(uv_handle_t *handle) {
  CHECK(handle->data == &all);
}

static void arm(struct entry *e, uint64_t after_ms) {
  e->want_ms = uv_now(&loop) + after_ms;
  deadline_arm(&all, &e->deadline, e->want_ms);
}

static void check_fired(void) {
  for (int i = 0; i < COUNT; i++) {
    struct entry *e = &entries[i];
    CHECK(e->fired == (i % 3 == 1 ? 0 : 1));
    if (e->fired) CHECK(e->fired_ms >= e->want_ms && e->turn_ms <= e->want_ms + 20);
  }
}

int main(void) {
  struct deadline again;
  uv_loop_init(&loop);
  deadlines_init(&all, &loop);
  for (int i = 0; i < COUNT; i++)
    deadline_init(&entries[i].deadline, on_due);
  for (int i = 0; i < COUNT; i++)
    arm(&entries[i], (uint64_t)i * 7 % 900);
  for (int i = 2; i < COUNT; i += 3)
    arm(&entries[i], (uint64_t)i * 11 % 700); /* moved */
  for (int i = 1; i < COUNT; i += 3)
    deadline_disarm(&entries[i].deadline);
  arm(&entries[0], DEADLINE_SLOTS * DEADLINE_SLOT_MS + 300);
  deadline_init(&again, on_due_again);
  deadline_arm(&all, &again, 0);
  while (!entries[0].fired) {
    turn_ms = uv_now(&loop);
    uv_run(&loop, UV_RUN_ONCE);
  }
  check_fired();
  CHECK(moved == 5 && !deadline_is_armed(&again));
  deadlines_close(&all, on_closed);
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
  return checks_end();
}
