#include "tokenizer/nfc.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/utf8.h"

enum { HANGUL = 0xac00, LEAD = 0x1100, VOWEL = 0x1161, TAIL = 0x11a7 };
enum { LEADS = 19, VOWELS = 21, TAILS = 28, SYLLABLES = LEADS * VOWELS * TAILS };
enum { RAW_BYTE = 0x110000 }; /* and the byte: one that is no UTF-8 */
enum { SMALL_RUN = 16 };

struct decomposition {
  uint32_t point, first, second;
};

struct order_run {
  uint32_t first, last;
  uint8_t order;
};

#define APART(point, first, second) {point, first, second},
#define BOTH(point, first, second) {point, first, second},
#define ORDER(first, last, order)
static const struct decomposition decompositions[] = {
#include "tokenizer/nfc.def"
};
#undef APART
#undef ORDER

/* Sorted by their parts at the first use. */
#define APART(point, first, second)
#define ORDER(first, last, order)
static struct decomposition compositions[] = {
#include "tokenizer/nfc.def"
};
#undef APART
#undef BOTH
#undef ORDER

#define APART(point, first, second)
#define BOTH(point, first, second)
#define ORDER(first, last, order) {first, last, order},
static const struct order_run orders[] = {
#include "tokenizer/nfc.def"
};

struct letter {
  uint32_t point;
  uint8_t order;
};

static int by_parts(const void *a, const void *b) {
  const struct decomposition *l = a, *r = b;
  if (l->first != r->first) return l->first < r->first ? -1 : 1;
  return l->second < r->second ? -1 : l->second > r->second;
}

static int by_point(const void *a, const void *b) {
  const struct decomposition *l = a, *r = b;
  return l->point < r->point ? -1 : l->point > r->point;
}

static int in_run(const void *key, const void *run) {
  uint32_t point = *(const uint32_t *)key;
  const struct order_run *r = run;
  return point < r->first ? -1 : point > r->last;
}

static void sort_compositions(void) {
  qsort(compositions, sizeof compositions / sizeof *compositions, sizeof *compositions, by_parts);
}

static uint8_t order_of(uint32_t point) {
  if (point < 0x300) return 0;
  const struct order_run *r =
      bsearch(&point, orders, sizeof orders / sizeof *orders, sizeof *orders, in_run);
  return r ? r->order : 0;
}

static void put(struct bytes *letters, uint32_t point) {
  struct letter l = {point, order_of(point)};
  bytes_append(letters, &l, sizeof l);
}

/* At most four deep, by the data. */
static void decompose(struct bytes *letters, uint32_t point) {
  struct decomposition key = {.point = point};
  if (point < 0xc0) {
    put(letters, point);
  } else if (point >= HANGUL && point < HANGUL + SYLLABLES) {
    uint32_t index = point - HANGUL;
    put(letters, LEAD + index / (VOWELS * TAILS));
    put(letters, VOWEL + index % (VOWELS * TAILS) / TAILS);
    if (index % TAILS) put(letters, TAIL + index % TAILS);
  } else {
    const struct decomposition *d =
        bsearch(&key, decompositions, sizeof decompositions / sizeof *decompositions,
                sizeof *decompositions, by_point);
    if (!d) {
      put(letters, point);
      return;
    }
    decompose(letters, d->first);
    if (d->second) decompose(letters, d->second);
  }
}

/* Stable, by order; marks behind one letter may be very many. */
static void sort_run(struct letter *run, size_t count) {
  if (count <= SMALL_RUN) {
    for (size_t i = 1; i < count; i++) {
      struct letter moved = run[i];
      size_t at = i;
      for (; at > 0 && run[at - 1].order > moved.order; at--)
        run[at] = run[at - 1];
      run[at] = moved;
    }
    return;
  }
  size_t starts[257] = {0};
  struct letter *copy = must_alloc(count * sizeof *copy);
  memcpy(copy, run, count * sizeof *copy);
  for (size_t i = 0; i < count; i++)
    starts[copy[i].order + 1]++;
  for (unsigned i = 1; i < 257; i++)
    starts[i] += starts[i - 1];
  for (size_t i = 0; i < count; i++)
    run[starts[copy[i].order]++] = copy[i];
  free(copy);
}

static void sort_marks(struct letter *l, size_t count) {
  for (size_t at = 0; at < count; at++) {
    size_t from = at;
    while (at < count && l[at].order)
      at++;
    if (at - from > 1) sort_run(&l[from], at - from);
  }
}

/* What the two become; 0: nothing. */
static uint32_t composed(uint32_t first, uint32_t second) {
  if (first >= LEAD && first < LEAD + LEADS && second >= VOWEL && second < VOWEL + VOWELS)
    return HANGUL + ((first - LEAD) * VOWELS + second - VOWEL) * TAILS;
  bool is_open = first >= HANGUL && first < HANGUL + SYLLABLES && (first - HANGUL) % TAILS == 0;
  if (is_open && second > TAIL && second < TAIL + TAILS) return first + second - TAIL;
  struct decomposition key = {.first = first, .second = second};
  const struct decomposition *d =
      bsearch(&key, compositions, sizeof compositions / sizeof *compositions, sizeof *compositions,
              by_parts);
  return d ? d->point : 0;
}

/* In place; returns how many are left. */
static size_t compose(struct letter *l, size_t count) {
  size_t kept = 0, starter = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    bool is_next = starter != SIZE_MAX && kept == starter + 1;
    bool is_blocked = starter == SIZE_MAX || (!is_next && l[kept - 1].order >= l[i].order);
    uint32_t both = is_blocked ? 0 : composed(l[starter].point, l[i].point);
    if (both) {
      l[starter].point = both;
      continue;
    }
    if (l[i].order == 0) starter = kept;
    l[kept++] = l[i];
  }
  return kept;
}

static bool is_composed_already(struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.data[i] >= 0xcc) return false; /* U+0300 and above */
  return true;
}

static void write_letters(struct bytes *out, const struct letter *l, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (l[i].point >= RAW_BYTE) {
      bytes_append_byte(out, (char)(l[i].point - RAW_BYTE));
      continue;
    }
    out->len += utf8_encode(l[i].point, bytes_reserve(out, 4));
  }
}

void nfc_append(struct bytes *out, struct slice text) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (is_composed_already(text)) {
    bytes_append_slice(out, text);
    return;
  }
  pthread_once(&once, sort_compositions);
  struct bytes letters;
  bytes_init(&letters);
  for (const char *at = text.data, *end = at + text.len; at < end;) {
    uint32_t point;
    size_t len = utf8_decode(at, end, &point);
    if (len)
      decompose(&letters, point);
    else
      put(&letters, RAW_BYTE + (unsigned char)*at);
    at += len ? len : 1;
  }
  struct letter *l = (struct letter *)letters.data;
  size_t count = letters.len / sizeof *l;
  sort_marks(l, count);
  write_letters(out, l, compose(l, count));
  bytes_fini(&letters);
}
