/* Inside of `gateyes scripts`: what the answers of the gateway look like on a terminal. */
#pragma once
#include "base/bytes.h"

void scripts_print_tenant(struct slice tenant, bool with_generations); /* JSON of one */
void scripts_print_list(struct slice list);
void scripts_print_error(struct slice body); /* on standard error */
/* Of one generation: all, or one; false when there is no such file. */
bool scripts_print_files(struct slice body, const char *only);
/* Two generations, file by file; true when they differ. */
bool scripts_print_diff(struct slice before, struct slice after);
void scripts_print_differences(struct slice body);
