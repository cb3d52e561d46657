/* The server's own secret, under which keys are hashed: whoever has a copy of the database alone
 * can try no guesses against it. */
#pragma once
#include "config/config.h"

/* From auth.secret, else from FILE.secret beside the store, which is made at the first start (mode
 * 0600). Without a store it is a new one for each process. False with a problem. */
bool server_secret_read(const struct config *config, uint8_t out[SHA256_BYTES],
                        struct config_problems *problems);
