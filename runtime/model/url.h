/* http and https URLs as the gateway takes them, which is stricter than RFC 3986: no user, no
 * backslash, no percent in the host, and a host that looks like a number must be an IPv4 address in
 * four decimal parts (or an IPv6 address in brackets). So nobody who reads the URL after us can see
 * another host in it: not the resolver, not libcurl, not a log reader. */
#pragma once
#include "base/bytes.h"

struct url {              /* slices of the text that was parsed */
  struct slice scheme;    /* "http" or "https" */
  struct slice authority; /* as in a Host header: the port only where it is not the default */
  struct slice host;      /* brackets of an IPv6 address kept */
  struct slice path;      /* with the query; empty, or begins with '/' or '?' */
  uint16_t port;
  bool is_tls;
};

/* NULL when text is such a URL; else what is wrong with it, to be read after its name: "has a user
 * in it". */
const char *url_parse(struct slice text, struct url *out);
/* "has a path with bytes …": only bytes that a request line may hold. */
bool url_is_path(struct slice path);
/* An IPv4 or IPv6 address, without brackets. */
bool url_is_numeric(struct slice host);
/* The host of a Host header or authority, without brackets and port. */
struct slice url_bare_host(struct slice authority);
