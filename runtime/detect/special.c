/* What begins with a word of its own: keys in PEM, web tokens, addresses with passwords. */
#include "detect/rules.h"
#include "detect/secrets.h"

enum { BLOCK_MOST = 16 * 1024, PART_MOST = 16 * 1024, HEADER_MOST = 684 };

struct special_row {
  enum special_word word;
  enum detect_kind kind; /* for which it is looked for */
  const char *words;
};

static const struct special_row rows[] = {
    {SPECIAL_PEM, DETECT_PRIVATE_KEY, "-----BEGIN "},
    {SPECIAL_JWT, DETECT_JWT, "eyJ"},
    {SPECIAL_URL, DETECT_URL_CREDENTIALS, "://"},
    {SPECIAL_PASSWORD, DETECT_SECRET_ASSIGNMENT,
     "password|passwd|passphrase|passcode|pwd|密码|口令|密碼"},
    {SPECIAL_SECRET, DETECT_SECRET_ASSIGNMENT,
     "secret|token|api_key|apikey|api-key|api "
     "key|access_key|accesskey|access-key|private_key|privatekey|credential|"
     "auth_key|authkey|authorization|signing_key|encryption_key|account_key|accountkey|app_key|"
     "appkey|"
     "master_key|session_key|密钥|秘钥|令牌|密鑰"},
    {SPECIAL_MILITARY, DETECT_CN_MILITARY_ID,
     "军字第|士字第|文字第|兵字第|义字第|军官证|士兵证|文职字第"},
    {SPECIAL_PLATE, DETECT_CN_PLATE,
     "京|津|沪|渝|冀|豫|云|辽|黑|湘|皖|鲁|新|苏|浙|赣|鄂|桂|甘|晋|蒙|陕|吉|闽|贵|粤|青|藏|川|宁|琼|"
     "使"},
    {SPECIAL_NAME, DETECT_CN_NAME,
     "姓名|我叫|名叫|名字叫|名字是|我是|联系人|收件人|寄件人|患者|客户|先生女士|法定代表人|法人|"
     "持卡人|户名|开户名|申请人|投保人|被保险人|学生|员工"},
    {SPECIAL_PLACE, DETECT_CN_ADDRESS, "省|市|区|县|州|盟|旗"},
};

void special_words(struct detect_rules *rules) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!detect_kinds_has(&rules->kinds, rows[i].kind)) continue;
    struct slice rest = slice_of(rows[i].words);
    while (rest.len > 0)
      automaton_add(&rules->automaton, slice_cut(rest, '|', &rest),
                    scan_word_value(WORD_SPECIAL, rows[i].word));
  }
}

static bool is_label(char c) {
  return is_upper(c) || is_digit(c) || c == ' ';
}

/* RFC 7468, and the armour of OpenPGP. end: after "-----BEGIN ". */
static void match_pem(struct scan *s, size_t start, size_t end) {
  size_t at = end;
  while (at < s->len && at - end < 48 && is_label(s->text[at]))
    at++;
  if (s->len - at < 5 && !s->ended) {
    scan_wait(s, start);
    return;
  }
  struct slice label = {s->text + end, at - end};
  if (!memmem(label.data, label.len, "PRIVATE KEY", 11) || s->len - at < 5 ||
      memcmp(s->text + at, "-----", 5) != 0)
    return;
  size_t body = at + 5, most = s->len - body < BLOCK_MOST ? s->len - body : BLOCK_MOST;
  const char *foot = memmem(s->text + body, most, "-----", 5);
  if (!foot && most < BLOCK_MOST && !s->ended) {
    scan_wait(s, start);
    return;
  }
  size_t stop = foot ? (size_t)(foot - s->text) : body + most;
  if (foot && s->len - stop < 9 && !s->ended) {
    scan_wait(s, start);
    return;
  }
  bool closed = foot && s->len - stop >= 9 && memcmp(foot, "-----END ", 9) == 0;
  if (closed) {
    size_t close = stop + 9;
    while (close < s->len && close - stop < 60 && is_label(s->text[close]))
      close++;
    while (close < s->len && close - stop < 66 && s->text[close] == '-')
      close++;
    if (close == s->len && close - stop < 60 && !s->ended) {
      scan_wait(s, start);
      return;
    }
    stop = close;
  }
  scan_hit(s, DETECT_PRIVATE_KEY, (struct hit_at){start, stop, start},
           (struct detect_finding){.score = 97, .validated = closed});
}

/* The header decodes to a JSON object that names an algorithm. */
static bool is_header(struct slice part) {
  char out[HEADER_MOST];
  size_t made = 0;
  uint32_t bits = 0;
  for (size_t i = 0; i < part.len && made + 3 < sizeof out; i++) {
    char c = part.data[i];
    uint32_t value = is_upper(c)   ? (uint32_t)(c - 'A')
                     : is_alpha(c) ? (uint32_t)(c - 'a' + 26)
                     : is_digit(c) ? (uint32_t)(c - '0' + 52)
                     : c == '-'    ? 62
                                   : 63;
    bits = bits << 6 | value;
    if (i % 4 == 3) {
      out[made++] = (char)(bits >> 16);
      out[made++] = (char)(bits >> 8);
      out[made++] = (char)bits;
    }
  }
  return made > 8 && out[0] == '{' &&
         (memmem(out, made, "\"alg\"", 5) || memmem(out, made, "\"typ\"", 5));
}

/* RFC 7519: header.payload.signature; the signature may be missing from what was copied. */
static void match_jwt(struct scan *s, size_t start) {
  char before = scan_before(s, start);
  if (is_alnum(before) || before == '_' || before == '-') return;
  size_t at = start;
  for (unsigned i = 0; i < 3; i++) {
    size_t end = at;
    while (end < s->len && end - at < PART_MOST &&
           (is_alnum(s->text[end]) || s->text[end] == '_' || s->text[end] == '-'))
      end++;
    if (end == s->len && !s->ended && end - at < PART_MOST) {
      scan_wait(s, start);
      return;
    }
    if (i == 0 && (end - at < 12 || scan_byte(s, end) != '.' ||
                   !is_header((struct slice){s->text + at, end - at})))
      return;
    if (i == 1 && end - at < 6) return;
    at = end;
    if (i < 2 && scan_byte(s, end) != '.') break;
    if (i < 2) at++;
    if (i < 2 && at == s->len && !s->ended) {
      scan_wait(s, start);
      return;
    }
  }
  while (at > start && s->text[at - 1] == '.')
    at--;
  scan_hit(s, DETECT_JWT, (struct hit_at){start, at, start},
           (struct detect_finding){.score = 97, .validated = true});
}

void match_special(struct scan *s, enum special_word word, size_t start, size_t end) {
  switch (word) {
  case SPECIAL_PEM: match_pem(s, start, end); break;
  case SPECIAL_JWT: match_jwt(s, start); break;
  case SPECIAL_URL: match_url(s, start); break;
  case SPECIAL_PASSWORD:
  case SPECIAL_SECRET: match_assignment(s, word == SPECIAL_PASSWORD, start, end); break;
  case SPECIAL_MILITARY: match_military(s, start, end); break;
  case SPECIAL_PLATE: match_plate(s, start, end); break;
  case SPECIAL_NAME: match_name(s, start, end); break;
  case SPECIAL_PLACE: match_place(s, start, end); break;
  case SPECIALS: break;
  }
}
