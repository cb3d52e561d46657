/* The tokenizers of the process, opened when a configuration is loaded and found by name while it
 * serves. They stay: a request may still count with one that a newer file has replaced. */
#pragma once
#include "tokenizer/tokenizer.h"

/* Blocks on the disk; a file that has not changed since is not read again. False with a sentence in
 * error. */
bool tokenizer_registry_open(struct slice name, struct bytes *error);
/* The newest that was opened under the name, or NULL. Any thread; no lock. */
const struct tokenizer *tokenizer_registry_find(struct slice name);
/* The encoding that OpenAI's models are known to use, by the model's name; empty for others. */
struct slice tokenizer_default(struct slice model);
