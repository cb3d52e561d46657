/* The process's limiter: its news go to the log, what expires is given back. */
#pragma once
#include "account/limit.h"
#include "config/config.h"

struct limiter *server_limits_new(void);
void server_limits_reload(struct limiter *limiter, const struct config *config);
