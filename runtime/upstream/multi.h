/* libcurl's multi_socket interface on the loop. Handles are grouped, because libcurl walks lists of
 * all handles in a multi; 16 to a group keeps these walks short and the memory shared. */
#pragma once
#include <curl/curl.h>
#include <uv.h>

#include "base/list.h"

struct upstream;
struct multi_group;

enum { GROUP_HANDLES = 16 };

struct multis {
  struct upstream *upstream;
  struct list groups;
  CURLSH *share; /* one DNS cache and TLS session cache for all groups of the loop */
};

/* One easy handle in a group, from multi_add to multi_remove. A connection made with
 * CURLOPT_CONNECT_ONLY lives in its group, so the handle stays there as long as the connection. */
struct multi_handle {
  CURL *easy;
  struct multi_group *group;
  char reason[CURL_ERROR_SIZE]; /* libcurl's sentence, empty when it has none */
  /* May be NULL. libcurl waits for something else than before on a socket of this handle; inside a
   * libcurl callback: only look. */
  void (*on_wait)(struct multi_handle *h);
  /* Not called inside a libcurl callback: it may remove this handle and add others. */
  void (*on_done)(struct multi_handle *h, CURLcode result);
};

void multis_init(struct multis *m, struct upstream *u);
void multis_close(struct multis *m); /* all handles have been removed */
/* Takes h->easy, whose options are set. on_done follows in a later tick. */
void multi_add(struct multis *m, struct multi_handle *h);
/* Closes its connection and frees the easy handle; on_done will not run any more. */
void multi_remove(struct multi_handle *h);
