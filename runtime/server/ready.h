/* Whether requests may be sent here: GET /readyz. */
#pragma once
#include "config/config.h"
#include "server/ledger.h"

struct health;

/* Appends a line for each reason against it. */
void server_ready(const struct config *config, struct health *health, const struct server_ledger *l,
                  struct bytes *problems);
