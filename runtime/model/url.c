#include "model/url.h"

#include <arpa/inet.h>

enum { HOST_BYTES_MAX = 253, LABEL_BYTES_MAX = 63 };

static const char bad_authority[] = "has no proper host and port";

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_host_byte(char c) {
  return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
         c == '_';
}

static bool is_numeric(int family, struct slice text) {
  char copy[INET6_ADDRSTRLEN];
  uint8_t address[sizeof(struct in6_addr)];
  if (text.len >= sizeof copy || memchr(text.data, 0, text.len)) return false;
  memcpy(copy, text.data, text.len);
  copy[text.len] = 0;
  return inet_pton(family, copy, address) == 1;
}

/* The last label decides whether resolvers take a name for a number ("0x7f.1", "2130706433"):
 * WHATWG URL, "ends in a number". */
static bool ends_in_number(struct slice host) {
  if (host.data[host.len - 1] == '.') host.len--;
  size_t at = host.len;
  while (at > 0 && host.data[at - 1] != '.')
    at--;
  struct slice label = slice_skip(host, at);
  bool is_hex = label.len >= 2 && label.data[0] == '0' && (label.data[1] | 0x20) == 'x';
  if (is_hex) return true;
  for (size_t i = 0; i < label.len; i++)
    if (!is_digit(label.data[i])) return false;
  return true;
}

static const char *host_fault(struct slice host) {
  size_t label = 0;
  if (host.len == 0 || host.len > HOST_BYTES_MAX) return bad_authority;
  for (size_t i = 0; i < host.len; i++) {
    if (!is_host_byte(host.data[i])) return bad_authority;
    label = host.data[i] == '.' ? 0 : label + 1;
    if (label > LABEL_BYTES_MAX || (label == 0 && (i == 0 || host.data[i - 1] == '.')))
      return bad_authority;
  }
  if (ends_in_number(host) && !is_numeric(AF_INET, host))
    return "has a number as host that is no IPv4 address in four decimal parts";
  return NULL;
}

static bool parse_port(struct slice text, uint16_t *port) {
  uint64_t number;
  if (text.len == 0 || text.len > 5 || !slice_to_u64(text, &number)) return false;
  if (number == 0 || number > 65535) return false;
  *port = (uint16_t)number;
  return true;
}

static const char *parse_authority(struct slice text, struct url *out) {
  struct slice after;
  if (text.len && text.data[0] == '[') {
    struct slice inner = slice_cut(slice_skip(text, 1), ']', &after);
    if (inner.len + 1 >= text.len || !is_numeric(AF_INET6, inner)) return bad_authority;
    out->host = (struct slice){text.data, inner.len + 2};
  } else {
    out->host = slice_cut(text, ':', &after);
    const char *fault = host_fault(out->host);
    if (fault) return fault;
  }
  struct slice port = slice_skip(text, out->host.len);
  uint16_t standard = out->is_tls ? 443 : 80;
  out->authority = out->host;
  out->port = standard;
  if (port.len == 0) return NULL;
  if (port.data[0] != ':' || !parse_port(slice_skip(port, 1), &out->port)) return bad_authority;
  if (out->port != standard) out->authority = text;
  return NULL;
}

bool url_is_numeric(struct slice host) {
  return is_numeric(AF_INET, host) || is_numeric(AF_INET6, host);
}

bool url_is_path(struct slice path) {
  for (size_t i = 0; i < path.len; i++)
    if ((unsigned char)path.data[i] <= ' ' || (unsigned char)path.data[i] >= 0x7f ||
        strchr("\"<>\\^`{|}", path.data[i]))
      return false;
  return true;
}

static bool starts_nocase(struct slice text, struct slice prefix) {
  return text.len >= prefix.len &&
         slice_equal_nocase((struct slice){text.data, prefix.len}, prefix);
}

static size_t authority_length(struct slice rest) {
  size_t length = 0;
  while (length < rest.len && !strchr("/?#", rest.data[length]))
    length++;
  return length;
}

const char *url_parse(struct slice text, struct url *out) {
  struct slice https = SLICE("https://"), http = SLICE("http://");
  *out = (struct url){.is_tls = starts_nocase(text, https)};
  if (!out->is_tls && !starts_nocase(text, http)) return "does not begin with http:// or https://";
  if (memchr(text.data, 0, text.len)) return "has a zero byte in it";
  out->scheme = out->is_tls ? SLICE("https") : SLICE("http");
  struct slice rest = slice_skip(text, out->scheme.len + 3);
  struct slice authority = {rest.data, authority_length(rest)};
  if (memchr(authority.data, '@', authority.len)) return "has a user in it";
  out->path = slice_skip(rest, authority.len);
  const char *fault = parse_authority(authority, out);
  if (fault) return fault;
  if (memchr(out->path.data, '#', out->path.len)) return "has a fragment";
  return url_is_path(out->path) ? NULL : "has a path with bytes that a URL cannot hold";
}

struct slice url_bare_host(struct slice authority) {
  struct slice rest;
  if (authority.len && authority.data[0] == '[')
    return slice_cut(slice_skip(authority, 1), ']', &rest);
  return slice_cut(authority, ':', &rest);
}
