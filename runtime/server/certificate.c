#include "server/certificate.h"

#include "base/clock.h"
#include "http/conn.h"
#include "observe/log.h"
#include "observe/metric.h"

enum { DAY_MS = 86400000 };

/* Each is said once, and again by whoever loads the certificate. */
static unsigned urgency(int64_t left_ms) {
  static const int64_t days[] = {14, 7, 3, 1, 0};
  unsigned count = 0;
  while (count < sizeof days / sizeof *days && left_ms < days[count] * DAY_MS)
    count++;
  return count;
}

unsigned server_certificate_remark(const struct server_certificate *c, int64_t now_ms,
                                   struct bytes *out) {
  if (!c->file || c->ends_ms == INT64_MAX) return 0;
  char ends[25];
  clock_format(c->ends_ms, ends);
  unsigned urgent = urgency(c->ends_ms - now_ms);
  if (urgent)
    bytes_printf(out,
                 "tls.certificate: %s %s at %s; clients %s it: put a newer one in its place, then "
                 "send SIGHUP",
                 c->file, c->ends_ms < now_ms ? "ended" : "ends", ends,
                 c->ends_ms < now_ms ? "refuse" : "will refuse");
  return urgent;
}

void server_certificate_look(struct server_certificate *c) {
  struct bytes remark;
  bytes_init(&remark);
  int64_t now_ms = clock_wall_ms();
  unsigned urgent = server_certificate_remark(c, now_ms, &remark);
  if (urgent > c->told)
    log_process(c->ends_ms < now_ms ? LOG_ERROR : LOG_WARN, "%s", bytes_text(&remark));
  c->told = urgent;
  bytes_fini(&remark);
}

struct server_certificate server_certificate_of(const struct config *config) {
  return (struct server_certificate){config->tls.certificate, http_tls_ends_ms(config), 0};
}

void server_certificate_load(struct server_certificate *c, const struct config *config) {
  *c = server_certificate_of(config);
  if (c->file && c->ends_ms != INT64_MAX)
    metric_set(metric_get(METRIC_CERTIFICATE_ENDS, NULL), (uint64_t)(c->ends_ms / 1000));
  server_certificate_look(c);
}
