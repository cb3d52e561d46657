/* The protocols that clients speak. The names are those of lua/dialects. */
#pragma once

enum dialect {
  DIALECT_CHAT,
  DIALECT_COMPLETIONS,
  DIALECT_RESPONSES,
  DIALECT_MESSAGES,
  DIALECT_EMBEDDINGS,
  DIALECT_COUNT
};

const char *dialect_name(enum dialect dialect); /* "chat", "completions", … */
