/* What the files of this folder share on one loop. */
#pragma once
#include "base/mailbox.h"
#include "upstream/attempt.h"
#include "upstream/deadline.h"
#include "upstream/gate.h"
#include "upstream/multi.h"
#include "upstream/pool.h"
#include "upstream/resolver.h"
#include "upstream/trust.h"

enum { READ_BYTES = 16 * 1024 };

/* Work put off to the next turn of the loop, outside every callback that is on the stack now. */
struct later {
  struct list link; /* points to itself while nothing is put off */
  void (*run)(struct later *l);
};

struct upstream {
  uv_loop_t *loop;
  const struct config *config;
  struct gates *gates;
  struct deadlines deadlines;
  struct multis multis;
  struct pool pool;
  struct trusts trusts;
  struct resolver resolver;
  struct mailbox mailbox; /* slots granted by other loops arrive here */
  uv_idle_t idle;         /* runs while `later` has members */
  struct list later;
  struct gather *gather; /* NULL: every request leaves at once */
  unsigned departing_count;
  struct list departing; /* connections whose request leaves at the end of this turn */
  struct list attempts;  /* alive */
  struct list transfers; /* of transport_curl, under way */
  struct list spare;     /* freed attempts, kept for the next requests */
  size_t spare_count;
  struct list fetches; /* alive */
  size_t fetch_count;
  char *read_buffer; /* READ_BYTES; holds nothing between two callbacks */
  size_t handles;    /* libuv handles not yet closed */
  bool is_closing;
  void (*on_closed)(void *context);
  void *closed_context;
};

void later_init(struct later *l, void (*run)(struct later *l));
void later_add(struct upstream *u, struct later *l); /* again while waiting: no effect */
void later_cancel(struct later *l);
void transfers_cancel_all(struct upstream *u);
void fetches_cancel_all(struct upstream *u);
void upstream_handle_closed(struct upstream *u); /* each handle counted in `handles` says so once */
