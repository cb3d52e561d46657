#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "config/build.h"
#include "model/url.h"

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

static const char *url_fault(struct slice text, struct provider *p) {
  struct url url;
  const char *fault = url_parse(text, &url);
  if (fault) return fault;
  if (memchr(url.path.data, '?', url.path.len)) return "has a query";
  p->scheme = url.scheme;
  p->is_tls = url.is_tls;
  p->host = url.authority;
  p->port = url.port;
  p->path = url.path;
  return NULL;
}

bool parse_base_url(struct build *b, const struct place *at, struct provider *p) {
  struct slice url;
  if (!walk_text(b, at, &url)) return false;
  while (url.len && url.data[url.len - 1] == '/')
    url.len--;
  const char *fault = url_fault(url, p);
  p->base_url = url;
  if (!fault) return true;
  problem(b, at, "%s; write https://host/path, and the key as credential", fault);
  return false;
}
