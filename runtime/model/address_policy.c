#include "model/address_policy.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "model/url.h"

struct range {
  uint8_t network[16];
  uint8_t prefix_bits;
  const char *kind;
};

#define V4(a, b, c, d, bits, kind)                                                                 \
  { {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + bits, kind }

static const char loopback[] = "loopback", private_kind[] = "private", shared[] = "shared";

/* https://www.iana.org/assignments/iana-ipv4-special-registry, …/multicast-addresses; and the one
 * public address behind which a cloud (Azure) answers for its hosts. */
static const struct range v4_ranges[] = {
    V4(0, 0, 0, 0, 8, "unspecified"),       V4(10, 0, 0, 0, 8, private_kind),
    V4(100, 64, 0, 0, 10, shared),          V4(127, 0, 0, 0, 8, loopback),
    V4(168, 63, 129, 16, 32, "link-local"), V4(169, 254, 0, 0, 16, "link-local"),
    V4(172, 16, 0, 0, 12, private_kind),    V4(192, 0, 0, 0, 24, "reserved"),
    V4(192, 0, 2, 0, 24, "reserved"),       V4(192, 88, 99, 0, 24, "reserved"),
    V4(192, 168, 0, 0, 16, private_kind),   V4(198, 18, 0, 0, 15, "reserved"),
    V4(198, 51, 100, 0, 24, "reserved"),    V4(203, 0, 113, 0, 24, "reserved"),
    V4(224, 0, 0, 0, 4, "multicast"),       V4(240, 0, 0, 0, 4, "reserved"),
};

/* https://www.iana.org/assignments/iana-ipv6-special-registry. What 2000::/3 does not hold is not
 * global; the rows name the kinds that have a name, the first match counts. */
static const struct range v6_ranges[] = {
    {{0}, 128, "unspecified"},
    {{[15] = 1}, 128, loopback},
    {{0xfc}, 7, private_kind},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xff}, 8, "multicast"},
    {{0x20, 0x01}, 23, "reserved"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "reserved"},
    {{0x3f, 0xff}, 20, "reserved"},
    {{0x20}, 3, NULL},
    {{0}, 0, "reserved"},
};

static const struct range mapped = {{[10] = 0xff, 0xff}, 96, NULL};
static const struct range nat64 = {{0, 0x64, 0xff, 0x9b}, 96, NULL};
static const struct range six_to_four = {{0x20, 0x02}, 16, NULL};

static bool is_within(const uint8_t address[16], const uint8_t network[16], unsigned bits) {
  unsigned whole = bits / 8, rest = bits % 8;
  if (memcmp(address, network, whole) != 0) return false;
  return rest == 0 || ((address[whole] ^ network[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static bool is_in(const uint8_t address[16], const struct range *r) {
  return is_within(address, r->network, r->prefix_bits);
}

static const char *kind_in(const struct range *ranges, size_t count, const uint8_t address[16]) {
  for (size_t i = 0; i < count; i++)
    if (is_in(address, &ranges[i])) return ranges[i].kind;
  return NULL;
}

static void map_v4(uint8_t out[16], const uint8_t v4[4]) {
  memcpy(out, mapped.network, 12);
  memcpy(out + 12, v4, 4);
}

static const char *kind_of(const uint8_t address[16]) {
  uint8_t inner[16];
  size_t v4_count = sizeof v4_ranges / sizeof *v4_ranges;
  if (is_in(address, &mapped)) return kind_in(v4_ranges, v4_count, address);
  if (is_in(address, &nat64) || is_in(address, &six_to_four)) {
    map_v4(inner, address + (is_in(address, &nat64) ? 12 : 2));
    return kind_in(v4_ranges, v4_count, inner);
  }
  return kind_in(v6_ranges, sizeof v6_ranges / sizeof *v6_ranges, address);
}

static bool bytes_of(const struct sockaddr *address, uint8_t out[16]) {
  if (address->sa_family == AF_INET) {
    map_v4(out, (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
    return true;
  }
  if (address->sa_family != AF_INET6) return false;
  memcpy(out, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
  return true;
}

const char *address_kind(const struct sockaddr *address) {
  uint8_t bytes[16];
  return bytes_of(address, bytes) ? kind_of(bytes) : "no internet";
}

void address_text(const struct sockaddr *address, char out[ADDRESS_TEXT_BYTES]) {
  const void *from = &((const struct sockaddr_in *)address)->sin_addr;
  if (address->sa_family == AF_INET6) from = &((const struct sockaddr_in6 *)address)->sin6_addr;
  bool is_known = address->sa_family == AF_INET || address->sa_family == AF_INET6;
  if (!is_known || !inet_ntop(address->sa_family, from, out, ADDRESS_TEXT_BYTES))
    snprintf(out, ADDRESS_TEXT_BYTES, "an address of family %d", address->sa_family);
}

static bool parse_numeric(struct slice text, uint8_t out[16], uint8_t *bits) {
  char copy[INET6_ADDRSTRLEN];
  uint8_t v4[4];
  if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, 0, text.len)) return false;
  memcpy(copy, text.data, text.len);
  copy[text.len] = 0;
  *bits = 128;
  if (inet_pton(AF_INET6, copy, out) == 1) return true;
  if (inet_pton(AF_INET, copy, v4) != 1) return false;
  *bits = 32;
  map_v4(out, v4);
  return true;
}

static const char *parse_network(struct slice text, struct address_rule *out) {
  struct slice prefix, base = slice_cut(text, '/', &prefix);
  uint8_t bits;
  uint64_t wanted;
  if (!parse_numeric(base, out->network, &bits) || !slice_to_u64(prefix, &wanted) || wanted > bits)
    return "is no network; write for example 10.1.0.0/16 or fd00:1::/48";
  out->type = RULE_NETWORK;
  out->prefix_bits = (uint8_t)(wanted + (bits == 32 ? 96 : 0));
  return NULL;
}

const char *address_rule_parse(struct slice text, struct address_rule *out) {
  *out = (struct address_rule){.type = RULE_HOST};
  if (memchr(text.data ? text.data : "", '/', text.len)) return parse_network(text, out);
  uint8_t bits;
  if (parse_numeric(text, out->network, &bits)) {
    out->type = RULE_NETWORK;
    out->prefix_bits = 128;
    return NULL;
  }
  struct slice name = text;
  if (slice_starts(name, SLICE("*."))) {
    out->type = RULE_SUBDOMAINS;
    name = slice_skip(name, 2);
  }
  char url_text[300];
  struct url url;
  int length = snprintf(url_text, sizeof url_text, "http://%.*s", (int)name.len, name.data);
  if (name.len > 280 || url_parse((struct slice){url_text, (size_t)length}, &url) || url.path.len)
    return "is no host; write for example api.example.com, *.example.com, gpu1.lan:8000, "
           "10.1.0.0/16 or [::1]:8000";
  out->host = (struct slice){name.data, url.host.len};
  if (name.len > url.host.len) out->port = url.port;
  return NULL;
}

/* Without brackets and the dot of the root. */
static struct slice plain_name(struct slice host) {
  if (host.len > 1 && host.data[0] == '[') host = (struct slice){host.data + 1, host.len - 2};
  if (host.len > 1 && host.data[host.len - 1] == '.') host.len--;
  return host;
}

static bool names(const struct address_rule *rule, struct slice host, uint16_t port) {
  if (rule->port && port && rule->port != port) return false;
  struct slice wanted = plain_name(rule->host);
  if (rule->type == RULE_HOST) return slice_equal_nocase(host, wanted);
  if (host.len <= wanted.len + 1 || host.data[host.len - wanted.len - 1] != '.') return false;
  return slice_equal_nocase(slice_skip(host, host.len - wanted.len), wanted);
}

static bool rules_name(const struct address_rules *rules, struct slice host, uint16_t port) {
  uint8_t address[16], bits;
  host = plain_name(host);
  bool is_numeric = parse_numeric(host, address, &bits);
  for (size_t i = 0; i < rules->count; i++) {
    const struct address_rule *r = &rules->items[i];
    if (r->type == RULE_NETWORK ? is_numeric && is_within(address, r->network, r->prefix_bits)
                                : names(r, host, port))
      return true;
  }
  return false;
}

const char *address_policy_refuses_host(const struct address_policy *p, struct slice host,
                                        uint16_t port) {
  if (p->hosts.count == 0 || rules_name(&p->hosts, host, port) ||
      rules_name(&p->internal, host, port))
    return NULL;
  return "is not on the list of allowed hosts";
}

static bool networks_hold(const struct address_rules *rules, const uint8_t address[16]) {
  for (size_t i = 0; i < rules->count; i++) {
    const struct address_rule *r = &rules->items[i];
    if (r->type == RULE_NETWORK && is_within(address, r->network, r->prefix_bits)) return true;
  }
  return false;
}

static uint16_t port_of(const struct sockaddr *address) {
  return ntohs(address->sa_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
                                             : ((const struct sockaddr_in6 *)address)->sin6_port);
}

const char *address_policy_refuses(const struct address_policy *p, struct slice host,
                                   const struct sockaddr *address) {
  uint8_t bytes[16];
  if (!bytes_of(address, bytes)) return "no internet";
  const char *kind = kind_of(bytes);
  if (!kind || networks_hold(&p->internal, bytes)) return NULL;
  bool may_be_named = kind == loopback || kind == private_kind || kind == shared;
  if (may_be_named && rules_name(&p->internal, host, port_of(address))) return NULL;
  return kind;
}

static void write_rules(struct bytes *out, const struct address_rules *rules) {
  for (size_t i = 0; i < rules->count; i++) {
    const struct address_rule *r = &rules->items[i];
    bytes_printf(out, "%d %u %u ", (int)r->type, r->port, r->prefix_bits);
    bytes_append_slice(out, r->host);
    bytes_append(out, r->network, sizeof r->network);
  }
  bytes_append_byte(out, '\n');
}

void address_policy_write(struct bytes *out, const struct address_policy *p) {
  bytes_append_text(out, "policy\n");
  write_rules(out, &p->hosts);
  write_rules(out, &p->internal);
}
