/* ISO/IEC 7812 and the brands' published ranges; ISO 13616 (IBAN) with the SWIFT registry's
 * lengths; ISO 9362 (BIC); ISO 3779 and 49 CFR 565 (VIN); 3GPP TS 23.003 (IMEI); GS1 General
 * Specifications. */
#include "detect/checks.h"

static bool is_brand(const uint8_t *d, unsigned count) {
  unsigned two = d[0] * 10u + d[1], four = two * 100 + d[2] * 10u + d[3];
  unsigned six = four * 100 + d[4] * 10u + d[5];
  if (d[0] == 4) return count == 13 || count == 16 || count == 19; /* Visa */
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))
    return count == 16;                                              /* Mastercard */
  if (two == 34 || two == 37) return count == 15;                    /* American Express */
  if (four == 6011 || two == 65 || (six >= 644000 && six <= 649999)) /* Discover */
    return count == 16 || count == 19;
  if ((four >= 3000 && four <= 3059) || two == 36 || two == 38 || two == 39 || four == 3095)
    return count >= 14 && count <= 19 && (count == 14 || count >= 16); /* Diners */
  if (four >= 3528 && four <= 3589) return count >= 16 && count <= 19; /* JCB */
  if (two == 62) return count >= 16 && count <= 19;                    /* UnionPay */
  if (four == 5018 || four == 5020 || four == 5038 || four == 5893 || four == 6304 ||
      four == 6759 || four == 6761 || four == 6762 || four == 6763)
    return count >= 12 && count <= 19;                /* Maestro */
  return four >= 2200 && four <= 2204 && count >= 16; /* Mir */
}

bool payment_card(const uint8_t *d, unsigned count) {
  return count >= 12 && count <= 19 && is_brand(d, count) && check_luhn(d, count) &&
         !check_same(d, count);
}

/* Numbers that Stripe, Adyen, PayPal and Braintree publish for tests. */
bool payment_card_is_test(const uint8_t *d, unsigned count) {
  static const uint64_t numbers[] = {
      4242424242424242, 4000056655665556, 5555555555554444, 2223003122003222, 5200828282828210,
      5105105105105100, 378282246310005,  371449635398431,  6011111111111117, 6011000990139424,
      6011981111111113, 3056930009020004, 36227206271667,   6555900000604105, 3566002020360505,
      6200000000000005, 6200000000000047, 4111111111111111, 4012888888881881, 4222222222222,
      4000000000000002, 4000000000009995, 4000000000000069, 4000000000000127, 4000000000000119,
      4000002500003155, 4000002760003184, 4000000000003220, 30569309025904,   38520000023237,
      378734493671000,  5431111111111111, 2222400070000005, 4988438843884305, 5577000055770004,
      370000000000002,  6011601160116611, 36006666333344,   3530111333300000, 4009348888881881,
      4012000033330026, 4000111111111115, 6304000000000000, 4917610000000000, 5555341244441115,
  };
  uint64_t value = check_value(d, count);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i] == value) return true;
  return false;
}

bool aba_routing(const uint8_t *d, unsigned count) {
  static const uint8_t weights[] = {3, 7, 1, 3, 7, 1, 3, 7, 1};
  unsigned two = d[0] * 10u + d[1];
  bool range = (two <= 12) || (two >= 21 && two <= 32) || (two >= 61 && two <= 72) || two == 80;
  return count == 9 && range && check_weighted(d, weights, 9) % 10 == 0 && !check_same(d, 9);
}

bool imei(const uint8_t *d, unsigned count) {
  return count == 15 && check_luhn(d, 15) && !check_same(d, 15) && check_value(d, 8) > 0;
}

bool ean(const uint8_t *d, unsigned count) {
  unsigned sum = 0;
  if (count != 8 && count != 12 && count != 13 && count != 14) return false;
  for (unsigned i = 0; i < count; i++)
    sum += d[count - 1 - i] * (i % 2 ? 3u : 1u);
  return sum % 10 == 0 && !check_same(d, count);
}

static unsigned iban_length(const char *country) {
  static const char lengths[] =
      "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24"
      "FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32"
      "LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
      "RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";
  for (const char *p = lengths; *p; p += 4)
    if (p[0] == country[0] && p[1] == country[1])
      return (unsigned)(p[2] - '0') * 10 + (unsigned)(p[3] - '0');
  return 0;
}

bool iban(struct slice t) {
  if (t.len < 15 || t.len > 34 || iban_length(t.data) != t.len) return false;
  unsigned rest = 0;
  for (size_t i = 0; i < t.len; i++) {
    char c = t.data[(i + 4) % t.len];
    if (c >= '0' && c <= '9')
      rest = (rest * 10 + (unsigned)(c - '0')) % 97;
    else if (c >= 'A' && c <= 'Z')
      rest = (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
    else
      return false;
  }
  return rest == 1;
}

static bool is_country(const char *c) {
  static const char codes[] = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBV"
                              "BWBYBZCACCCDCFCGCHCICKCLCMCN"
                              "COCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGH"
                              "GIGLGMGNGPGQGRGSGTGUGWGYHKHM"
                              "HNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILK"
                              "LRLSLTLULVLYMAMCMDMEMFMGMHMK"
                              "MLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPK"
                              "PLPMPNPRPSPTPWPYQARERORSRURW"
                              "SASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTT"
                              "TVTWTZUAUGUMUSUYUZVAVCVEVGVI"
                              "VNVUWFWSXKYEYTZAZMZW";
  for (const char *p = codes; *p; p += 2)
    if (p[0] == c[0] && p[1] == c[1]) return true;
  return false;
}

bool bic(struct slice t) {
  if (t.len != 8 && t.len != 11) return false;
  for (size_t i = 0; i < t.len; i++) {
    bool letter = t.data[i] >= 'A' && t.data[i] <= 'Z';
    if (!letter && (i < 6 || t.data[i] < '0' || t.data[i] > '9')) return false;
  }
  return is_country(t.data + 4);
}

bool vin(struct slice t) {
  static const char values[] = "12345678.12345.7.923456789"; /* A to Z; I, O and Q are not used */
  static const uint8_t weights[] = {8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
  unsigned sum = 0;
  if (t.len != 17) return false;
  for (size_t i = 0; i < 17; i++) {
    char c = t.data[i];
    bool letter = c >= 'A' && c <= 'Z';
    if (letter && values[c - 'A'] == '.') return false;
    if (!letter && (c < '0' || c > '9')) return false;
    sum += (unsigned)((letter ? values[c - 'A'] : c) - '0') * weights[i];
  }
  return t.data[8] == "0123456789X"[sum % 11];
}

/* Outside of North America and China the ninth character is free. */
bool vin_shape(struct slice t) {
  unsigned digits = 0;
  if (t.len != 17) return false;
  for (size_t i = 0; i < 17; i++) {
    char c = t.data[i];
    bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'A' || c > 'Z' || c == 'I' || c == 'O' || c == 'Q')) return false;
    digits += digit;
    if (i >= 13 && !digit) return false;
  }
  return digits >= 5 && digits <= 15;
}
