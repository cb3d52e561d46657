#include "script/watchdog.h"

#include <lua.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/list.h"
#include "base/must.h"

enum {
  INTERVAL_NS = 2000000,
  IDLE_ROUNDS = 500, /* a second without scripts, then the watching thread sleeps until one comes */
  START_SECONDS = 10,
};

struct watch { /* one for a thread; entry is odd while the thread is inside a sandbox */
  struct list link;
  pthread_t thread;
  clockid_t clock;
  lua_State *L;
  watchdog_hook on_hook;
  _Atomic uint64_t entry, budget_ns;
  _Atomic uint64_t condemned;           /* the entry that is over its budget */
  _Atomic uint64_t sampled, sampled_ns; /* the entry last seen, and the clock then */
};

static _Thread_local struct watch self;
static _Thread_local bool is_registered;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the list and what follows */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, started = PTHREAD_COND_INITIALIZER;
static struct list watches = {&watches, &watches};
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_stopping;
static _Atomic bool is_running, is_asleep;

static uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_signal(int number) {
  (void)number;
  uint64_t entry = atomic_load(&self.entry);
  if ((entry & 1) && atomic_load(&self.condemned) == entry)
    lua_sethook(self.L, self.on_hook, LUA_MASKCOUNT, 1);
}

static void on_thread_exit(void *watch) {
  struct watch *w = watch;
  pthread_mutex_lock(&mutex);
  list_remove(&w->link);
  pthread_mutex_unlock(&mutex);
}

static void prepare(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  must(sigaction(SIGURG, &action, NULL) == 0);
  must(pthread_key_create(&at_exit, on_thread_exit) == 0);
}

static void enlist(void) {
  must(pthread_once(&once, prepare) == 0);
  self.thread = pthread_self();
  must(pthread_getcpuclockid(self.thread, &self.clock) == 0);
  must(pthread_setspecific(at_exit, &self) == 0);
  pthread_mutex_lock(&mutex);
  list_append(&watches, &self.link);
  pthread_mutex_unlock(&mutex);
  is_registered = true;
}

static void wake_up(void) {
  pthread_mutex_lock(&mutex);
  atomic_store(&is_asleep, false);
  pthread_cond_signal(&wake);
  pthread_mutex_unlock(&mutex);
}

/* Looks at one thread; false when it is in no sandbox. */
static bool look(struct watch *w) {
  uint64_t entry = atomic_load(&w->entry);
  if (!(entry & 1)) return false;
  uint64_t now = clock_ns(w->clock);
  if (atomic_load(&w->sampled) != entry) {
    atomic_store(&w->sampled_ns, now);
    atomic_store(&w->sampled, entry);
  } else if (now - atomic_load(&w->sampled_ns) >= atomic_load(&w->budget_ns)) {
    atomic_store(&w->condemned, entry);
    pthread_kill(w->thread, SIGURG); /* each time until it leaves: a finalizer can undo a hook */
  }
  return true;
}

static bool look_at_all(void) {
  bool any = false;
  list_each(node, &watches) any |= look(list_entry(node, struct watch, link));
  return any;
}

/* The flag goes up before the last look, and watchdog_enter reads it after its store: one of the
 * two sees the other. */
static void sleep_until_woken(void) {
  atomic_store(&is_asleep, true);
  if (look_at_all()) atomic_store(&is_asleep, false);
  while (atomic_load(&is_asleep) && !is_stopping)
    pthread_cond_wait(&wake, &mutex);
  atomic_store(&is_asleep, false);
}

void watchdog_run(void *unused) {
  (void)unused;
  must(pthread_once(&once, prepare) == 0);
  int idle = 0;
  pthread_mutex_lock(&mutex);
  atomic_store(&is_running, true);
  pthread_cond_broadcast(&started);
  while (!is_stopping) {
    idle = look_at_all() ? 0 : idle + 1;
    if (idle > IDLE_ROUNDS) {
      sleep_until_woken();
      idle = 0;
      continue;
    }
    pthread_mutex_unlock(&mutex);
    nanosleep(&(struct timespec){.tv_nsec = INTERVAL_NS}, NULL);
    pthread_mutex_lock(&mutex);
  }
  is_stopping = false;
  atomic_store(&is_running, false);
  pthread_mutex_unlock(&mutex);
}

void watchdog_stop(void) {
  pthread_mutex_lock(&mutex);
  is_stopping = true;
  pthread_cond_signal(&wake);
  pthread_mutex_unlock(&mutex);
}

bool watchdog_wait(void) {
  if (atomic_load(&is_running)) return true;
  struct timespec end;
  must(clock_gettime(CLOCK_REALTIME, &end) == 0);
  end.tv_sec += START_SECONDS;
  pthread_mutex_lock(&mutex);
  while (!atomic_load(&is_running))
    if (pthread_cond_timedwait(&started, &mutex, &end) != 0) break;
  pthread_mutex_unlock(&mutex);
  return atomic_load(&is_running);
}

void watchdog_enter(lua_State *L, watchdog_hook on_hook, uint64_t budget_ns) {
  if (!is_registered) enlist();
  uint64_t entry = atomic_load_explicit(&self.entry, memory_order_relaxed);
  must(!(entry & 1));
  self.L = L;
  self.on_hook = on_hook;
  atomic_store_explicit(&self.budget_ns, budget_ns, memory_order_relaxed);
  atomic_store(&self.entry, entry + 1);
  if (atomic_load_explicit(&is_asleep, memory_order_relaxed)) wake_up();
}

bool watchdog_leave(uint64_t *used_ns) {
  uint64_t entry = atomic_load_explicit(&self.entry, memory_order_relaxed);
  must(entry & 1);
  atomic_store(&self.entry, entry + 1);
  *used_ns = 0;
  if (atomic_load_explicit(&self.sampled, memory_order_acquire) == entry)
    *used_ns = clock_ns(self.clock) - atomic_load(&self.sampled_ns);
  if (atomic_load_explicit(&self.condemned, memory_order_acquire) != entry) return false;
  lua_sethook(self.L, NULL, 0, 0);
  return true;
}

bool watchdog_is_over(void) {
  uint64_t entry = atomic_load_explicit(&self.entry, memory_order_relaxed);
  return (entry & 1) && atomic_load_explicit(&self.condemned, memory_order_relaxed) == entry;
}
