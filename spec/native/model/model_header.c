/* header_is_clean against the rule spelled out byte by byte, at every place of values of each
 * length. */
#include "check.h"
#include "model/header.h"

static bool is_legal_value_byte(int c) {
  return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_legal_name_byte(int c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

int main(void) {
  char text[40];
  for (size_t len = 1; len <= sizeof text; len++)
    for (size_t at = 0; at < len; at++)
      for (int c = 0; c < 256; c++) {
        memset(text, at % 2 ? '\t' : 'v', len);
        text[at] = (char)c;
        CHECK(header_is_clean(SLICE("name"), (struct slice){text, len}) == is_legal_value_byte(c));
        if (at % 2 == 0)
          CHECK(header_is_clean((struct slice){text, len}, SLICE("v")) == is_legal_name_byte(c));
      }
  CHECK(header_is_clean(SLICE("a"), SLICE("")));
  CHECK(!header_is_clean(SLICE(""), SLICE("v")));
  return checks_end();
}
