/* Between texts.c and texts_others.c. */
#pragma once
#include <stdlib.h>

#include "exchange/texts.h"

enum { TEXTS_OTHERS = 0xfffe0000u }; /* index of the window that is theirs */

struct text_piece *texts_add(struct texts *t, enum policy_channel channel, uint32_t index,
                             struct slice token);
/* Every string of a container that is no piece yet, and no identifier or word of the protocol. */
void texts_add_others(struct texts *t, struct slice container);
