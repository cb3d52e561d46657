/* Two logs. The request log: one JSON line a request, collected per loop and written once a turn,
 * to a file in larger pieces while there is much to do.
 * The process log: what the gateway itself does, JSON lines on standard error. Nothing here waits:
 * where the reader of the log does not keep up, lines are held to a limit and then dropped and
 * counted. */
#pragma once
#include "config/config.h"

enum log_level { LOG_INFO, LOG_WARN, LOG_ERROR };

/* One line, any thread. Control bytes are escaped. */
void log_process(enum log_level level, const char *format, ...) PRINTF(2, 3);

struct log; /* one loop's request log */

struct log *log_new(const struct config *config); /* config.log_file, or standard output */
void log_reload(struct log *l, const struct config *config);
void log_free(struct log *l); /* writes what is left, as far as that goes without waiting */
/* Append one whole line with its newline, then say so. */
struct bytes *log_buffer(struct log *l);
void log_line_end(struct log *l);
void log_flush(struct log *l);
/* Would a larger piece be cheaper to write? */
bool log_may_wait(const struct log *l);
/* Every log opens its file again at its next flush: after a rotation. Any thread. */
void log_reopen(void);
uint64_t log_dropped_total(void);
