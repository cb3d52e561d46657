/* Inside of a bundle, for the files bundle*.c only. */
#pragma once
#include "base/ref.h"
#include "script/bundle.h"

struct bundle {
  struct ref refs;
  struct arena arena;
  struct slice folder;
  struct bundle *below;
  struct bundle_file *files;
  size_t count, text_bytes;
  bool is_sealed;
  uint8_t digest[SHA256_BYTES];
};
