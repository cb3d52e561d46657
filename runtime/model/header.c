#include "model/header.h"

#include <string.h>

struct slice header_find(struct headers h, const char *name) {
  struct slice wanted = slice_of(name);
  for (size_t i = 0; i < h.count; i++)
    if (slice_equal_nocase(h.items[i].name, wanted)) return h.items[i].value;
  return (struct slice){NULL, 0};
}

static bool is_token(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool header_is_clean(struct slice name, struct slice value) {
  if (name.len == 0) return false;
  for (size_t i = 0; i < name.len; i++)
    if (!is_token((unsigned char)name.data[i])) return false;
  for (size_t i = 0; i < value.len; i++) {
    unsigned char c = (unsigned char)value.data[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}
