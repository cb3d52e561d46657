/* docs/detection.md is made from the tables of kinds and tokens. With --write, this program writes
 * it. */
#include "check.h"
#include "detect/kind.h"
#include "detect/secrets.h"

static const char page[] = DOCS "/detection.md";

static const char opening[] =
    "# Detection\n\n"
    "Gateyes finds personal identifiers, secrets and words of your own lists in requests and "
    "replies. It needs no model: "
    "one pass over the text, then the check digits and checksums of each standard. This page is "
    "made from the tables that "
    "the code uses.\n\n"
    "- **How text is read.** Full-width and foreign digits, letters of formulas and in "
    "circles, invisible characters, soft hyphens, zero bytes, JSON escapes (`\\u0031`) "
    "and percent signs are resolved first; a run of base64 of 16 letters or more that holds text "
    "is decoded, one layer "
    "deep. Capital and small letters are the same in words of lists. Between the groups of a "
    "number may be one space, dash, dot or slash, of any kind. Digits as superscripts, in circles "
    "or as Chinese numerals, entities of HTML, and numbers that lie in several lines or columns "
    "are not put together: lists and footnotes are full of them. Offsets are always "
    "those of the bytes you sent.\n"
    "- **Scores.** 0 to 100. Below 60 a finding is not reported unless you ask for it. Numbers "
    "that are common by chance "
    "count only with a word nearby (\"routing number\", \"卡号\"), at most 80 bytes before.\n"
    "- **Streams.** The same text gives the same findings however it is cut. What may still become "
    "a finding is held back: "
    "usually the last word, and up to 64 KB inside a private key or token whose beginning is "
    "certain.\n"
    "- **Names.** Rules take a kind, a group (the headings below), `pii` (all but network, secrets "
    "and keywords) or `all`.\n"
    "- **Time.** Linear in the length of the text, whatever the text: `bench/detect` measures it, "
    "with all rules on.\n"
    "- **Not looked at.** Pictures, sound and binary files are reported as unscanned.\n";

static void kinds_print(struct bytes *out) {
  for (unsigned group = 0; group < DETECT_GROUPS; group++) {
    bytes_printf(out, "\n## %s\n\n| Kind | How it is told from other text |\n|---|---|\n",
                 detect_group_name((enum detect_group)group));
    for (unsigned kind = 0; kind < DETECT_KINDS; kind++)
      if (detect_kind_group((enum detect_kind)kind) == (enum detect_group)group)
        bytes_printf(out, "| `%s` | %s |\n", detect_kind_name((enum detect_kind)kind),
                     detect_kind_validator((enum detect_kind)kind));
  }
}

static void tokens_print(struct bytes *out) {
  bytes_append_text(
      out, "\n## Tokens\n\nFindings of `secret_token` carry one of these names as rule:\n");
  for (size_t i = 0; i < secrets_count(); i++)
    if (i == 0 || strcmp(secrets_name(i), secrets_name(i - 1)) != 0)
      bytes_printf(out, "%s`%s`", i ? ", " : "", secrets_name(i));
  bytes_append_text(out, ".\n");
}

static void page_make(struct bytes *out) {
  bytes_append_text(out, opening);
  kinds_print(out);
  tokens_print(out);
}

static void page_write(void) {
  struct bytes made;
  bytes_init(&made);
  page_make(&made);
  FILE *f = fopen(page, "w");
  CHECK(f && fwrite(made.data, 1, made.len, f) == made.len && fclose(f) == 0);
  bytes_fini(&made);
}

static void test_page(void) {
  struct bytes made, read;
  bytes_init(&made);
  bytes_init(&read);
  page_make(&made);
  FILE *f = fopen(page, "r");
  CHECK(f != NULL);
  for (size_t got = 1; f && got > 0; read.len += got)
    got = fread(bytes_reserve(&read, 4096), 1, 4096, f);
  if (f) fclose(f);
  if (!slice_equal(bytes_slice(&made), bytes_slice(&read))) {
    fprintf(stderr, "docs/detection.md is old: run native_detect_reference --write\n");
    checks_failed++;
  }
  bytes_fini(&made);
  bytes_fini(&read);
}

static void test_names(void) {
  struct detect_kinds set = {0};
  CHECK(secrets_count() >= 120);
  CHECK(!detect_kinds_add(&set, SLICE("nothing")));
  CHECK(detect_kinds_add(&set, SLICE("pii")));
  CHECK(detect_kinds_has(&set, DETECT_EMAIL) && !detect_kinds_has(&set, DETECT_JWT));
  CHECK(detect_kinds_add(&set, SLICE("secrets")) && detect_kinds_has(&set, DETECT_JWT));
  for (unsigned kind = 0; kind < DETECT_KINDS; kind++) {
    struct detect_kinds one = {0};
    CHECK(detect_kinds_add(&one, slice_of(detect_kind_name((enum detect_kind)kind))));
    CHECK(detect_kinds_has(&one, (enum detect_kind)kind));
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--write") == 0) page_write();
  test_page();
  test_names();
  return checks_end();
}
