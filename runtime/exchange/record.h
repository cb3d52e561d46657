/* What is written down of a request: its log line, and its record in the ledger. */
#pragma once
#include "exchange/state.h"
#include "model/ledger.h"

int record_status(const struct exchange *x); /* as the client saw it; 499 when it left */
void record_write_line(const struct exchange *x, struct bytes *line);
/* Texts live as long as x. Only for requests with a principal. */
void record_fill(struct exchange *x, struct ledger_record *record);
