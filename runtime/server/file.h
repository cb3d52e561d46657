/* Which state of the configuration's file was read: a signal and the watch must not both load it.
 */
#pragma once
#include <stdbool.h>
#include <uv.h>

/* As it is now; nothing when it cannot be looked at. */
void server_file_note(const char *path, uv_stat_t *out);
bool server_file_is(const uv_stat_t *noted, const uv_stat_t *now);
