/* Where requests made on behalf of a tenant may go. Decided twice: by the name before it is looked
 * up, and by the address that a socket is about to connect to, so that no spelling, no resolver
 * and no change of mind between the two matters.
 *
 * An address is internal unless it is globally reachable unicast (RFC 6890 and IANA's registries of
 * special-purpose addresses). Forms that carry an IPv4 address are judged by it: IPv4-mapped
 * (RFC 4291, 2.5.5.2), NAT64 (RFC 6052) and 6to4 (RFC 3056). */
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"

struct address_rule {
  enum { RULE_HOST, RULE_SUBDOMAINS, RULE_NETWORK } type;
  struct slice host;   /* a name or numeric address; of "*.example.com" what follows the star */
  uint16_t port;       /* 0: any */
  uint8_t network[16]; /* IPv4 as ::ffff:0:0/96 */
  uint8_t prefix_bits; /* 0 … 128 */
};

struct address_rules {
  const struct address_rule *items;
  size_t count;
};

struct address_policy {
  struct address_rules hosts;    /* what may be named at all; none: any host */
  struct address_rules internal; /* what may lie at internal addresses besides; none: nothing.
                                  * Names here reach loopback, private and shared addresses;
                                  * every other kind (169.254.169.254) only a network opens. */
};

/* "api.example.com", "gpu1.lan:8000", "*.example.com", "10.1.0.0/16", "fd00:1::/48", "127.0.0.1",
 * "[::1]:8000". NULL, or what is wrong. out->host is a part of text. */
const char *address_rule_parse(struct slice text, struct address_rule *out);

/* The name before it is looked up; host may carry brackets. NULL when allowed, else a sentence's
 * end: "is not on the list of allowed hosts". */
const char *address_policy_refuses_host(const struct address_policy *p, struct slice host,
                                        uint16_t port);
/* The address that host led to. NULL when allowed, else what kind of address it is: "loopback". */
const char *address_policy_refuses(const struct address_policy *p, struct slice host,
                                   const struct sockaddr *address);
/* "loopback", "private", …; NULL for a global unicast address. Families besides IPv4 and IPv6 are
 * "no internet" addresses. */
const char *address_kind(const struct sockaddr *address);
/* The same policy gives the same text, whatever memory it lies in. */
void address_policy_write(struct bytes *out, const struct address_policy *p);
/* "127.0.0.1", "::1"; never fails. */
enum { ADDRESS_TEXT_BYTES = 64 };
void address_text(const struct sockaddr *address, char out[ADDRESS_TEXT_BYTES]);
