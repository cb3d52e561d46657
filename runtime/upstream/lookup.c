#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "upstream/upstream.h"

/* The first server gets so long at the first try, twice that at the next. */
enum { TRY_MS = 700, TRIES = 3 };

struct name_watch {
  struct list link;
  uv_poll_t poll;
  struct lookups *all;
  ares_socket_t fd;
};

static void rearm(struct lookups *all);

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct name_watch *w = poll->data;
  struct lookups *all = w->all;
  bool is_bad = status < 0;
  ares_process_fd(all->channel, is_bad || events & UV_READABLE ? w->fd : ARES_SOCKET_BAD,
                  is_bad || events & UV_WRITABLE ? w->fd : ARES_SOCKET_BAD);
  rearm(all);
}

static void on_watch_closed(uv_handle_t *handle) {
  struct name_watch *w = handle->data;
  upstream_handle_closed(w->all->upstream);
  free(w);
}

static struct name_watch *watch_find(struct lookups *all, ares_socket_t fd) {
  list_each(node, &all->watches) {
    struct name_watch *w = list_entry(node, struct name_watch, link);
    if (w->fd == fd) return w;
  }
  return NULL;
}

static struct name_watch *watch_new(struct lookups *all, ares_socket_t fd) {
  struct name_watch *w = must_calloc(1, sizeof *w);
  w->all = all;
  w->fd = fd;
  must(uv_poll_init_socket(all->upstream->loop, &w->poll, fd) == 0);
  w->poll.data = w;
  all->upstream->handles++;
  list_append(&all->watches, &w->link);
  return w;
}

static void on_socket(void *context, ares_socket_t fd, int readable, int writable) {
  struct lookups *all = context;
  struct name_watch *w = watch_find(all, fd);
  if (!readable && !writable) {
    if (!w) return;
    list_remove(&w->link);
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
    return;
  }
  if (!w) w = watch_new(all, fd);
  int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  must(uv_poll_start(&w->poll, events, on_poll) == 0);
}

static void on_timer(uv_timer_t *timer) {
  struct lookups *all = timer->data;
  ares_process_fd(all->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  rearm(all);
}

static void rearm(struct lookups *all) {
  struct timeval left;
  if (!all->channel || !ares_timeout(all->channel, NULL, &left)) {
    uv_timer_stop(&all->timer);
    return;
  }
  uint64_t ms = (uint64_t)left.tv_sec * 1000 + (uint64_t)left.tv_usec / 1000 + 1;
  uv_timer_start(&all->timer, on_timer, ms, 0);
}

static struct timespec resolv_conf_changed(void) {
  struct stat file;
  return stat("/etc/resolv.conf", &file) == 0 ? file.st_mtim : (struct timespec){0, 0};
}

/* c-ares reads /etc/resolv.conf once for each channel. */
static void channel_refresh(struct lookups *all) {
  struct timespec changed = resolv_conf_changed();
  bool is_new = changed.tv_sec != all->changed.tv_sec || changed.tv_nsec != all->changed.tv_nsec;
  if (all->channel && all->open == 0 && (is_new || all->is_outdated)) {
    ares_destroy(all->channel);
    all->channel = NULL;
  }
  if (all->channel) return;
  struct ares_options options = {
      .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = all};
  must(ares_init_options(&all->channel, &options,
                         ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) ==
       ARES_SUCCESS);
  if (all->servers[0]) must(ares_set_servers_ports_csv(all->channel, all->servers) == ARES_SUCCESS);
  all->changed = changed;
  all->is_outdated = false;
}

static void copy(struct resolved *out, const struct ares_addrinfo *from) {
  out->count = 0;
  const struct ares_addrinfo_node *node = from ? from->nodes : NULL;
  for (; node && out->count < RESOLVED_MAX; node = node->ai_next) {
    struct resolved_address *to = &out->items[out->count];
    size_t bytes = node->ai_family == AF_INET    ? sizeof to->v4
                   : node->ai_family == AF_INET6 ? sizeof to->v6
                                                 : 0;
    if (bytes == 0 || node->ai_addrlen < bytes) continue;
    memcpy(to, node->ai_addr, bytes);
    out->count++;
  }
}

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *answer) {
  (void)timeouts;
  struct lookup *l = context;
  struct resolved found;
  copy(&found, status == ARES_SUCCESS ? answer : NULL);
  if (answer) ares_freeaddrinfo(answer);
  l->all->open--;
  bool has_no_name = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
  enum lookup_result result = LOOKUP_FAILED;
  if (found.count)
    result = LOOKUP_FOUND;
  else if (has_no_name || status == ARES_SUCCESS)
    result = LOOKUP_NO_NAME;
  l->on_answer(l, result, &found, ares_strerror(status));
}

void lookup_start(struct lookups *all, struct lookup *l, const char *name) {
  struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  l->all = all;
  channel_refresh(all);
  all->open++;
  ares_getaddrinfo(all->channel, name, NULL, &hints, on_answer, l);
  rearm(all);
}

void lookups_init(struct lookups *all, struct upstream *u) {
  *all = (struct lookups){.upstream = u};
  list_init(&all->watches);
  uv_timer_init(u->loop, &all->timer);
  all->timer.data = all;
  u->handles++;
}

void lookups_servers(struct lookups *all, struct slice servers) {
  if (slice_equal_text(servers, all->servers) || servers.len >= sizeof all->servers) return;
  memcpy(all->servers, servers.data, servers.len);
  all->servers[servers.len] = 0;
  all->is_outdated = true;
}

static void on_timer_closed(uv_handle_t *handle) {
  struct lookups *all = handle->data;
  upstream_handle_closed(all->upstream);
}

void lookups_close(struct lookups *all) {
  if (all->channel) ares_destroy(all->channel);
  all->channel = NULL;
  must(all->open == 0);
  uv_close((uv_handle_t *)&all->timer, on_timer_closed);
}
