#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "config/build.h"

static bool parse_port(struct slice text, uint16_t *port) {
  uint64_t number;
  if (text.len == 0 || text.len > 5 || !slice_to_u64(text, &number) || number > 65535) return false;
  *port = (uint16_t)number;
  return true;
}

/* "[::1]:80" or "127.0.0.1:80"; *host without brackets. */
static bool split_host_port(struct slice text, struct slice *host, struct slice *port) {
  if (text.len && text.data[0] == '[') {
    *host = slice_cut(slice_skip(text, 1), ']', port);
    if (port->len == 0 || port->data[0] != ':') return false;
    *port = slice_skip(*port, 1);
    return true;
  }
  *host = slice_cut(text, ':', port);
  return host->len > 0 && port->len > 0;
}

static bool is_numeric_host(struct slice text, const char *host) {
  uint8_t address[sizeof(struct in6_addr)];
  return inet_pton(text.data[0] == '[' ? AF_INET6 : AF_INET, host, address) == 1;
}

static bool parse_address(struct build *b, const struct place *at, struct address *out) {
  struct slice text, host, port, prefix = SLICE("unix:");
  if (!walk_text(b, at, &text)) return false;
  out->text = text;
  out->is_unix = slice_starts(text, prefix);
  if (out->is_unix) {
    host = slice_skip(text, prefix.len);
    out->host = arena_text(&b->config->arena, host);
    if (host.len && host.data[0] == '/' && host.len < sizeof((struct sockaddr_un){0}.sun_path))
      return true;
    problem(b, at, "%s is no socket; write unix: and a full path of at most 107 bytes",
            got(b, at->value) + 4);
    return false;
  }
  if (split_host_port(text, &host, &port) && parse_port(port, &out->port)) {
    out->host = arena_text(&b->config->arena, host);
    if (is_numeric_host(text, out->host)) return true;
  }
  problem(b, at,
          "%s is no address; write a number and a port, such as \"127.0.0.1:8080\", "
          "\"[::]:8443\", or \"unix:/run/gateyes.sock\"",
          got(b, at->value) + 4);
  return false;
}

void parse_addresses(struct build *b, const struct place *at, struct addresses *out) {
  if (at->value->faulty) return;
  if (at->value->type == VALUE_TEXT) {
    struct address *one = arena_alloc(&b->config->arena, sizeof *one);
    if (parse_address(b, at, one)) *out = (struct addresses){one, 1};
    return;
  }
  if (!walk_is_list(b, at, "a list of addresses")) return;
  if (at->value->count == 0) problem(b, at, "is empty; name an address or remove the key");
  struct address *all = arena_alloc(&b->config->arena, (at->value->count + 1) * sizeof *all);
  *out = (struct addresses){all, 0};
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    if (parse_address(b, &item, &all[out->count])) out->count++;
  }
}

static bool is_host_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
         c == '.' || c == '_';
}

static bool is_host(struct slice host) {
  if (host.len == 0 || host.len > 253) return false;
  for (size_t i = 0; i < host.len; i++)
    if (!is_host_byte(host.data[i])) return false;
  return true;
}

static bool is_path(struct slice path) {
  for (size_t i = 0; i < path.len; i++)
    if ((unsigned char)path.data[i] <= ' ' || (unsigned char)path.data[i] >= 0x7f ||
        strchr("\"<>\\^`{|}", path.data[i]))
      return false;
  return true;
}

/* host[:port] with the brackets of an IPv6 host kept; false when malformed. */
static bool parse_authority(struct slice authority, struct provider *p, struct arena *a) {
  struct slice host, port = {0};
  if (authority.len && authority.data[0] == '[') {
    uint8_t address[sizeof(struct in6_addr)];
    struct slice inner = slice_cut(slice_skip(authority, 1), ']', &port);
    if (inner.len + 1 >= authority.len || (port.len && port.data[0] != ':')) return false;
    if (inet_pton(AF_INET6, arena_text(a, inner), address) != 1) return false;
    host = (struct slice){authority.data, inner.len + 2};
  } else {
    host = slice_cut(authority, ':', &port);
    if (!is_host(host)) return false;
    port = slice_skip(authority, host.len);
  }
  p->host = host;
  p->port = p->is_tls ? 443 : 80;
  if (port.len == 0) return true;
  uint16_t standard = p->port;
  if (!parse_port(slice_skip(port, 1), &p->port) || p->port == 0) return false;
  if (p->port != standard) p->host = authority;
  return true;
}

static const char *url_fault(struct slice url, struct provider *p, struct arena *a) {
  struct slice rest, https = SLICE("https://"), http = SLICE("http://");
  p->is_tls = slice_starts(url, https);
  if (!p->is_tls && !slice_starts(url, http)) return "does not begin with http:// or https://";
  p->scheme = p->is_tls ? SLICE("https") : SLICE("http");
  if (memchr(url.data, '?', url.len)) return "has a query";
  if (memchr(url.data, '#', url.len)) return "has a fragment";
  rest = slice_skip(url, p->is_tls ? https.len : http.len);
  const char *slash = memchr(rest.data, '/', rest.len);
  struct slice authority = {rest.data, slash ? (size_t)(slash - rest.data) : rest.len};
  p->path = slice_skip(rest, authority.len);
  if (memchr(authority.data, '@', authority.len)) return "has a user in it";
  if (!parse_authority(authority, p, a)) return "has no proper host and port";
  return is_path(p->path) ? NULL : "has a path with bytes that a URL cannot hold";
}

bool parse_base_url(struct build *b, const struct place *at, struct provider *p) {
  struct slice url;
  if (!walk_text(b, at, &url)) return false;
  while (url.len && url.data[url.len - 1] == '/')
    url.len--;
  const char *fault = url_fault(url, p, &b->config->arena);
  p->base_url = url;
  if (!fault) return true;
  problem(b, at, "%s; write https://host/path, and the key as credential", fault);
  return false;
}
