/* Check digits and shapes of numbers. Digits are values 0 to 9 (10 stands for X where a standard
 * has it), not characters. */
#pragma once
#include "base/bytes.h"

bool check_luhn(const uint8_t *d, unsigned count);     /* ISO/IEC 7812-1 */
bool check_verhoeff(const uint8_t *d, unsigned count); /* Verhoeff, 1969 */
bool check_mod11_2(const uint8_t *d, unsigned count);  /* ISO 7064 MOD 11-2 */
bool check_mod11_10(const uint8_t *d, unsigned count); /* ISO 7064 MOD 11,10 */
uint64_t check_value(const uint8_t *d, unsigned count);
bool check_date(unsigned year, unsigned month, unsigned day); /* 1850 to 2099 */
bool check_same(const uint8_t *d, unsigned count);            /* one digit repeated, or 12345… */
unsigned check_weighted(const uint8_t *d, const uint8_t *weights, unsigned count);

/* Each: is it a valid number of that kind; count as in the standard. */
bool cn_resident_id(const uint8_t *d, unsigned count);     /* 18 */
bool cn_resident_id_old(const uint8_t *d, unsigned count); /* 15 */
bool cn_foreigner_id(const uint8_t *d, unsigned count);    /* 18, from 9 */
bool cn_uscc_digits(const uint8_t *d, unsigned count);
bool cn_org_digits(const uint8_t *d, unsigned count);
bool cn_mobile(const uint8_t *d, unsigned count);
bool cn_landline(const uint8_t *d, unsigned count);
bool cn_bank_card(const uint8_t *d, unsigned count);
bool cn_other_card(const uint8_t *d, unsigned count);
bool payment_card(const uint8_t *d, unsigned count);
bool payment_card_is_test(const uint8_t *d, unsigned count);
bool aba_routing(const uint8_t *d, unsigned count);
bool imei(const uint8_t *d, unsigned count);
bool ean(const uint8_t *d, unsigned count);
bool us_ssn(const uint8_t *d, unsigned count);
bool us_itin(const uint8_t *d, unsigned count);
bool us_npi(const uint8_t *d, unsigned count);
bool us_phone(const uint8_t *d, unsigned count);
bool uk_nhs(const uint8_t *d, unsigned count);
bool in_aadhaar(const uint8_t *d, unsigned count);
bool kr_rrn(const uint8_t *d, unsigned count);
bool kr_rrn_shape(const uint8_t *d, unsigned count);
bool ca_sin(const uint8_t *d, unsigned count);
bool au_tfn(const uint8_t *d, unsigned count);
bool au_abn(const uint8_t *d, unsigned count);
bool au_medicare(const uint8_t *d, unsigned count);
bool de_steuer_id(const uint8_t *d, unsigned count);
bool fr_nir(const uint8_t *d, unsigned count);
bool br_cpf(const uint8_t *d, unsigned count);
bool br_cnpj(const uint8_t *d, unsigned count);
bool pl_pesel(const uint8_t *d, unsigned count);
bool jp_my_number(const uint8_t *d, unsigned count);
bool tw_permit(const uint8_t *d, unsigned count);

/* Numbers with letters: text is exactly the number, letters in upper case, no separators. */
bool cn_uscc(struct slice text);
bool cn_org_code(struct slice text); /* 9 characters */
bool cn_foreigner_old(struct slice text);
bool iban(struct slice text);
bool bic(struct slice text);
bool vin(struct slice text);
bool cn_passport(struct slice text);
bool cn_hk_macau_permit(struct slice text);
bool cn_taiwan_permit(struct slice text);
bool cn_resident_id_x(struct slice text); /* 17 digits and X */
bool vin_shape(struct slice text);
bool uk_nino(struct slice text);
bool in_pan(struct slice text);
bool in_gstin(struct slice text);
bool sg_nric(struct slice text);
bool es_nif(struct slice text);
bool es_nie(struct slice text);
bool it_cf(struct slice text);
bool fr_nir_corsica(struct slice text);
bool br_cnpj_letters(struct slice text);
bool hk_id(struct slice text); /* brackets removed */
bool tw_id(struct slice text);
