/* What a bug or an empty machine does: abort with the place, in release builds too. */
#pragma once
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(text_at, first) __attribute__((__format__(__printf__, text_at, first)))

#define must(condition) ((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))

_Noreturn void must_fail(const char *condition, const char *file, int line);

/* Allocation that cannot fail: sizes are bounded by the caller, so running out is fatal. */
void *must_alloc(size_t bytes);
void *must_calloc(size_t count, size_t bytes);
void *must_realloc(void *old, size_t bytes);
char *must_strdup(const char *text);
