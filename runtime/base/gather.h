/* Small writes of one turn of the loop can be held back and leave together at its end. The process
 * they go to is then woken once, and not once for each, and the kernel's sending code runs warm: at
 * full load that saves a tenth of a request's processor time. With little to do a write must not
 * wait for the rest of its turn, so a turn holds back only after one that had many. */
#pragma once
#include <stdbool.h>

enum {
  GATHER_FROM = 4, /* writes of a turn that make the next one hold back */
  GATHER_MOST = 32 /* held back at a time: who came first need not wait for all */
};

struct gather { /* one for each loop, of its owner */
  unsigned writes, writes_before;
};

/* May writes of this turn be held back? NULL: never. */
static inline bool gather_is_busy(const struct gather *g) {
  return g && g->writes_before >= GATHER_FROM;
}

/* The same, and counts one. */
static inline bool gather_write(struct gather *g) {
  if (g) g->writes++;
  return gather_is_busy(g);
}

/* At the end of each turn, by the owner, when nothing is held back any more. */
static inline void gather_turn(struct gather *g) {
  g->writes_before = g->writes;
  g->writes = 0;
}
