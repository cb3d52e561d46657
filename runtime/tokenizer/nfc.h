/* Normalization Form C (Unicode Standard Annex 15): letters and their accents as one character
 * where there is one. Linear. */
#pragma once
#include "base/bytes.h"

/* Appends. Bytes that are no UTF-8 stay as they are. */
void nfc_append(struct bytes *out, struct slice text);
