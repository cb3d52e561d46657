/* What the load generator was asked to do. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "process.h"

enum hold { HOLD_NONE, HOLD_IDLE, HOLD_OPEN, HOLD_STALLED };

struct options {
  int port;
  size_t connections;
  double rate;     /* requests a second, at random moments (Poisson); 0: a closed loop */
  size_t requests; /* ends after so many; 0: after the time */
  double seconds, warm_seconds;
  unsigned chunks; /* of each stream; 0: no streams */
  enum hold hold;
  struct processes processes; /* under test */
  char *request;
  size_t request_len;
};

/* Exits with the usage when the arguments make no sense. */
void options_parse(struct options *o, int argc, char **argv);
