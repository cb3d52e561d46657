/* Identifiers made of letters and digits, in one piece or in groups. */
#include "detect/checks.h"
#include "detect/rules.h"

struct letter_rule {
  uint8_t shortest, longest;
  enum detect_kind kind;
  bool (*check)(struct slice text);
  enum context context;
  uint8_t plain, grouped, near; /* scores: in one piece, with separators, with a word nearby */
  bool proof;
};

static const struct letter_rule rules[] = {
    {15, 34, DETECT_IBAN, iban, CONTEXT_IBAN, 95, 95, 99, true},
    {8, 11, DETECT_BIC, bic, CONTEXT_BIC, 40, 0, 85, false},
    {17, 17, DETECT_VIN, vin, CONTEXT_VIN, 62, 0, 95, true},
    {17, 17, DETECT_VIN, vin_shape, CONTEXT_VIN, 30, 0, 80, false},
    {9, 9, DETECT_UK_NINO, uk_nino, CONTEXT_NINO, 70, 85, 95, false},
    {10, 10, DETECT_IN_PAN, in_pan, CONTEXT_PAN, 75, 0, 95, false},
    {15, 15, DETECT_IN_GSTIN, in_gstin, CONTEXT_GSTIN, 95, 0, 98, true},
    {9, 9, DETECT_SG_NRIC, sg_nric, CONTEXT_NRIC, 80, 0, 95, true},
    {9, 9, DETECT_ES_NIF, es_nif, CONTEXT_NIF, 70, 75, 95, true},
    {9, 9, DETECT_ES_NIE, es_nie, CONTEXT_NIF, 85, 85, 95, true},
    {16, 16, DETECT_IT_CF, it_cf, CONTEXT_CF, 95, 90, 98, true},
    {15, 15, DETECT_FR_NIR, fr_nir_corsica, CONTEXT_NIR, 85, 90, 95, true},
    {14, 14, DETECT_BR_CNPJ, br_cnpj_letters, CONTEXT_CNPJ, 50, 90, 95, true},
    {8, 9, DETECT_HK_ID, hk_id, CONTEXT_HKID, 45, 0, 90, true},
    {10, 10, DETECT_TW_ID, tw_id, CONTEXT_TWID, 75, 0, 95, true},
    {9, 9, DETECT_CN_PASSPORT, cn_passport, CONTEXT_PASSPORT, 45, 0, 85, false},
    {9, 11, DETECT_CN_HK_MACAU_PERMIT, cn_hk_macau_permit, CONTEXT_HK_PERMIT, 40, 0, 85, false},
    {9, 9, DETECT_CN_TAIWAN_PERMIT, cn_taiwan_permit, CONTEXT_TW_PERMIT, 40, 0, 85, false},
    {15, 15, DETECT_CN_FOREIGNER_PERMIT, cn_foreigner_old, CONTEXT_FOREIGNER, 65, 0, 95, true},
    {9, 9, DETECT_CN_ORG_CODE, cn_org_code, CONTEXT_ORG, 30, 50, 90, true},
    {18, 18, DETECT_CN_USCC, cn_uscc, CONTEXT_ORG, 92, 0, 98, true},
    {18, 18, DETECT_CN_RESIDENT_ID, cn_resident_id_x, CONTEXT_ID, 95, 95, 99, true},
};

enum { COMPACT_MAX = 34, SPAN_MAX = 56 };

/* What was read so far, separators left out. */
struct compact {
  char text[COMPACT_MAX];
  size_t len, start;
  unsigned groups;
  bool lower; /* letters in lower case occur */
};

static unsigned rule_score(const struct scan *s, const struct letter_rule *r,
                           const struct compact *c, bool *context) {
  *context = scan_near(s, r->context, c->start);
  unsigned score = c->groups > 1 ? r->grouped : r->plain;
  if (c->groups > 1 && r->grouped == 0) return 0;
  if (*context) return r->near;
  bool is_strong = r->proof && r->plain >= 92; /* small letters are no chance then */
  if (c->lower && !is_strong) return 0;
  bool ordered =
      scan_near(s, CONTEXT_ORDER, c->start) && c->start - s->context_end[CONTEXT_ORDER] <= 24;
  return ordered && score < 90 ? score - 20 : score;
}

static void compact_judge(struct scan *s, const struct compact *c, size_t end) {
  struct slice text = {c->text, c->len};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    const struct letter_rule *r = &rules[i];
    if (c->len < r->shortest || c->len > r->longest || !scan_wants(s, r->kind)) continue;
    bool context;
    unsigned score = rule_score(s, r, c, &context);
    if (score < s->rules->min_score || !r->check(text)) continue;
    scan_hit(s, r->kind, (struct hit_at){c->start, end, c->start},
             (struct detect_finding){
                 .score = (uint8_t)score, .validated = r->proof, .context = context});
  }
}

/* A123456(7): the check character in brackets. */
static void hong_kong(struct scan *s, const struct compact *c, size_t end) {
  if (!scan_wants(s, DETECT_HK_ID) || (c->len != 7 && c->len != 8) || is_digit(c->text[0])) return;
  if (scan_is_open(s, end, "(0123456789Aa", 3)) {
    scan_wait(s, c->start);
    return;
  }
  if (scan_byte(s, end) != '(' || scan_byte(s, end + 2) != ')') return;
  char text[9];
  memcpy(text, c->text, c->len);
  text[c->len] = upper(s->text[end + 1]);
  if (!hk_id((struct slice){text, c->len + 1})) return;
  scan_hit(s, DETECT_HK_ID, (struct hit_at){c->start, end + 3, c->start},
           (struct detect_finding){.score = 90, .validated = true});
}

/* As accounts begin: two letters and two digits, a group of their own. */
static bool begins_iban(const struct compact *c) {
  return c->len >= 4 && c->len % 4 == 0 && !is_digit(c->text[0]) && !is_digit(c->text[1]) &&
         is_digit(c->text[2]) && is_digit(c->text[3]);
}

/* Reads on over single separators, and judges at the end of each group. */
void match_groups(struct scan *s, size_t start) {
  struct compact c = {.start = start};
  unsigned letters = 0, digits = 0;
  size_t at = start;
  for (;;) {
    size_t group = at;
    for (; at < s->len && is_alnum(s->text[at]); at++) {
      if (c.len == COMPACT_MAX || at - start > SPAN_MAX) return;
      char b = s->text[at];
      c.lower = c.lower || (b >= 'a' && b <= 'z');
      if (is_digit(b))
        digits++;
      else
        letters++;
      c.text[c.len++] = upper(b);
    }
    if (at == group) return;
    if (at + 1 >= s->len && !s->ended) {
      scan_wait(s, start);
      return;
    }
    c.groups++;
    char sep = scan_byte(s, at), next = scan_byte(s, at + 1);
    bool joins = sep == ' ' || sep == '-' || sep == '.' || sep == '/';
    if (c.len >= 7 && letters && (digits || c.groups == 1) &&
        !((sep == '-' || sep == '_') && is_alnum(next)))
      compact_judge(s, &c, at);
    if (sep == '(') hong_kong(s, &c, at);
    if (!joins || !is_alnum(next) || (c.lower && sep == ' ' && !begins_iban(&c))) return;
    at++;
  }
}

void match_token(struct scan *s, const struct token *t) {
  char before = scan_before(s, t->start), after = scan_byte(s, t->end);
  size_t len = t->end - t->start;
  char earlier = t->start > 1 ? s->text[t->start - 2] : 0;
  match_crypto(s, t);
  if (t->digits == 0) match_seed(s, t);
  if (t->digits == 0 && t->uppers == 0) return;
  if (before == '_' || ((before == '-' || before == '.' || before == '/') && is_alnum(earlier)))
    return;
  bool bic_like = t->digits == 0 && t->lowers == 0 && (len == 8 || len == 11);
  bool parted = len <= 2 && (after == ' ' || after == '-');
  if (parted && t->end + 1 == s->len) scan_wait(s, t->start);
  bool splits = parted && is_digit(scan_byte(s, t->end + 1));
  if (t->digits > 0 || bic_like || splits) match_groups(s, t->start);
}
