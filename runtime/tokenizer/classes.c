#include "tokenizer/classes.h"

#include <pthread.h>
#include <string.h>

#include "base/must.h"

enum { PAGES = 0x110000 >> 8, DISTINCT_MAX = 256 };
enum { UPPER, LOWER, LETTER, MARK, NUMBER, SIGN, SPACE, NEWLINE, OTHER, CASED };

struct class_run {
  uint32_t first, last;
  uint8_t kind;
};

/* One after the other; CASED: a capital, its small letter, and so on in turn. */
static const struct class_run class_runs[] = {
#define R(first, last, kind) {first, last, kind},
#include "tokenizer/classes.def"
#undef R
};

static struct classes *made;

static void fill_page(uint8_t cells[256], uint32_t page, size_t *next) {
  uint32_t first = page << 8, last = first | 0xff;
  memset(cells, OTHER, 256);
  for (size_t i = *next; i < sizeof class_runs / sizeof *class_runs; i++) {
    const struct class_run *r = &class_runs[i];
    if (r->first > last) break;
    uint32_t from = r->first > first ? r->first : first, to = r->last < last ? r->last : last;
    for (uint32_t point = from; point <= to; point++) {
      uint8_t cased = (point - r->first) & 1 ? LOWER : UPPER;
      cells[point & 0xff] = r->kind == CASED ? cased : r->kind;
    }
    if (r->last <= last) *next = i + 1;
  }
}

static void make(void) {
  struct classes *c = must_alloc(sizeof *c + DISTINCT_MAX * sizeof *c->cells);
  size_t distinct = 0, next = 0;
  for (uint32_t page = 0; page < PAGES; page++) {
    must(distinct < DISTINCT_MAX);
    fill_page(c->cells[distinct], page, &next);
    size_t same = 0;
    while (memcmp(c->cells[same], c->cells[distinct], 256) != 0)
      same++;
    c->pages[page] = (uint16_t)same;
    distinct += same == distinct;
  }
  for (unsigned byte = 0; byte < 256; byte++)
    c->ascii[byte] = byte < 0x80 ? (uint16_t)(1u << c->cells[c->pages[0]][byte]) : 0;
  made = must_realloc(c, sizeof *c + distinct * sizeof *c->cells);
}

const struct classes *classes_get(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make);
  return made;
}
