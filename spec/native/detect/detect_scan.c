/* Findings and their places, one or two of each kind; spec/detect has the many. */
#include "detect_kit.h"

static const struct {
  const char *text, *want;
} cases[] = {
    {"", ""},
    {"nothing to see here, 42 times", ""},
    {"id 11010519491231002X.", "3+18 cn_resident_id"},
    {"11010519491231002x", "0+18 cn_resident_id"},
    {"110105194912310021", ""},
    {"card 4111 1111 1111 1111, thanks", "5+19 payment_card"},
    {"card 4111-1111-1111-1112", ""},
    {"card:\n4111 1111\r\n1111 1111\n", "6+20 payment_card"},
    {"card\t4111\t1111\t1111\t1111", "5+19 payment_card"},
    {"card 4111  1111   1111  1111 ok", "5+23 payment_card"},
    {"sold 4111\t1111\t1111\t1111", ""},
    {"card 4111\t1111\t1111\t1112", ""},
    {"cards sold:\n4111\n1111\n1111\n1111\n4026", ""},
    {"cards sold: 17\n4111\n1111\n1111\n1111", ""},
    {"card 4111    1111 1111 1111", ""},
    {"DE89 3704 0044 0532 0130 00", "0+27 iban"},
    {"GB82WEST12345698765432", "0+22 iban"},
    {"GB83WEST12345698765432", ""},
    {"write to jane.doe@example.com.", "9+20 email"},
    {"icon@2x.png", ""},
    {"call 13812345679", "5+11 cn_mobile"},
    {"+86 138 1234 5679", "0+17 cn_mobile; 0+17 phone"},
    {"ssn 536-22-8726", "4+11 us_ssn"},
    {"host 8.8.4.4 and 10.1.2.3", "17+8 ipv4_private"},
    {"host 93.184.216.34", "5+13 ipv4"},
    {"version 93.184.216.34", ""},
    {"mac 3c:22:fb:01:02:03", "4+17 mac_address"},
    {"at 2606:2800:220:1:248:1893:25c8:1946 now", "3+34 ipv6"},
    {"link fe80::1ff:fe23:4567:890a", "5+24 ipv6_private"},
    {"time 12:34:56", ""},
    {"postgres://app:s3cr3tpw@db.internal/x", "11+12 url_credentials"},
    {"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "0+34 btc_address"},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "0+42 btc_address"},
    {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0+42 eth_address"},
    {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", ""},
    {"legal winner thank year wave sausage worth useful legal winner thank yellow",
     "0+75 seed_phrase"},
    {"AKIAZ7Q3NFKD2XWL5TPR", "0+20 aws_access_key_id"},
    {"AKIAIOSFODNN7EXAMPLE", ""},
    {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.sig_nature-1", "0+56 jwt"},
    {"password = \"Tr0ub4dor&3x\"", "12+12 secret_assignment"},
    {"password = getPassword()", ""},
    {"key gy-Zk39dLq0PxT7aWm2Rb", "4+21 gateway_key"},
    {"京A12345 and 粤BD12345", "0+9 cn_plate; 14+10 cn_plate"},
    {"Y2FyZCA0MTExIDExMTEgMTExMSAxMTExIHRoYW5rcw==", "6+26 payment_card"},
};

static const struct {
  const char *text, *want;
} disguised[] = {
    {"４１１１ １１１１ １１１１ １１１１", "0+51 payment_card"},
    {"4111\xe2\x80\x8b"
     "111111111111",
     "0+19 payment_card"},
    {"4111\xc2\xad"
     "1111\xc2\xad"
     "1111\xc2\xad"
     "1111",
     "0+22 payment_card"},
    {"\\u0034111111111111111", "0+21 payment_card"},
    {"jane%40example.com", "0+18 email"},
    {"４111111111111111 ok", "0+18 payment_card"},
};

int main(void) {
  struct detect_rules *rules = kit_rules((struct detect_options){0}, "all");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    kit_expect(rules, cases[i].text, cases[i].want);
  for (size_t i = 0; i < sizeof disguised / sizeof *disguised; i++)
    kit_expect(rules, disguised[i].text, disguised[i].want);
  detect_rules_unref(rules);
  return checks_end();
}
