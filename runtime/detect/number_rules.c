#include "detect/checks.h"
#include "detect/number.h"
#include "detect/rules.h"

struct number_rule {
  uint8_t digits; /* exactly */
  enum detect_kind kind;
  bool (*check)(const uint8_t *d, unsigned count);
  enum context context;
  uint8_t plain;  /* score without separators, or with other groups than the shapes */
  uint8_t shaped; /* score with one of the shapes */
  uint8_t near;   /* score with a word of the context nearby */
  uint32_t shapes[3];
  bool proof; /* the check is a check digit */
};

/* A score below DETECT_SCORE_DEFAULT needs the word nearby. In the order of digits. */
static const struct number_rule rules[] = {
    {8, DETECT_CN_TAIWAN_PERMIT, tw_permit, CONTEXT_TW_PERMIT, 10, 10, 75, {0}, false},
    {8, DETECT_EAN, ean, CONTEXT_EAN, 20, 20, 75, {0}, true},
    {8, DETECT_AU_TFN, au_tfn, CONTEXT_TFN, 20, 30, 85, {0x332}, true},
    {9, DETECT_US_SSN, us_ssn, CONTEXT_SSN, 20, 75, 90, {0x324}, false},
    {9, DETECT_US_ITIN, us_itin, CONTEXT_ITIN, 20, 75, 90, {0x324}, false},
    {9, DETECT_ABA_ROUTING, aba_routing, CONTEXT_ABA, 35, 35, 90, {0x441}, true},
    {9, DETECT_CA_SIN, ca_sin, CONTEXT_SIN, 30, 62, 90, {0x333}, true},
    {9, DETECT_AU_TFN, au_tfn, CONTEXT_TFN, 30, 40, 90, {0x333}, true},
    {9, DETECT_CN_ORG_CODE, cn_org_digits, CONTEXT_ORG, 20, 50, 90, {0x81}, true},
    {10, DETECT_UK_NHS, uk_nhs, CONTEXT_NHS, 35, 70, 90, {0x334}, true},
    {10, DETECT_US_NPI, us_npi, CONTEXT_NPI, 35, 35, 90, {0}, true},
    {10, DETECT_AU_MEDICARE, au_medicare, CONTEXT_MEDICARE, 35, 65, 90, {0x451}, true},
    {10, DETECT_CN_TAIWAN_PERMIT, tw_permit, CONTEXT_TW_PERMIT, 10, 10, 75, {0}, false},
    {10, DETECT_CN_LANDLINE, cn_landline, CONTEXT_CN_PHONE, 30, 65, 80, {0x37, 0x46, 0x334}, false},
    {11, DETECT_CN_MOBILE, cn_mobile, CONTEXT_CN_PHONE, 70, 80, 95, {0x344, 0x335}, false},
    {11, DETECT_CN_LANDLINE, cn_landline, CONTEXT_CN_PHONE, 40, 70, 85, {0x38, 0x47, 0x344}, false},
    {11, DETECT_AU_MEDICARE, au_medicare, CONTEXT_MEDICARE, 30, 65, 90, {0x4511}, true},
    {11, DETECT_AU_ABN, au_abn, CONTEXT_ABN, 40, 70, 95, {0x2333}, true},
    {11, DETECT_DE_STEUER_ID, de_steuer_id, CONTEXT_STEUER, 45, 75, 95, {0x2333}, true},
    {11, DETECT_BR_CPF, br_cpf, CONTEXT_CPF, 50, 90, 95, {0x3332}, true},
    {11, DETECT_PL_PESEL, pl_pesel, CONTEXT_PESEL, 55, 55, 95, {0}, true},
    {12, DETECT_CN_LANDLINE, cn_landline, CONTEXT_CN_PHONE, 40, 70, 85, {0x48, 0x444}, false},
    {12, DETECT_IN_AADHAAR, in_aadhaar, CONTEXT_AADHAAR, 45, 75, 95, {0x444}, true},
    {12, DETECT_JP_MY_NUMBER, jp_my_number, CONTEXT_MY_NUMBER, 40, 50, 90, {0x444}, true},
    {12, DETECT_EAN, ean, CONTEXT_EAN, 20, 20, 75, {0}, true},
    {12, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 40, 40, 85, {0}, true},
    {13, DETECT_KR_RRN, kr_rrn, CONTEXT_RRN, 55, 85, 95, {0x67}, true},
    {13, DETECT_KR_RRN, kr_rrn_shape, CONTEXT_RRN, 20, 55, 85, {0x67}, false},
    {13, DETECT_EAN, ean, CONTEXT_EAN, 30, 30, 80, {0}, true},
    {13, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 50, 50, 85, {0}, true},
    {14, DETECT_BR_CNPJ, br_cnpj, CONTEXT_CNPJ, 60, 90, 95, {0x23342}, true},
    {14, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 70, 85, 95, {0x464}, true},
    {14, DETECT_EAN, ean, CONTEXT_EAN, 20, 20, 75, {0}, true},
    {15, DETECT_CN_RESIDENT_ID, cn_resident_id_old, CONTEXT_ID, 50, 50, 85, {0}, false},
    {15, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 80, 90, 95, {0x465}, true},
    {15, DETECT_IMEI, imei, CONTEXT_IMEI, 50, 75, 90, {0x2661, 0x681}, true},
    {15, DETECT_FR_NIR, fr_nir, CONTEXT_NIR, 75, 90, 95, {0x1222332}, true},
    {16, DETECT_CN_BANK_CARD, cn_bank_card, CONTEXT_CARD, 85, 90, 95, {0x4444}, true},
    {16, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 85, 90, 95, {0x4444}, true},
    {17, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 65, 65, 90, {0}, true},
    {17, DETECT_CN_BANK_CARD, cn_bank_card, CONTEXT_CARD, 65, 65, 90, {0}, true},
    {18, DETECT_CN_RESIDENT_ID, cn_resident_id, CONTEXT_ID, 95, 98, 99, {0x684}, true},
    {18, DETECT_CN_FOREIGNER_PERMIT, cn_foreigner_id, CONTEXT_FOREIGNER, 85, 85, 95, {0x684}, true},
    {18, DETECT_CN_USCC, cn_uscc_digits, CONTEXT_ORG, 80, 80, 95, {0}, true},
    {18, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 65, 65, 90, {0}, true},
    {18, DETECT_CN_BANK_CARD, cn_bank_card, CONTEXT_CARD, 65, 65, 90, {0}, true},
    {19, DETECT_CN_BANK_CARD, cn_bank_card, CONTEXT_CARD, 80, 90, 95, {0x44443, 0x6940}, true},
    {19, DETECT_CN_BANK_CARD, cn_other_card, CONTEXT_CARD, 20, 30, 80, {0x44443}, true},
    {19, DETECT_PAYMENT_CARD, payment_card, CONTEXT_CARD, 65, 75, 90, {0x44443}, true},
};

static bool shape_fits(const struct number_rule *r, const struct number_view *v) {
  for (size_t i = 0; i < 3; i++)
    if (v->shape && v->shape == r->shapes[i]) return true;
  return false;
}

/* 90 where only the word nearby made it likely enough. */
static unsigned rule_score(struct scan *s, const struct number_rule *r, const struct number_view *v,
                           bool *context) {
  bool shaped = shape_fits(r, v);
  const struct number *n = v->number;
  if (v->groups > 1 && !shaped && (!v->whole || (v->separator != ' ' && v->separator != '-')))
    return 0;
  unsigned score = shaped ? r->shaped : r->plain;
  if (v->groups > 1 && !shaped && score >= 10) score -= 10;
  if (n->sign == '+') return 0;
  *context = scan_near(s, r->context, n->start);
  if (*context) return r->near > score ? r->near : score;
  bool ordered =
      scan_near(s, CONTEXT_ORDER, n->start) && n->start - s->context_end[CONTEXT_ORDER] <= 24;
  if (n->glued || ordered) score = score > 30 ? score - 30 : 0;
  return score;
}

static void rule_apply(struct scan *s, const struct number_rule *r, const struct number_view *v) {
  const struct number *n = v->number;
  bool context = false;
  unsigned score = rule_score(s, r, v, &context);
  if (score < s->rules->min_score || !r->check(n->digit, v->digits)) return;
  if (r->kind == DETECT_PAYMENT_CARD && s->rules->ignore_test_numbers &&
      payment_card_is_test(n->digit, v->digits))
    return;
  if (r->kind == DETECT_CN_MOBILE && n->inner && n->start > 3 &&
      memcmp(s->text + n->start - 3, "86 ", 3) == 0)
    return; /* found with its country code */
  struct hit_at at = {n->start, n->groups[v->groups - 1].end, n->start};
  scan_hit(
      s, r->kind, at,
      (struct detect_finding){.score = (uint8_t)score, .validated = r->proof, .context = context});
}

void number_rules(struct scan *s, const struct number_view *v) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules && rules[i].digits <= v->digits; i++)
    if (rules[i].digits == v->digits && scan_wants(s, rules[i].kind)) rule_apply(s, &rules[i], v);
}
