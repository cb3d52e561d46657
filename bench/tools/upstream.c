/* An upstream that costs little: one thread, answers of fixed text. A POST whose body asks for a
 * stream gets one, any other a chat completion of about 600 bytes. Each chunk of a stream carries
 * the nanosecond of its writing. GET /set?chunks=N&gap_us=N changes the streams that begin later;
 * all of them share one gap, so that those which wait stand in the order of their time. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, IN_BYTES = 1 << 18, OUT_BYTES = 2048 };

#define OBJECT(kind)                                                                               \
  "{\"id\":\"chatcmpl-bench00000000000000000001\",\"object\":\"" kind                              \
  "\",\"created\":1700000000,\"model\":\"bench-model\","

static const char answer[] = OBJECT(
    "chat.completion") "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                       "\"A queue without a "
                       "bound hides that one side is slower than the other: it grows until memory "
                       "is gone, and by then "
                       "every answer in it is late. A bound makes the slow side visible at once, "
                       "and lets the fast one "
                       "wait, shed work or say "
                       "no.\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                       "\"usage\":{\"prompt_tokens\":212,\"completion_tokens\":57,\"total_tokens\":"
                       "269,"
                       "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_"
                       "details\":"
                       "{\"reasoning_tokens\":0}}}";

static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                  "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

struct conn {
  int fd;
  char *in;
  size_t in_len;
  char out[OUT_BYTES]; /* what the socket did not take */
  size_t out_len;
  bool streaming, waiting;
  unsigned chunks_left;
  bool began;
  uint64_t due_ns;
  struct conn *next, *previous; /* of those that wait */
};

static struct {
  int epoll, listener;
  unsigned chunks;
  uint64_t gap_ns;
  struct conn *first, *last;
} up;

static uint64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void wait_leave(struct conn *c) {
  if (!c->waiting) return;
  *(c->previous ? &c->previous->next : &up.first) = c->next;
  *(c->next ? &c->next->previous : &up.last) = c->previous;
  c->waiting = false;
}

static void wait_enter(struct conn *c) {
  c->previous = up.last;
  c->next = NULL;
  *(up.last ? &up.last->next : &up.first) = c;
  up.last = c;
  c->waiting = true;
}

static void conn_close(struct conn *c) {
  wait_leave(c);
  close(c->fd);
  free(c->in);
  free(c);
}

static void want_write(struct conn *c, bool wanted) {
  struct epoll_event event = {.events = wanted ? EPOLLOUT : EPOLLIN, .data.ptr = c};
  epoll_ctl(up.epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* False when the connection is lost. */
static bool conn_write(struct conn *c, const char *data, size_t len) {
  ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN) return false;
  size_t sent = n > 0 ? (size_t)n : 0;
  if (sent == len) return true;
  if (len - sent > sizeof c->out) return false;
  c->out_len = len - sent;
  memcpy(c->out, data + sent, c->out_len);
  want_write(c, true);
  return true;
}

static bool write_answer(struct conn *c) {
  char text[OUT_BYTES];
  int n = snprintf(text, sizeof text,
                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   sizeof answer - 1, answer);
  return conn_write(c, text, (size_t)n);
}

static bool write_chunk(struct conn *c) {
  char event[512], text[OUT_BYTES];
  int len =
      snprintf(event, sizeof event,
               "data: " OBJECT(
                   "chat.completion.chunk") "\"choices\":[{\"index\":0,"
                                            "\"delta\":{%s\"content\":\"@%019llu one more word\"},"
                                            "\"finish_reason\":null}]}\n\n",
               c->began ? "" : "\"role\":\"assistant\",", (unsigned long long)clock_ns());
  int n = snprintf(text, sizeof text, "%s%x\r\n%s\r\n", c->began ? "" : stream_head, len, event);
  c->began = true;
  c->chunks_left--;
  return conn_write(c, text, (size_t)n);
}

static bool write_end(struct conn *c) {
  char text[OUT_BYTES];
  static const char events[] = "data: " OBJECT(
      "chat.completion.chunk") "\"choices\":[{\"index\":0,\"delta\":{},"
                               "\"finish_reason\":\"stop\"}]}\n\n"
                               "data: " OBJECT(
                                   "chat.completion.chunk") "\"choices\":[],\"usage\":{\"prompt_"
                                                            "tokens\":212,"
                                                            "\"completion_tokens\":400,\"total_"
                                                            "tokens\":612}}\n\ndata: [DONE]\n\n";
  int n = snprintf(text, sizeof text, "%zx\r\n%s\r\n0\r\n\r\n", sizeof events - 1, events);
  c->streaming = false;
  return conn_write(c, text, (size_t)n);
}

/* Writes what is due. */
static bool stream_on(struct conn *c) {
  while (c->chunks_left) {
    if (!write_chunk(c)) return false;
    if (c->out_len) return true;
    if (up.gap_ns && c->chunks_left) {
      c->due_ns += up.gap_ns;
      wait_enter(c);
      return true;
    }
  }
  return write_end(c);
}

static bool set(struct conn *c, const char *head) {
  static const char done[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  unsigned chunks, gap_us;
  if (sscanf(head, "GET /set?chunks=%u&gap_us=%u ", &chunks, &gap_us) != 2) return false;
  up.chunks = chunks;
  up.gap_ns = (uint64_t)gap_us * 1000u;
  return conn_write(c, done, sizeof done - 1);
}

static bool asks_for_stream(const char *body, size_t len) {
  static const char plain[] = "\"stream\":true", spaced[] = "\"stream\": true";
  return memmem(body, len, plain, sizeof plain - 1) || memmem(body, len, spaced, sizeof spaced - 1);
}

static bool request(struct conn *c, const char *head, const char *body, size_t len) {
  if (memcmp(head, "POST ", 5) != 0) return set(c, head);
  if (!asks_for_stream(body, len)) return write_answer(c);
  c->streaming = true;
  c->began = false;
  c->chunks_left = up.chunks;
  c->due_ns = clock_ns();
  return stream_on(c);
}

/* The length of the body; the servers measured here all send it with one. */
static size_t body_length(const char *head) {
  for (const char *line = head; (line = strchr(line, '\n'));)
    if (strncasecmp(++line, "content-length:", 15) == 0) return strtoul(line + 15, NULL, 10);
  return 0;
}

static bool take_requests(struct conn *c) {
  while (!c->streaming && !c->out_len && c->in_len) {
    c->in[c->in_len] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return c->in_len < IN_BYTES - 1;
    end[2] = 0;
    size_t head = (size_t)(end + 4 - c->in), body = body_length(c->in);
    end[2] = '\r';
    if (head + body > IN_BYTES - 1) return false;
    if (c->in_len < head + body) return true;
    if (!request(c, c->in, c->in + head, body)) return false;
    c->in_len -= head + body;
    memmove(c->in, c->in + head + body, c->in_len);
  }
  return true;
}

static bool on_readable(struct conn *c) {
  ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - 1 - c->in_len, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN;
  if (n == 0) return false;
  c->in_len += (size_t)n;
  return take_requests(c);
}

static bool on_writable(struct conn *c) {
  ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN;
  c->out_len -= (size_t)n;
  memmove(c->out, c->out + n, c->out_len);
  if (c->out_len) return true;
  want_write(c, false);
  c->due_ns = clock_ns();
  return c->streaming ? stream_on(c) : take_requests(c);
}

static void on_connection(void) {
  int one = 1, fd = accept4(up.listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct conn *c = calloc(1, sizeof *c);
  if (!c || !(c->in = malloc(IN_BYTES))) abort();
  c->fd = fd;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(up.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void on_event(const struct epoll_event *event) {
  struct conn *c = event->data.ptr;
  if (!c)
    on_connection();
  else if (!(event->events & EPOLLOUT ? on_writable(c) : on_readable(c)))
    conn_close(c);
}

static void run(void) {
  struct epoll_event events[EVENTS];
  for (;;) {
    uint64_t now = clock_ns();
    for (struct conn *c; (c = up.first) && c->due_ns <= now;) {
      wait_leave(c);
      if (!stream_on(c) || !take_requests(c)) conn_close(c);
    }
    uint64_t wait_ns = up.first && up.first->due_ns > now ? up.first->due_ns - now : 0;
    struct timespec wait = {(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};
    int n = epoll_pwait2(up.epoll, events, EVENTS, up.first ? &wait : NULL, NULL);
    for (int i = 0; i < n; i++)
      on_event(&events[i]);
  }
}

int main(void) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  socklen_t at_len = sizeof at;
  struct rlimit files;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_TIMERSLACK, 1UL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  up.chunks = 100;
  up.epoll = epoll_create1(EPOLL_CLOEXEC);
  up.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (bind(up.listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(up.listener, 4096) != 0 ||
      epoll_ctl(up.epoll, EPOLL_CTL_ADD, up.listener, &event) != 0 ||
      getsockname(up.listener, (struct sockaddr *)&at, &at_len) != 0) {
    perror("upstream");
    return 1;
  }
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
  run();
}
