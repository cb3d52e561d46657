/* What config/ cannot check: whether the scripts that a configuration names are there. */
#pragma once
#include "config/config.h"

/* A problem, with the line and the nearest name, for each provider whose adapter or preset no
 * script has. A script that is there and does not load is not reported here. */
void config_adapters_check(const struct config *config, struct config_problems *problems);
