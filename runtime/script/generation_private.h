/* Inside of a generation, for the files of this folder only. */
#pragma once
#include "script/generation.h"
#include "script/state.h"

enum entry { /* functions of lua/gateyes/translate.lua, held in the registry */
             ENTRY_OPEN,
             ENTRY_ENCODE,
             ENTRY_REPLY,
             ENTRY_EVENT,
             ENTRY_CATCH_UP,
             ENTRY_END_STREAM,
             ENTRY_STREAM_ERROR,
             ENTRY_PROVIDER_ERROR,
             ENTRY_ANSWER,
             ENTRY_FINAL_TEXT,
             ENTRY_STORE_RECORD,
             ENTRY_STORE_BEGIN,
             ENTRY_STORE_FINISH,
             ENTRY_STORE_FAIL,
             ENTRY_STORE_ANSWER,
             ENTRY_EXPAND,
             ENTRY_FOREIGN,
             ENTRY_SIGNED,
             ENTRY_FAILED_FRAMES,
             ENTRY_COUNT
};

struct generation {
  unsigned refs;
  uint64_t version;
  lua_State *L;
  struct sandbox *sandbox; /* owner of L; NULL where the scripts are trusted */
  int entries[ENTRY_COUNT];
  struct arena arena;
  struct bytes scratch; /* of the frame that was written last */
  struct adapter_info *adapters;
  size_t adapter_count;
};

/* Clears the stack and pushes the entry: results of the previous call end their life here. */
lua_State *generation_enter(struct generation *g, enum entry entry);
