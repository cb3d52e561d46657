/* Ranges of addresses: "10.0.0.0/8", "2001:db8::/32", or one address. */
#pragma once
#include "base/bytes.h"

struct network {
  uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2) */
  uint8_t bits;        /* of 128 */
};

bool network_parse(struct slice text, struct network *out);
/* Does wide hold every address of narrow? */
bool network_covers(const struct network *wide, const struct network *narrow);
/* peer as the listener names it: "127.0.0.1:4242", "[::1]:4242". What has no address, such as a
 * Unix socket, is in no network. */
bool networks_hold(const struct network *networks, size_t count, struct slice peer);
