/* Limits and budgets that people make at run time: a row of the store as definitions. */
#pragma once
#include "config/config.h"
#include "store/store.h"

struct limit_row {
  struct slice tenant; /* whose it is: it holds for that tenant alone; empty: the operator's */
  struct slice body;   /* JSON object with the members of an entry of quotas */
  struct limit_definition *definitions; /* room for LIMIT_KINDS; they borrow from the arena */
};

/* Returns how many; 0 with problems. */
size_t limit_row_read(const struct limit_row *row, struct arena *arena,
                      struct config_problems *problems);

struct limiter;

struct limit_rows {
  struct arena arena;
  struct limit_definition *items; /* those of the configuration first */
  size_t count;
};

/* All definitions that hold. store may be NULL. A row that cannot be read is left out, with a
 * problem. Waits. *out is to be freed in any case. */
enum store_result limit_rows_read(struct store *store, const struct config *config,
                                  struct limit_rows *out, struct config_problems *problems);
void limit_rows_fini(struct limit_rows *rows);
/* Reads them and has the limiter count by them; with a result other than STORE_FINE it goes on as
 * before. Waits. */
enum store_result limit_rows_apply(struct limiter *limiter, struct store *store,
                                   const struct config *config, struct config_problems *problems);
/* The same; what is wrong goes to the log. */
void limit_rows_renew(struct limiter *limiter, struct store *store, const struct config *config);
