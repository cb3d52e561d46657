/* The end of the listeners' certificate: nothing else in a gateway stops working on a day that is
 * known in advance. */
#pragma once
#include "base/bytes.h"
#include "config/config.h"

struct server_certificate {
  const char *file; /* borrowed from the configuration; NULL: no TLS */
  int64_t ends_ms;  /* wall time; INT64_MAX: unknown */
  unsigned told;    /* how urgent what was logged last is */
};

struct server_certificate server_certificate_of(const struct config *config);
/* Reads the certificate of a configuration that is in force from now on, sets its metric, and logs
 * what is to be said about it. */
void server_certificate_load(struct server_certificate *c, const struct config *config);
/* Logs it when the end has come nearer than what was said last. */
void server_certificate_look(struct server_certificate *c);
/* One sentence in out, where the certificate has ended, or ends within two weeks; how urgent that
 * is, 0: nothing to say. */
unsigned server_certificate_remark(const struct server_certificate *c, int64_t now_ms,
                                   struct bytes *out);
