#include "admin/lockout.h"

enum { TRIES = 8, GOOD_MS = 86400000 };

static struct slice address_of(struct slice peer) {
  for (size_t i = peer.len; i-- > 0;)
    if (peer.data[i] == ':') return (struct slice){peer.data, i};
  return peer;
}

/* The peer's place, or the one among its few that was used least lately. */
static struct lockout_place *place_of(struct lockout *l, struct slice peer) {
  uint64_t address = slice_hash(address_of(peer)) | 1;
  struct lockout_place *oldest = NULL;
  for (int i = 0; i < TRIES; i++) {
    struct lockout_place *p = &l->places[(address / 2 + (uint64_t)i) % LOCKOUT_PLACES];
    if (p->address == address) return p;
    if (!oldest || p->since_ms < oldest->since_ms) oldest = p;
  }
  *oldest = (struct lockout_place){.address = address};
  return oldest;
}

int64_t lockout_left_ms(struct lockout *l, struct slice peer, int64_t now_ms) {
  struct lockout_place *p = place_of(l, peer);
  int64_t own = p->since_ms + LOCKOUT_MS - now_ms, all = l->since_ms + LOCKOUT_MS - now_ms;
  bool is_known = p->good_ms && now_ms - p->good_ms < GOOD_MS;
  if (own > 0 && p->guesses >= LOCKOUT_GUESSES) return own;
  return all > 0 && l->guesses >= LOCKOUT_GUESSES_ALL && !is_known ? all : 0;
}

void lockout_note(struct lockout *l, struct slice peer, int64_t now_ms, bool is_good) {
  struct lockout_place *p = place_of(l, peer);
  if (is_good) {
    p->good_ms = now_ms;
    return;
  }
  if (now_ms - p->since_ms >= LOCKOUT_MS) {
    p->since_ms = now_ms;
    p->guesses = 0;
  }
  if (now_ms - l->since_ms >= LOCKOUT_MS) {
    l->since_ms = now_ms;
    l->guesses = 0;
  }
  p->guesses++;
  l->guesses++;
}
