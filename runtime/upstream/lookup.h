/* Asks for the addresses of a name: /etc/hosts, then DNS, both families, by c-ares on the loop. No
 * thread takes part, so a name server that is silent holds up nobody but those who wait for it. */
#pragma once
#include <ares.h>
#include <netinet/in.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/list.h"

struct upstream;

enum { RESOLVED_MAX = 32 };

struct resolved { /* the best first, as RFC 6724 orders them */
  size_t count;
  struct resolved_address {
    union {
      struct sockaddr any;
      struct sockaddr_in v4;
      struct sockaddr_in6 v6;
    };
  } items[RESOLVED_MAX]; /* their ports mean nothing */
};

enum lookup_result {
  LOOKUP_FOUND,
  LOOKUP_NO_NAME, /* a server said that there is no such name, or that it has no address */
  LOOKUP_FAILED   /* nobody could say */
};

struct lookup { /* one question; lives until on_answer */
  struct lookups *all;
  /* found has no address unless the result is LOOKUP_FOUND. why: "Timeout while contacting DNS
   * servers"; valid for the call. Perhaps before lookup_start returns, and when all is closed. */
  void (*on_answer)(struct lookup *l, enum lookup_result result, const struct resolved *found,
                    const char *why);
};

struct lookups {
  struct upstream *upstream;
  ares_channel channel; /* made for the first question */
  uv_timer_t timer;
  size_t open;             /* questions under way */
  struct list watches;     /* sockets that c-ares waits for */
  char servers[512];       /* "127.0.0.1:53,[::1]:53"; empty: those of /etc/resolv.conf */
  struct timespec changed; /* /etc/resolv.conf, as the channel knows it */
  bool is_outdated;        /* the channel has other servers */
};

void lookups_init(struct lookups *all, struct upstream *u);
/* Other servers, for questions to come; see lookups.servers. */
void lookups_servers(struct lookups *all, struct slice servers);
/* Every open question is answered with LOOKUP_FAILED. */
void lookups_close(struct lookups *all);
void lookup_start(struct lookups *all, struct lookup *l, const char *name);
