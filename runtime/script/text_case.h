/* Small and capital letters of Latin, Greek, Cyrillic, Armenian and full-width text: those scripts
 * in which a letter has one of each, by the simple mappings of Unicode's UnicodeData.txt. */
#pragma once
#include <stdint.h>

enum { TEXT_CASE_LAST = 0x0588 }; /* full-width letters, U+FF21 on, aside */

uint32_t text_lower(uint32_t point);
uint32_t text_upper(uint32_t point);
/* text_lower, and full-width forms as ASCII, typographic space as a space. */
uint32_t text_fold(uint32_t point);
