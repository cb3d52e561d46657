/* Inside of `gateyes test`: what the results look like. */
#pragma once
#include "script/spec_run.h"

enum test_output { TEST_PLAIN, TEST_JSON, TEST_TAP, TEST_JUNIT, TEST_OUTPUT_COUNT };

/* By its name ("plain", "json", "tap", "junit", in any case); TEST_OUTPUT_COUNT: there is none. */
enum test_output test_output_find(const char *name);
/* On standard output. seconds: all of them together took. */
void test_print(const struct spec_report *report, enum test_output output, double seconds);
