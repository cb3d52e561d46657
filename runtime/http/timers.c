#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "http/intake.h"

enum { BUSY_LOOK_MS = 2000, BUSY_KEEPALIVE_MS = 2000, PROBE_MS = 20, PROBE_ALIVE_MS = 100 };

/* From half of the connections on, idle ones are kept for less and less time, down to 2 s at 95 %.
 */
static uint64_t keepalive_ms(const struct conn *c) {
  uint64_t full = c->config->client.keepalive_ms, limit = c->config->limits.connections;
  uint64_t used = connections_open(0), from = limit / 2, to = limit * 95 / 100;
  if (limit == 0 || used <= from || full <= BUSY_KEEPALIVE_MS) return full;
  if (used >= to) return BUSY_KEEPALIVE_MS;
  return full - (full - BUSY_KEEPALIVE_MS) * (used - from) / (to - from);
}

void conn_idle(struct conn *c) {
  uint64_t now = conn_now(c), wait = c->config->client.keepalive_ms;
  c->idle_since = now;
  if (c->config->limits.connections && wait > BUSY_LOOK_MS) wait = BUSY_LOOK_MS;
  conn_set_phase(c, CONN_IDLE, now + wait);
}

/* One that has sent nothing yet is idle since it was accepted. */
bool conn_is_parting(const struct conn *c) {
  uint64_t since = c->idle_since;
  if (since == 0 && c->phase_due != WHEEL_NEVER) since = c->phase_due - c->config->client.header_ms;
  return c->server->is_parting && since <= c->server->part_before;
}

static void idle_due(struct conn *c, uint64_t now) {
  uint64_t end = c->idle_since + keepalive_ms(c);
  if (c->idle_since == 0 || now >= end)
    conn_part(c, "idle");
  else
    c->phase_due = end < now + BUSY_LOOK_MS ? end : now + BUSY_LOOK_MS;
}

static void reading_due(struct conn *c, uint64_t now) {
  switch (c->phase) {
  case CONN_IDLE: idle_due(c, now); break;
  case CONN_HEAD: intake_refuse(c, 408, "The request head took too long to arrive."); break;
  case CONN_BODY:
    if (body_is_discarded(c))
      conn_break(c, "body_timeout");
    else
      intake_refuse(c, 408, "The request body took too long to arrive.");
    break;
  default: conn_break(c, "timeout"); break;
  }
}

static void stall_due(struct conn *c, uint64_t now) {
  size_t queued = queue_bytes(c);
  if (queued == c->stall_mark) {
    conn_break(c, "client_stalled");
    return;
  }
  c->stall_mark = queued;
  c->stall_due = now + c->config->client.write_stall_ms;
}

static bool is_acknowledged(int fd) {
  struct tcp_info info;
  socklen_t len = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) return true;
  return info.tcpi_unacked == 0;
}

/* The client's FIN came while its answer is awaited. A socket it closed resets the connection when
 * bytes of ours arrive; a socket it only shut down for sending acknowledges them. */
static void probe_due(struct conn *c, uint64_t now) {
  struct pollfd look = {.fd = c->fd};
  if (poll(&look, 1, 0) > 0 && (look.revents & (POLLERR | POLLHUP))) {
    conn_break(c, "client_closed");
    return;
  }
  if (c->probe == PROBE_WAITING && outlet_probe(c->stream))
    c->probe = PROBE_SENT;
  else if (c->probe == PROBE_SENT && is_acknowledged(c->fd))
    c->probe = PROBE_ALIVE;
  c->probe_due = now + (c->probe == PROBE_ALIVE ? PROBE_ALIVE_MS : PROBE_MS);
}

void conn_on_due(struct wheel_entry *entry) {
  struct conn *c = list_entry(entry, struct conn, timer);
  uint64_t now = conn_now(c);
  if (c->stall_due <= now) stall_due(c, now);
  if (c->probe_due <= now && c->phase == CONN_ANSWER && !c->broken) probe_due(c, now);
  if ((c->phase_due <= now || c->body_idle_due <= now) && !c->broken) reading_due(c, now);
  conn_run(c);
}

void conn_arm(struct conn *c) {
  uint64_t due = c->phase_due;
  if (c->body_idle_due < due) due = c->body_idle_due;
  if (c->stall_due < due) due = c->stall_due;
  if (c->probe_due < due) due = c->probe_due;
  wheel_set(&c->server->wheel, &c->timer, due);
}
