/* Guesses at keys are counted: after a few wrong ones within a minute an address is not listened to
 * until the minute is over, whatever it shows; and all strangers together have a limit, too, which
 * leaves out addresses that have shown a good key lately. On the loop of the admin listener. */
#pragma once
#include "base/bytes.h"

enum { LOCKOUT_GUESSES = 5, LOCKOUT_GUESSES_ALL = 60, LOCKOUT_MS = 60000, LOCKOUT_PLACES = 1024 };

struct lockout {
  struct lockout_place {
    uint64_t address; /* hash; 0: empty */
    int64_t since_ms, good_ms;
    unsigned guesses;
  } places[LOCKOUT_PLACES];
  int64_t since_ms;
  unsigned guesses;
};

/* Milliseconds until this peer ("192.0.2.1:5000") is listened to again; 0: it is. */
int64_t lockout_left_ms(struct lockout *l, struct slice peer, int64_t now_ms);
void lockout_note(struct lockout *l, struct slice peer, int64_t now_ms, bool is_good);
