/* count <encoding> <file> <rounds>: seconds of the best round of encoding the file, and its tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tokenizer/tokenizer.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  must(argc == 4);
  struct bytes error, text, ids;
  bytes_init(&error);
  bytes_init(&text);
  bytes_init(&ids);
  FILE *file = fopen(argv[2], "rb");
  must(file != NULL);
  for (size_t got; (got = fread(bytes_reserve(&text, 1 << 20), 1, 1 << 20, file)) > 0;)
    text.len += got;
  fclose(file);
  char *folder = tokenizer_folder();
  struct tokenizer *t = tokenizer_open(slice_of(argv[1]), folder, &error);
  if (!t) {
    fprintf(stderr, "%s\n", bytes_text(&error));
    return 1;
  }
  struct encoder e;
  encoder_init(&e);
  double best = 1e9;
  uint64_t tokens = 0;
  for (int round = atoi(argv[3]); round > 0; round--) {
    bytes_clear(&ids);
    double start = now();
    tokens = tokenizer_encode(t, &e, bytes_slice(&text), TOKENIZE_TEXT, &ids);
    double spent = now() - start;
    if (spent < best) best = spent;
  }
  printf("%.6f %llu\n", best, (unsigned long long)tokens);
  encoder_fini(&e);
  tokenizer_unref(t);
  free(folder);
  bytes_fini(&error);
  bytes_fini(&text);
  bytes_fini(&ids);
  return 0;
}
