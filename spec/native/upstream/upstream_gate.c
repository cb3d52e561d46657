/* Concurrency of a provider and of the process: exact, in order, and nobody is forgotten. */
#include "upstream/fake.h"

static atomic_int in_flight, most;

static void serve_slowly(struct fake_conn *c) {
  char head[4096];
  while (fake_request(c, head, sizeof head, NULL)) {
    int now = atomic_fetch_add(&in_flight, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
      continue;
    usleep((useconds_t)c->fake->cut);
    atomic_fetch_sub(&in_flight, 1);
    if (!fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) return;
  }
}

static void begin(struct fake *f, struct rig *r, size_t served_in_us) {
  fake_start(f, serve_slowly);
  f->cut = served_in_us;
  rig_prepare(r, f->port);
  atomic_store(&most, 0);
}

static void finish(struct fake *f, struct rig *r) {
  rig_stop(r);
  fake_stop(f);
}

static void test_queue(void) {
  struct fake f;
  struct rig r;
  struct probe p[20] = {0};
  begin(&f, &r, 10000);
  r.provider.concurrency = 4;
  rig_open(&r);
  for (int i = 0; i < 20; i++)
    probe_post(&p[i], &r, false);
  for (int i = 0; i < 20; i++)
    probe_wait(&p[i], &r, 2000);
  for (int i = 0; i < 20; i++) {
    CHECK(p[i].is_ended);
    CHECK(i < 4 || p[i].timing.ended >= p[i - 4].timing.ended); /* in the order they came */
    probe_fini(&p[i]);
  }
  CHECK(atomic_load(&most) == 4);
  CHECK(atomic_load(&f.connections) == 4);
  finish(&f, &r);
}

static void test_queue_wait(void) {
  struct fake f;
  struct rig r;
  struct probe p[3] = {0};
  begin(&f, &r, 400000);
  r.provider.concurrency = 1;
  r.config.queue_wait_ms = 100;
  rig_open(&r);
  uint64_t from = clock_mono_ns();
  for (int i = 0; i < 3; i++)
    probe_post(&p[i], &r, false);
  attempt_cancel(p[1].attempt); /* while it waits */
  probe_wait(&p[2], &r, 2000);
  uint64_t waited_ms = (clock_mono_ns() - from) / 1000000;
  CHECK(p[2].is_failed && p[2].kind == FAILURE_OVERLOADED);
  CHECK(waited_ms >= 95 && waited_ms < 200);
  CHECK(strcmp(p[2].sentence,
               "provider gpu is at its limit of 1 concurrent requests; waited 0.1 s") == 0);
  probe_wait(&p[0], &r, 2000);
  CHECK(p[0].is_ended && !p[1].is_failed && !p[1].is_ended);
  for (int i = 0; i < 3; i++)
    probe_fini(&p[i]);
  finish(&f, &r);
}

/* A larger limit after a reload lets the waiting in at once; the process limit holds besides. */
static void test_reload(void) {
  struct fake f;
  struct rig r;
  struct probe p[6] = {0};
  begin(&f, &r, 150000);
  r.provider.concurrency = 1;
  r.config.limits.upstreams = 3;
  rig_open(&r);
  for (int i = 0; i < 6; i++)
    probe_post(&p[i], &r, false);
  rig_run(&r, NULL, 30);
  CHECK(atomic_load(&in_flight) == 1);
  r.provider.concurrency = 5;
  gates_reload(r.gates, &r.config);
  rig_run(&r, NULL, 50);
  CHECK(atomic_load(&in_flight) == 3);
  for (int i = 0; i < 6; i++) {
    probe_wait(&p[i], &r, 2000);
    CHECK(p[i].is_ended);
    probe_fini(&p[i]);
  }
  CHECK(atomic_load(&most) == 3);
  finish(&f, &r);
}

/* Several loops on one gate, without a network: each waiter gets its turn. */
enum { LOOPS = 4, ROUNDS = 40, ACTORS = 6, SLOTS = 3 };

struct actor {
  struct side *side;
  int left;
  bool is_inside; /* for one turn of its loop */
  bool gave_up;   /* in this round: once, or actors that all give up each turn never get in */
  struct gate_wait *wait;
};

struct side {
  struct gate *gate;
  uv_loop_t loop;
  struct mailbox mailbox;
  uv_idle_t idle;
  struct actor actors[ACTORS];
  int cancelled, running;
};

static atomic_int inside, most_inside;

static void actor_leave(struct actor *a) {
  atomic_fetch_sub(&inside, 1);
  a->is_inside = a->gave_up = false;
  gate_leave(a->side->gate);
  if (--a->left == 0) a->side->running--;
}

static void actor_enter(struct actor *a) {
  int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most_inside);
  while (now > seen && !atomic_compare_exchange_weak(&most_inside, &seen, now))
    continue;
  a->is_inside = true;
}

static void on_grant(void *context) {
  struct actor *a = context;
  a->wait = NULL;
  actor_enter(a);
}

static void on_turn(uv_idle_t *idle) {
  struct side *s = idle->data;
  for (int i = 0; i < ACTORS; i++) {
    struct actor *a = &s->actors[i];
    if (a->is_inside) actor_leave(a);
    if (a->left == 0) continue;
    if (a->wait && a->left % 7 == 0 && !a->gave_up) {
      a->gave_up = true;
      gate_wait_cancel(a->wait);
      a->wait = NULL;
      s->cancelled++;
    }
    if (a->wait) continue;
    if (gate_enter(s->gate))
      actor_enter(a);
    else
      a->wait = gate_wait_start(s->gate, &s->mailbox, on_grant, a);
  }
  if (s->running > 0) return;
  mailbox_close(&s->mailbox, NULL);
  uv_close((uv_handle_t *)&s->idle, NULL);
}

static void *side_main(void *context) {
  struct side *s = context;
  uv_run(&s->loop, UV_RUN_DEFAULT);
  must(uv_loop_close(&s->loop) == 0);
  return NULL;
}

static void test_many_loops(void) {
  static struct side sides[LOOPS];
  pthread_t threads[LOOPS];
  struct gates *gates = gates_new();
  struct gate *gate = gates_provider(gates, SLICE("gpu"), SLOTS);
  for (int i = 0; i < LOOPS; i++) {
    struct side *s = &sides[i];
    s->gate = gate;
    s->running = ACTORS;
    must(uv_loop_init(&s->loop) == 0);
    mailbox_init(&s->mailbox, &s->loop, s);
    uv_idle_init(&s->loop, &s->idle);
    s->idle.data = s;
    uv_idle_start(&s->idle, on_turn);
    for (int k = 0; k < ACTORS; k++)
      s->actors[k] = (struct actor){.side = s, .left = ROUNDS};
  }
  for (int i = 0; i < LOOPS; i++)
    must(pthread_create(&threads[i], NULL, side_main, &sides[i]) == 0);
  for (int i = 0; i < LOOPS; i++)
    pthread_join(threads[i], NULL);
  CHECK(atomic_load(&most_inside) == SLOTS);
  CHECK(sides[0].cancelled > 0);
  CHECK(gate_used(gate) == 0);
  gates_free(gates);
}

int main(void) {
  test_queue();
  test_queue_wait();
  test_reload();
  test_many_loops();
  return checks_end();
}
