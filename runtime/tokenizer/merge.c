/* Byte-pair encoding as it is defined: the pair of the lowest rank merges first, of equal ones the
 * leftmost. The pairs wait in a heap; a part that has merged since is seen by its length. */
#include "base/utf8.h"
#include "tokenizer/encode.h"

struct part {
  uint32_t token, prev, next; /* prev, next: places of neighbours; NOWHERE at the ends */
};

struct waiting { /* the pair that begins at a place */
  uint32_t rank, place, left, right;
};

struct merging {
  const struct vocabulary *v;
  struct part *parts;
  struct waiting *heap;
  size_t count;
};

enum { NOWHERE = INT32_MAX, GONE = NOWHERE - 1 };

static bool before(const struct waiting *a, const struct waiting *b) {
  return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

static void heap_add(struct merging *m, struct waiting w) {
  size_t at = m->count++;
  for (size_t up; at && before(&w, &m->heap[up = (at - 1) / 2]); at = up)
    m->heap[at] = m->heap[up];
  m->heap[at] = w;
}

static struct waiting heap_take(struct merging *m) {
  struct waiting first = m->heap[0], last = m->heap[--m->count];
  size_t at = 0;
  for (size_t down; (down = at * 2 + 1) < m->count; at = down) {
    down += down + 1 < m->count && before(&m->heap[down + 1], &m->heap[down]);
    if (!before(&m->heap[down], &last)) break;
    m->heap[at] = m->heap[down];
  }
  m->heap[at] = last;
  return first;
}

static void offer(struct merging *m, uint32_t place) {
  const struct part *p = &m->parts[place];
  if (p->next == NOWHERE) return;
  uint32_t right = m->parts[p->next].token;
  const struct vocabulary_pair *pair = vocabulary_pair_find(m->v, p->token, right);
  if (pair) heap_add(m, (struct waiting){pair->rank, place, p->token, right});
}

static void merge_at(struct merging *m, const struct waiting *w) {
  struct part *p = &m->parts[w->place];
  if (p->token != w->left || p->prev == GONE || p->next == NOWHERE) return;
  struct part *right = &m->parts[p->next];
  if (right->token != w->right) return;
  p->token = vocabulary_pair_find(m->v, w->left, w->right)->token;
  p->next = right->next;
  right->prev = GONE;
  if (p->next != NOWHERE) m->parts[p->next].prev = w->place;
  offer(m, w->place);
  if (p->prev != NOWHERE) offer(m, p->prev);
}

static uint32_t first_parts(struct merging *m, struct slice text) {
  uint32_t count = 0;
  for (size_t at = 0, len = 1; at < text.len; at += len, count++) {
    uint32_t point;
    if (!(m->v->head->flags & VOCABULARY_BYTES))
      len = utf8_decode(text.data + at, text.data + text.len, &point);
    struct slice letter = {text.data + at, len};
    uint32_t token = m->v->head->flags & VOCABULARY_BYTES
                         ? m->v->head->byte_token[(unsigned char)*letter.data]
                         : vocabulary_find(m->v, letter);
    m->parts[count] = (struct part){token, count ? count - 1 : NOWHERE, count + 1};
  }
  m->parts[count - 1].next = NOWHERE;
  return count;
}

void encoder_merge(struct encoder *e, const struct vocabulary *v, struct slice piece) {
  if (piece.len == 0) return;
  must(piece.len < GONE);
  /* Each merge takes one pair and offers at most two. */
  size_t part_bytes = piece.len * sizeof(struct part);
  bytes_clear(&e->parts);
  char *memory = bytes_reserve(&e->parts, part_bytes + piece.len * 3 * sizeof(struct waiting));
  struct merging m = {v, (struct part *)memory, (struct waiting *)(memory + part_bytes), 0};
  uint32_t count = first_parts(&m, piece);
  for (uint32_t i = 0; i < count; i++)
    offer(&m, i);
  while (m.count) {
    struct waiting w = heap_take(&m);
    merge_at(&m, &w);
  }
  for (uint32_t i = 0; i != NOWHERE; i = m.parts[i].next)
    encoder_push(e, m.parts[i].token);
}
