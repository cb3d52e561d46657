#include "base/json.h"
#include "tokenizer/tokenizer_json.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define PREFIX "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACE_TAIL "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CASED(suffix) PREFIX UPPER "*" LOWER "+" suffix "|" PREFIX UPPER "+" LOWER "*" suffix
#define SIGNS "| ?[^\\s\\p{L}\\p{N}]+"

struct known_pattern {
  const char *regex;
  struct split split;
  bool is_partial; /* it leaves gaps, which are pieces too */
};

/* The patterns of known families, letter for letter as their files have them. */
static const struct known_pattern patterns[] = {
    /* Llama 3 */
    {CONTRACTIONS "|" PREFIX "\\p{L}+|\\p{N}{1,3}" SIGNS "[\\r\\n]*" SPACE_TAIL,
     {SPLIT_CL100K, 3, false, false},
     false},
    /* Qwen 2 and 3 */
    {CONTRACTIONS "|" PREFIX "\\p{L}+|\\p{N}" SIGNS "[\\r\\n]*" SPACE_TAIL,
     {SPLIT_CL100K, 1, false, false},
     false},
    /* Tekken: Mistral Nemo and later */
    {CASED("") "|\\p{N}" SIGNS "[\\r\\n/]*" SPACE_TAIL, {SPLIT_O200K, 1, false, false}, false},
    {CASED("") "|\\p{N}{1,3}" SIGNS "[\\r\\n/]*" SPACE_TAIL, {SPLIT_O200K, 3, false, false}, false},
    /* gpt-oss */
    {CASED(CONTRACTIONS "?") "|\\p{N}{1,3}" SIGNS "[\\r\\n/]*" SPACE_TAIL,
     {SPLIT_O200K, 3, true, false},
     false},
    /* GPT-2 and its like */
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+" SIGNS "|\\s+(?!\\S)|\\s+",
     {SPLIT_GPT2, 0, false, false},
     false},
    /* DeepSeek V2 and V3, in three steps */
    {"\\p{N}{1,3}", {SPLIT_NUMBERS, 3, false, false}, true},
    {"[一-龥\xe3\x81\x80-ゟ゠-ヿ]+", {SPLIT_IDEOGRAPHS, 0, false, false}, true},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{"
     "M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" SPACE_TAIL,
     {SPLIT_DEEPSEEK, 0, false, false},
     true},
};

/* Some files write line ends into their patterns, others their escapes. */
static struct slice escape_line_ends(struct json_reading *r, struct slice regex) {
  struct bytes out;
  bytes_init(&out);
  for (size_t i = 0; i < regex.len; i++) {
    char c = regex.data[i];
    if (c == '\r' || c == '\n')
      bytes_append_text(&out, c == '\r' ? "\\r" : "\\n");
    else
      bytes_append_byte(&out, c);
  }
  struct slice kept = arena_slice(&r->t->arena, bytes_slice(&out));
  bytes_fini(&out);
  return kept;
}

static bool add_split(struct json_reading *r, struct split split) {
  if (r->t->split_count == TOKENIZER_SPLITS)
    return json_refuse(r, "it has more than %d steps in pre_tokenizer", TOKENIZER_SPLITS);
  r->t->splits[r->t->split_count++] = split;
  return true;
}

static bool read_split(struct json_reading *r, struct slice value) {
  struct slice regex =
      escape_line_ends(r, json_arena_text(r, json_find_path(value, "pattern.Regex")));
  struct slice behavior = json_arena_text(r, json_find(value, "behavior"));
  bool keeps_matches =
      slice_equal_text(behavior, "Removed") && json_is_true(json_find(value, "invert"));
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
    if (!slice_equal_text(regex, patterns[i].regex)) continue;
    if (slice_equal_text(behavior, "Isolated") || (keeps_matches && !patterns[i].is_partial))
      return add_split(r, patterns[i].split);
  }
  return json_refuse(r, "its pre_tokenizer splits by a pattern that is not known here: %.*s",
                     (int)regex.len, regex.data);
}

static bool read_byte_level(struct json_reading *r, struct slice value) {
  r->is_byte_level = true;
  if (json_is_true(json_find(value, "add_prefix_space"))) {
    if (r->t->split_count || r->t->prepend.len)
      return json_refuse(r, "add_prefix_space is known only where ByteLevel comes first");
    r->t->prepend = SLICE(" ");
    r->t->prepend_unless_there = true;
  }
  struct slice use_regex = json_find(value, "use_regex");
  if (use_regex.data && !json_is_true(use_regex)) return true;
  return add_split(r, (struct split){.kind = SPLIT_GPT2});
}

static bool add_replacement(struct json_reading *r, struct slice from, struct slice to) {
  if (r->t->replacement_count == TOKENIZER_REPLACEMENTS || !from.len)
    return json_refuse(r, "its normalizer replaces by a pattern, or too much");
  r->t->replacements[r->t->replacement_count++] = (struct replacement){from, to};
  return true;
}

static bool read_metaspace(struct json_reading *r, struct slice value) {
  struct slice mark = json_arena_text(r, json_find(value, "replacement"));
  struct slice scheme = json_arena_text(r, json_find(value, "prepend_scheme"));
  struct slice split = json_find(value, "split"), older = json_find(value, "add_prefix_space");
  if (r->t->split_count || r->t->prepend.len || !slice_equal_text(mark, "\xe2\x96\x81"))
    return json_refuse(r, "Metaspace is known only alone and with U+2581");
  bool prepends = scheme.len ? !slice_equal_text(scheme, "never") : json_is_true(older);
  if (prepends) r->t->prepend = mark;
  r->t->prepend_first = slice_equal_text(scheme, "first");
  r->t->prepend_unless_there = true;
  if (!add_replacement(r, SLICE(" "), mark)) return false;
  if (split.data && !json_is_true(split)) return true;
  return add_split(r, (struct split){.kind = SPLIT_EACH_MARK});
}

static bool read_digits(struct json_reading *r, struct slice value) {
  bool single = json_is_true(json_find(value, "individual_digits"));
  return add_split(r, (struct split){.kind = SPLIT_NUMBERS, .number_max = single});
}

static bool read_pre_tokenizer_one(struct json_reading *r, struct slice value) {
  static const struct {
    const char *type;
    bool (*read)(struct json_reading *r, struct slice value);
  } types[] = {{"Split", read_split},
               {"ByteLevel", read_byte_level},
               {"Metaspace", read_metaspace},
               {"Digits", read_digits}};
  struct slice type = json_arena_text(r, json_find(value, "type"));
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (slice_equal_text(type, types[i].type)) return types[i].read(r, value);
  return json_refuse(r, "its pre_tokenizer %.*s is not known here", (int)type.len, type.data);
}

static bool read_normalizer_one(struct json_reading *r, struct slice value) {
  struct slice type = json_arena_text(r, json_find(value, "type"));
  if (slice_equal_text(type, "NFC")) {
    r->t->nfc = true;
    return true;
  }
  if (slice_equal_text(type, "Prepend")) {
    r->t->prepend = json_arena_text(r, json_find(value, "prepend"));
    return true;
  }
  if (slice_equal_text(type, "Replace"))
    return add_replacement(r, json_arena_text(r, json_find_path(value, "pattern.String")),
                           json_arena_text(r, json_find(value, "content")));
  return json_refuse(r, "its normalizer %.*s is not known here", (int)type.len, type.data);
}

/* One, none (null), or a list of them. */
static bool read_stages(struct json_reading *r, struct slice value, const char *list,
                        bool (*read)(struct json_reading *r, struct slice value)) {
  if (json_type(value) != JSON_OBJECT) return true;
  if (!slice_equal_text(json_arena_text(r, json_find(value, "type")), "Sequence"))
    return read(r, value);
  for (struct json_walk w = json_walk_of(json_find(value, list)); json_walk_next(&w);)
    if (!read(r, w.value)) return false;
  return true;
}

bool json_read_normalizer(struct json_reading *r, struct slice value) {
  return read_stages(r, value, "normalizers", read_normalizer_one);
}

bool json_read_pre_tokenizer(struct json_reading *r, struct slice value) {
  return read_stages(r, value, "pretokenizers", read_pre_tokenizer_one);
}
