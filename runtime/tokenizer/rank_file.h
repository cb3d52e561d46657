/* Rank files of tiktoken: one token a line, its bytes in base64, a space and its rank. */
#pragma once
#include "tokenizer/vocabulary.h"

/* False, with a sentence in error, for anything else. */
bool rank_file_build(struct slice text, struct vocabulary *v, struct bytes *error);
