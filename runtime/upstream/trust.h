/* The system's certificate authorities. Parsing them takes OpenSSL 60 ms, and libcurl would do it
 * again for every group of connections, on the loop; here it is done once, and again when the file
 * has changed. Providers with a ca_file of their own are left to libcurl: their files are short,
 * and libcurl must know the name, so that a TLS session made under one set of authorities is never
 * resumed under another. */
#pragma once
#include <curl/curl.h>

#include "base/list.h"

struct trusts {
  struct list parsed; /* the newest in front */
};

void trusts_init(struct trusts *t);
void trusts_fini(struct trusts *t);
/* Parses the authorities now, if that has not been done. */
void trust_load(struct trusts *t);
/* Lets easy use them. Where they cannot be read, libcurl tries, and says why it cannot. */
void trust_give(struct trusts *t, CURL *easy);
