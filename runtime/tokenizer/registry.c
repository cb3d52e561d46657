#include "tokenizer/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

struct registered { /* never changes once it is in the list */
  struct registered *next;
  struct tokenizer *tokenizer;
  struct timespec changed;
  off_t bytes;
};

static _Atomic(struct registered *) newest;

static const struct registered *find(struct slice name) {
  const struct registered *r = atomic_load_explicit(&newest, memory_order_acquire);
  while (r && !slice_equal(tokenizer_name(r->tokenizer), name))
    r = r->next;
  return r;
}

const struct tokenizer *tokenizer_registry_find(struct slice name) {
  const struct registered *r = name.len ? find(name) : NULL;
  return r ? r->tokenizer : NULL;
}

static bool open_locked(struct slice name, struct bytes *error) {
  struct stat status = {0};
  char *path = strndup(name.data, name.len);
  must(path != NULL);
  bool is_built_in = tokenizer_is_built_in(name);
  if (!is_built_in) (void)!stat(path, &status); /* opening it says what is wrong */
  free(path);
  const struct registered *known = find(name);
  bool is_same = known && known->bytes == status.st_size &&
                 known->changed.tv_sec == status.st_mtim.tv_sec &&
                 known->changed.tv_nsec == status.st_mtim.tv_nsec;
  if (is_same) return true;
  char *folder = tokenizer_folder();
  struct tokenizer *t = tokenizer_open(name, folder, error);
  free(folder);
  if (!t) return false;
  struct registered *r = must_alloc(sizeof *r);
  *r = (struct registered){atomic_load(&newest), t, status.st_mtim, status.st_size};
  atomic_store_explicit(&newest, r, memory_order_release);
  return true;
}

bool tokenizer_registry_open(struct slice name, struct bytes *error) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  bool fine = open_locked(name, error);
  pthread_mutex_unlock(&lock);
  return fine;
}

struct slice tokenizer_default(struct slice model) {
  /* tiktoken, tiktoken/model.py; the first that fits. */
  static const struct {
    struct slice prefix, encoding;
  } known[] = {
      {SLICE("gpt-4o"), SLICE("o200k_base")},
      {SLICE("chatgpt-4o"), SLICE("o200k_base")},
      {SLICE("gpt-4.1"), SLICE("o200k_base")},
      {SLICE("gpt-4.5"), SLICE("o200k_base")},
      {SLICE("gpt-5"), SLICE("o200k_base")},
      {SLICE("o1"), SLICE("o200k_base")},
      {SLICE("o3"), SLICE("o200k_base")},
      {SLICE("o4-mini"), SLICE("o200k_base")},
      {SLICE("gpt-4"), SLICE("cl100k_base")},
      {SLICE("gpt-3.5"), SLICE("cl100k_base")},
      {SLICE("text-embedding"), SLICE("cl100k_base")},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (slice_starts(model, known[i].prefix)) return known[i].encoding;
  return (struct slice){"", 0};
}
