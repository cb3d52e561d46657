/* Chinese documents, plates, names and places in running text. Characters are of three bytes. */
#include "detect/rules.h"

enum { CHARACTER = 3 };

static bool is_han(const struct scan *s, size_t at) {
  unsigned char first = (unsigned char)scan_byte(s, at);
  return first >= 0xe4 && first <= 0xe9 && at + 2 < s->len &&
         ((unsigned char)s->text[at + 1] & 0xc0) == 0x80 &&
         ((unsigned char)s->text[at + 2] & 0xc0) == 0x80;
}

/* One of the characters of set stands at `at`. */
static bool stands(const struct scan *s, size_t at, const char *set) {
  if (at + CHARACTER > s->len) return false;
  for (const char *p = set; *p; p += CHARACTER)
    if (memcmp(s->text + at, p, CHARACTER) == 0) return true;
  return false;
}

static size_t digits_end(const struct scan *s, size_t at, unsigned most) {
  size_t end = at;
  while (is_digit(scan_byte(s, end)) && end - at <= most)
    end++;
  return end;
}

void match_military(struct scan *s, size_t start, size_t end) {
  size_t at = end;
  for (unsigned i = 0; i < 3 && (scan_byte(s, at) == ' ' || scan_byte(s, at) == ':'); i++)
    at++;
  for (unsigned i = 0; i < 5 && stands(s, at, "军士文兵义字第号码是为"); i++)
    at += CHARACTER;
  if (scan_byte(s, at) == ':' || scan_byte(s, at) == ' ') at++;
  size_t stop = digits_end(s, at, 9);
  if (s->len - stop < CHARACTER && !s->ended) {
    scan_wait(s, start);
    return;
  }
  size_t count = stop - at;
  if (count < 6 || count > 8 || is_alnum(scan_byte(s, stop))) return;
  if (stands(s, stop, "号")) stop += CHARACTER;
  scan_hit(s, DETECT_CN_MILITARY_ID, (struct hit_at){start, stop, start},
           (struct detect_finding){.score = 85});
}

static bool is_plate_byte(char c) {
  return is_digit(c) || (is_upper(c) && c != 'I' && c != 'O');
}

/* GA 36-2018: letter and five; new-energy: D or F (or their successors) first of six, or last. */
void match_plate(struct scan *s, size_t start, size_t end) {
  enum { LONGEST = 14 };
  char letter = scan_byte(s, end);
  if (end == s->len) {
    scan_wait(s, start);
    return;
  }
  if (!is_upper(letter) || letter == 'I') return;
  size_t at = end + 1;
  if (at + 2 > s->len) scan_wait(s, start);
  if (scan_byte(s, at) == (char)0xc2 && scan_byte(s, at + 1) == (char)0xb7)
    at += 2;
  else if (scan_byte(s, at) == '.' || scan_byte(s, at) == '-' || scan_byte(s, at) == ' ')
    at++;
  else if (scan_byte(s, at) == (char)0xe2 || scan_byte(s, at) == (char)0xe3)
    at += CHARACTER; /* • ・ */
  size_t stop = at;
  unsigned digits = 0;
  for (; stop < s->len && stop - at < 7 && is_plate_byte(s->text[stop]); stop++)
    digits += is_digit(s->text[stop]);
  if (s->len - start < LONGEST + CHARACTER && stop + CHARACTER > s->len && !s->ended) {
    scan_wait(s, start);
    return;
  }
  size_t count = stop - at;
  bool suffix = count == 4 && stands(s, stop, "警学挂港澳领使");
  if (suffix) stop += CHARACTER;
  if (stop == s->len && !s->ended) {
    scan_wait(s, start);
    return;
  }
  bool energy = count == 6 && (is_upper(s->text[at]) || is_upper(s->text[stop - 1])) && digits >= 4;
  if ((count != 5 && !suffix && !energy) || is_alnum(scan_byte(s, stop)) || digits < 2) return;
  if (count == 5 && digits < 3) return;
  bool context = scan_near(s, CONTEXT_PLATE, start);
  scan_hit(s, DETECT_CN_PLATE, (struct hit_at){start, stop, start},
           (struct detect_finding){.score = context ? 95 : 85, .context = context});
}

/* The hundred most frequent family names and those of two characters. */
static size_t family_name(const struct scan *s, size_t at) {
  static const char doubles[] =
      "欧阳上官司马诸葛司徒东方夏侯皇甫尉迟公孙慕容令狐长孙宇文独孤端木南宫西门";
  static const char singles[] =
      "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏"
      "吕丁任沈姚卢姜崔钟谭陆汪"
      "范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤";
  for (const char *p = doubles; *p; p += 2 * CHARACTER)
    if (at + 2 * CHARACTER <= s->len && memcmp(s->text + at, p, 2 * CHARACTER) == 0)
      return 2 * CHARACTER;
  return stands(s, at, singles) ? CHARACTER : 0;
}

void match_name(struct scan *s, size_t start, size_t end) {
  size_t at = end;
  for (unsigned i = 0;
       i < 3 && (scan_byte(s, at) == ' ' || scan_byte(s, at) == ':' || scan_byte(s, at) == '"');
       i++)
    at++;
  bool separated = at > end;
  if (stands(s, at, "是为叫")) at += CHARACTER, separated = true;
  if (scan_byte(s, at) == ':' || scan_byte(s, at) == ' ') at++;
  if (s->len - at < 5 * CHARACTER && !s->ended) {
    size_t rest = at;
    while (is_han(s, rest))
      rest += CHARACTER;
    if (s->len - rest < CHARACTER) {
      scan_wait(s, start);
      return;
    }
  }
  size_t family = family_name(s, at), stop = at + family;
  if (family == 0) return;
  for (unsigned i = 0; i < 2 && is_han(s, stop); i++) {
    if (stands(s, stop, "的是在来有和与也去说电手身住先女同性年今现毕从您你他她它我们经总要想可"))
      break;
    stop += CHARACTER;
  }
  if (stop == at + family) return;
  bool bounded = !is_han(s, stop);
  scan_hit(s, DETECT_CN_NAME, (struct hit_at){at, stop, start},
           (struct detect_finding){.score = separated && bounded ? 85 : 65, .context = true});
}

/* From 省, 市, 区 … over a street to its number: 北京市海淀区中关村大街27号. */
static size_t street_end(const struct scan *s, size_t at, bool *wait) {
  enum { LONGEST = 96 };
  size_t begin = at, end = 0;
  bool street = false;
  while (at - begin < LONGEST) {
    if (at + CHARACTER > s->len && !s->ended) {
      *wait = true;
      return 0;
    }
    char c = scan_byte(s, at);
    if (is_alnum(c) || c == '-') {
      at++;
    } else if (is_han(s, at)) {
      if (stands(s, at, "路街道巷弄里村镇桥园")) street = true;
      bool numbered = is_alnum(scan_before(s, at));
      if (numbered && street && stands(s, at, "号")) end = at + CHARACTER;
      if (numbered && end && stands(s, at, "栋楼室层幢座单元户")) end = at + CHARACTER;
      if (end && stands(s, at - CHARACTER < begin ? begin : at - CHARACTER, "单") &&
          stands(s, at, "元"))
        end = at + CHARACTER;
      if (end && at >= end + 2 * CHARACTER) break;
      at += CHARACTER;
    } else {
      break;
    }
  }
  return end;
}

static bool is_marker_near(const struct scan *s, size_t start) {
  size_t at = start;
  while (at >= CHARACTER && start - at < 8 * CHARACTER && is_han(s, at - CHARACTER)) {
    at -= CHARACTER;
    if (stands(s, at, "省市区县州盟旗")) return true;
  }
  return false;
}

void match_place(struct scan *s, size_t start, size_t end) {
  size_t first = start;
  bool wait = false;
  if (is_marker_near(s, start)) return; /* judged from the first of them */
  while (first >= CHARACTER && start - first < 3 * CHARACTER && is_han(s, first - CHARACTER) &&
         !stands(s, first - CHARACTER, "在于到址是为往从住的寄位"))
    first -= CHARACTER;
  if (first == start) return;
  size_t stop = street_end(s, end, &wait);
  if (wait) {
    scan_wait(s, first);
    return;
  }
  if (stop == 0) return;
  bool context = scan_near(s, CONTEXT_ADDRESS, first);
  scan_hit(s, DETECT_CN_ADDRESS, (struct hit_at){first, stop, first},
           (struct detect_finding){.score = context ? 95 : 80, .context = context});
}
