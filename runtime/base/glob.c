#include "base/glob.h"

#include <string.h>

bool glob_is(struct slice text) {
  return text.len && (memchr(text.data, '*', text.len) || memchr(text.data, '?', text.len));
}

/* One ? stands for no *, which may be many letters or none. */
static bool is_one(char pattern, char letter, bool is_pattern) {
  return pattern == letter || (pattern == '?' && !(is_pattern && letter == '*'));
}

/* On a mismatch only the last * is retried. */
static bool match(struct slice pattern, struct slice text, bool is_pattern) {
  size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
  while (t < text.len) {
    if (p < pattern.len && pattern.data[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.len && is_one(pattern.data[p], text.data[t], is_pattern)) {
      p++;
      t++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.data[p] == '*')
    p++;
  return p == pattern.len;
}

bool glob_match(struct slice pattern, struct slice text) {
  return match(pattern, text, false);
}

bool glob_covers(struct slice wide, struct slice narrow) {
  return match(wide, narrow, true);
}

bool globs_match(struct globs globs, struct slice text) {
  for (size_t i = 0; i < globs.count; i++)
    if (glob_match(globs.items[i], text)) return true;
  return globs.count == 0;
}
