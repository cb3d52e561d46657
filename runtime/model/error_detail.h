/* An error as a client will read it, protocol aside. type is one of Anthropic's error words; each
 * dialect's writer knows its own word for it. */
#pragma once
#include "base/bytes.h"

struct error_detail {
  int status;                              /* HTTP status; 0: take it from the failure table */
  struct slice type, code, message, param; /* param: the client's field, empty when none */
};
