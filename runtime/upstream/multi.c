#include "upstream/multi.h"

#include <stdlib.h>

#include "upstream/upstream.h"

struct multi_group {
  struct list link;
  struct upstream *upstream;
  struct later shrink;
  CURLM *multi;
  uv_timer_t timer;
  unsigned used;
};

struct watch { /* a socket that libcurl waits for */
  uv_poll_t poll;
  struct upstream *upstream; /* outlives the group */
  struct multi_group *group;
  curl_socket_t fd;
};

static void read_results(struct multi_group *g) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(g->multi, &left))) {
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode result = message->data.result;
    struct multi_handle *h = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &h);
    h->on_done(h, result);
  }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct watch *w = poll->data;
  struct multi_group *g = w->group;
  int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  curl_multi_socket_action(g->multi, w->fd, flags, &running);
  read_results(g);
}

static void on_watch_closed(uv_handle_t *handle) {
  struct watch *w = handle->data;
  upstream_handle_closed(w->upstream);
  free(w);
}

static struct watch *watch_new(struct multi_group *g, curl_socket_t fd) {
  struct watch *w = must_calloc(1, sizeof *w);
  w->group = g;
  w->upstream = g->upstream;
  w->fd = fd;
  must(uv_poll_init_socket(g->upstream->loop, &w->poll, fd) == 0);
  w->poll.data = w;
  g->upstream->handles++;
  return w;
}

static void tell_wait(CURL *easy) {
  struct multi_handle *h = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &h);
  if (h->on_wait) h->on_wait(h);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context) {
  struct multi_group *g = context;
  struct watch *w = socket_context;
  if (what == CURL_POLL_REMOVE) {
    if (!w) return 0;
    curl_multi_assign(g->multi, fd, NULL);
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
    return 0;
  }
  if (!w) {
    w = watch_new(g, fd);
    curl_multi_assign(g->multi, fd, w);
  }
  int events = what == CURL_POLL_IN ? UV_READABLE : UV_WRITABLE;
  if (what == CURL_POLL_INOUT) events = UV_READABLE | UV_WRITABLE;
  must(uv_poll_start(&w->poll, events, on_poll) == 0);
  tell_wait(easy);
  return 0;
}

static void on_timeout(uv_timer_t *timer) {
  struct multi_group *g = timer->data;
  int running;
  curl_multi_socket_action(g->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  read_results(g);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *context) {
  (void)multi;
  struct multi_group *g = context;
  if (timeout_ms < 0)
    uv_timer_stop(&g->timer);
  else
    uv_timer_start(&g->timer, on_timeout, (uint64_t)timeout_ms, 0);
  return 0;
}

static void on_group_closed(uv_handle_t *handle) {
  struct multi_group *g = handle->data;
  upstream_handle_closed(g->upstream);
  free(g);
}

static void group_free(struct multi_group *g) {
  list_remove(&g->link);
  later_cancel(&g->shrink);
  must(g->used == 0);
  curl_multi_cleanup(g->multi);
  uv_close((uv_handle_t *)&g->timer, on_group_closed);
}

/* One empty group stays for the next connection. */
static void on_shrink(struct later *l) {
  struct multi_group *g = list_entry(l, struct multi_group, shrink);
  struct list *all = &g->upstream->multis.groups;
  if (g->used == 0 && all->next != all->prev) group_free(g);
}

static struct multi_group *group_new(struct multis *m) {
  struct multi_group *g = must_calloc(1, sizeof *g);
  g->upstream = m->upstream;
  later_init(&g->shrink, on_shrink);
  g->multi = curl_multi_init();
  must(g->multi);
  uv_timer_init(g->upstream->loop, &g->timer);
  g->timer.data = g;
  g->upstream->handles++;
  curl_multi_setopt(g->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(g->multi, CURLMOPT_SOCKETDATA, g);
  curl_multi_setopt(g->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
  curl_multi_setopt(g->multi, CURLMOPT_TIMERDATA, g);
  /* libcurl must never close a connection of ours to make room for another. */
  curl_multi_setopt(g->multi, CURLMOPT_MAXCONNECTS, 4L * GROUP_HANDLES);
  list_prepend(&m->groups, &g->link);
  return g;
}

/* Full groups sit at the end of the list, so the first tells whether there is room. */
static struct multi_group *group_with_room(struct multis *m) {
  if (!list_empty(&m->groups)) {
    struct multi_group *g = list_entry(m->groups.next, struct multi_group, link);
    if (g->used < GROUP_HANDLES) return g;
  }
  return group_new(m);
}

void multi_add(struct multis *m, struct multi_handle *h) {
  struct multi_group *g = group_with_room(m);
  h->group = g;
  h->reason[0] = 0;
  curl_easy_setopt(h->easy, CURLOPT_PRIVATE, h);
  curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->reason);
  curl_easy_setopt(h->easy, CURLOPT_SHARE, m->share);
  if (++g->used == GROUP_HANDLES) {
    list_remove(&g->link);
    list_append(&m->groups, &g->link);
  }
  must(curl_multi_add_handle(g->multi, h->easy) == CURLM_OK);
}

void multi_remove(struct multi_handle *h) {
  struct multi_group *g = h->group;
  must(curl_multi_remove_handle(g->multi, h->easy) == CURLM_OK);
  curl_easy_cleanup(h->easy);
  h->easy = NULL;
  h->group = NULL;
  list_remove(&g->link);
  list_prepend(&g->upstream->multis.groups, &g->link);
  if (--g->used == 0) later_add(g->upstream, &g->shrink);
}

void multis_init(struct multis *m, struct upstream *u) {
  m->upstream = u;
  list_init(&m->groups);
  m->share = curl_share_init();
  must(m->share);
  curl_share_setopt(m->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
  curl_share_setopt(m->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

void multis_close(struct multis *m) {
  list_each_safe(node, &m->groups) group_free(list_entry(node, struct multi_group, link));
  must(curl_share_cleanup(m->share) == CURLSHE_OK);
}
