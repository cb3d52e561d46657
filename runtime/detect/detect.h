/* Finds identifiers, secrets and listed words in text. Rules are compiled once, immutable and
 * shared by threads. A scan is one pass over the text; its time is linear in the length of the
 * text, whatever the text.
 *
 * Text is read as people write around filters: full-width letters and digits, characters without
 * width, soft hyphens, JSON escapes, one layer of percent signs or base64. Offsets and lengths
 * always mean bytes of the text that was given. */
#pragma once
#include "base/bytes.h"
#include "detect/kind.h"

/* Words of one's own. A finding of it has the kind DETECT_KEYWORD and the list's name as rule.
 * Letters match without regard to case, width and invisible characters. */
struct detect_list {
  struct slice name;
  const struct slice *words;
  size_t word_count;
  /* Longer phrases in which a word means no harm: "kill process" for the word "kill". */
  const struct slice *exceptions;
  size_t exception_count;
  /* If any: a word counts only when one of these stands at most DETECT_NEAR_BYTES before or after
   * it; the finding is the later of the two. */
  const struct slice *partners;
  size_t partner_count;
  bool parts; /* also inside longer words; scripts without spaces never need it */
};

enum { DETECT_NEAR_BYTES = 80, DETECT_WORD_BYTES_MAX = 256 };

struct detect_options {
  struct detect_kinds kinds;
  const struct detect_list *lists;
  size_t list_count;
  /* Values that are never findings: exact, without regard to case; "@example.com" stands for every
   * address there. */
  const struct slice *allowed;
  size_t allowed_count;
  bool ignore_test_numbers; /* card numbers that payment companies publish for tests */
  uint8_t min_score;        /* 0: DETECT_SCORE_DEFAULT */
};

enum { DETECT_SCORE_DEFAULT = 60 };

struct detect_finding {
  enum detect_kind kind;
  const char
      *rule; /* "github_token", a list's name, else the kind's name; lives as long as the rules */
  size_t offset, length; /* bytes of the text that was given */
  uint8_t score;         /* 0 to 100: how sure */
  bool validated;        /* a check digit, checksum or structure proved it */
  bool context;          /* a word nearby said so */
  bool cut;              /* a part of the value: the rest stands in another text, or is gone */
  bool decoded;          /* stood inside base64: offset and length cover the encoded bytes */
};

/* In the order of their offsets. Findings may overlap: a number can be two things. */
struct detect_findings {
  struct detect_finding *items;
  size_t count, cap;
  bool truncated; /* there were more than DETECT_FINDINGS_MAX */
};

enum { DETECT_FINDINGS_MAX = 10000 };

void detect_findings_init(struct detect_findings *list);
void detect_findings_fini(struct detect_findings *list);
void detect_findings_add(struct detect_findings *list, struct detect_finding finding);
void detect_findings_clear(struct detect_findings *list); /* keeps the memory */

struct detect_rules;

/* Copies what it needs. A word over DETECT_WORD_BYTES_MAX or empty: NULL, with the sentence in
 * problem. */
struct detect_rules *detect_rules_new(const struct detect_options *options,
                                      struct bytes *problem) MUST_CHECK;
struct detect_rules *detect_rules_ref(struct detect_rules *rules);
void detect_rules_unref(struct detect_rules *rules);

/* One scan for several rules: rules that find all that each of these finds, to be followed by
 * detect_select. false: other's findings cannot be told from those of shared, since it has lists or
 * allowed values of its own, or other bounds. */
bool detect_rules_cover(const struct detect_rules *shared, const struct detect_rules *other);
/* Appends those findings of detect_scan(shared, …) that detect_scan(rules, …) gives. */
void detect_select(const struct detect_rules *rules, const struct detect_findings *found,
                   struct detect_findings *out);
struct detect_kinds detect_rules_kinds(const struct detect_rules *rules);
uint8_t detect_rules_min_score(const struct detect_rules *rules);

/* Appends the findings of a whole text. */
void detect_scan(const struct detect_rules *rules, struct slice text, struct detect_findings *out);

/* Text that arrives in pieces: the findings are those of detect_scan on the whole, however it is
 * cut. */
struct detect_stream;

struct detect_stream *detect_stream_new(const struct detect_rules *rules); /* borrows the rules */
void detect_stream_free(struct detect_stream *stream);

/* Appends the findings that became certain; offsets count from the first byte ever fed. Returns how
 * many bytes of the whole are settled: every finding that begins before is out. The bytes after it
 * are the longest prefix of something that may still become a finding; hold them back, they are at
 * most DETECT_HOLD_BYTES_MAX. A finding may reach beyond what is settled. */
size_t detect_stream_feed(struct detect_stream *stream, struct slice piece,
                          struct detect_findings *out);
/* The text ended (or an error ends it): settles the rest. Afterwards the stream is as new. */
size_t detect_stream_finish(struct detect_stream *stream, struct detect_findings *out);

/* Private keys and tokens whose beginning is proven are held whole up to this; anything else is
 * settled after a few hundred bytes. */
enum { DETECT_HOLD_BYTES_MAX = 64 * 1024 };
