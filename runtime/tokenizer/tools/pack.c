/* Used by the build: pack <file.tiktoken> <sha256> <out>. Checks the rank file and writes the
 * tables that the gateway maps. */
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "tokenizer/rank_file.h"

static bool read_all(const char *path, struct bytes *out) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  size_t count;
  while ((count = fread(bytes_reserve(out, 1 << 16), 1, 1 << 16, file)) > 0)
    out->len += count;
  bool is_good = !ferror(file);
  fclose(file);
  return is_good;
}

static bool write_all(const char *path, struct slice image) {
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  bool is_good = fwrite(image.data, 1, image.len, file) == image.len;
  return fclose(file) == 0 && is_good;
}

static int fail(const char *path, const char *why) {
  fprintf(stderr, "%s: %s\n", path, why);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 4) return fail(argv[0], "wants a rank file, its SHA-256 and the file to write");
  struct bytes text, error;
  bytes_init(&text);
  bytes_init(&error);
  if (!read_all(argv[1], &text)) return fail(argv[1], "cannot be read");
  uint8_t digest[SHA256_BYTES];
  char hex[2 * SHA256_BYTES + 1];
  digest_sha256(bytes_slice(&text), digest);
  digest_hex(digest, sizeof digest, hex);
  if (strcmp(hex, argv[2]) != 0) return fail(argv[1], "is not the file that is pinned (SHA-256)");
  struct vocabulary v = {0};
  if (!rank_file_build(bytes_slice(&text), &v, &error)) return fail(argv[1], bytes_text(&error));
  bool is_written = write_all(argv[3], vocabulary_image(&v));
  vocabulary_fini(&v);
  bytes_fini(&text);
  bytes_fini(&error);
  return is_written ? 0 : fail(argv[3], "cannot be written");
}
