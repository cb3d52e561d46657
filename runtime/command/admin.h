/* What `gateyes keys` and its like print of the admin API's answers. */
#pragma once
#include "base/json.h"

/* Lists become tables of the columns ("id name state"), one thing a line for each member. */
void admin_print(struct slice json, const char *columns);
void admin_print_error(const char *command, struct slice json);
/* What `gateyes audit verify` says of {"ok":…,"rows":…,"broken_at":…}, whoever looked. */
void audit_print_report(struct slice report);
