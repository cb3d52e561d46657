/* Asks the providers that have a `load` address how they are, on one loop of the process. An engine
 * that answers 503, or cannot be reached, is out of rotation until a probe finds it well. Nothing
 * is generated, so it costs no tokens. */
#pragma once
#include <uv.h>

#include "config/config.h"

struct health;
struct upstream;
struct load_probes;

/* Nothing runs until load_probes_reload. upstream and health outlive it. */
struct load_probes *load_probes_new(uv_loop_t *loop, struct upstream *upstream,
                                    struct health *health);
/* Takes a reference of config. Providers that are no longer probed are in rotation again. */
void load_probes_reload(struct load_probes *p, struct config *config);
/* Before the upstream is closed; the memory goes when the loop has closed its handles. */
void load_probes_close(struct load_probes *p);
