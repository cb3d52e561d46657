/* What the answers of the admin API hold, for its description. */
#include "admin/api.h"

static const enum entity_kind shown[] = {
    ENTITY_TENANT,      ENTITY_PROJECT,  ENTITY_USER,
    ENTITY_ROLE,        ENTITY_KEY,      ENTITY_LIMIT,
    ENTITY_SERVICE,     ENTITY_DELIVERY, ENTITY_SERVICE_VERSION,
    ENTITY_SUBSCRIPTION};

/* Of answers that are no rows: by the handler that gives them. */
static const struct {
  const char *handler, *schema;
  bool is_list;
} answers[] = {
    {"usage_show", "usage", false},     {"requests_list", "request", true},
    {"request_show", "request", false}, {"audit_rows", "audit", true},
    {"limits_use", "limit_use", true},  {"audit_check", "audit_report", false},
};

static void append_ref(struct bytes *out, const char *schema, bool is_list) {
  if (is_list)
    bytes_printf(out,
                 "{\"type\":\"object\",\"required\":[\"data\",\"has_more\",\"next_cursor\"],"
                 "\"properties\":{\"object\":{\"const\":\"list\"},\"data\":{\"type\":\"array\","
                 "\"items\":{\"$ref\":\"#/components/schemas/%s\"}},\"has_more\":{\"type\":"
                 "\"boolean\"},\"next_cursor\":{\"type\":[\"string\",\"null\"]}}}",
                 schema);
  else
    bytes_printf(out, "{\"$ref\":\"#/components/schemas/%s\"}", schema);
}

void schemas_append_answer(const struct admin_route *r, struct bytes *out) {
  bool is_ours = slice_starts(slice_of(r->path), SLICE("/admin/v1/"));
  bool removes = strcmp(r->name, "row_delete") == 0 || strcmp(r->name, "service_delete") == 0;
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
    if (strcmp(r->name, answers[i].handler) == 0) {
      append_ref(out, answers[i].schema, answers[i].is_list);
      return;
    }
  if (removes)
    append_ref(out, "deleted", false);
  else if (is_ours && r->kind != ENTITY_COUNT)
    append_ref(out, row_noun(r->kind), strcmp(r->name, "rows_list") == 0);
  else
    bytes_append_text(out, "{}");
}

static void append_row(enum entity_kind kind, struct bytes *out) {
  bytes_printf(out,
               "\"%s\":{\"type\":\"object\",\"required\":[\"object\",\"id\"],\"properties\":{"
               "\"object\":{\"const\":\"%s\"},\"id\":{\"type\":\"string\"},\"state\":{\"type\":"
               "[\"string\",\"null\"]},\"version\":{\"type\":\"integer\"},\"created_at\":{\"type\":"
               "\"string\",\"format\":\"date-time\"},\"updated_at\":{\"type\":\"string\","
               "\"format\":\"date-time\"}",
               row_noun(kind), row_noun(kind));
  fields_append_shown(kind, out);
  bytes_append_text(out, "}},");
}

static void append_request(struct bytes *out) {
  bytes_append_text(out,
                    "\"request\":{\"type\":\"object\",\"required\":[\"object\",\"request_id\"],"
                    "\"properties\":{\"object\":{\"const\":\"request\"},\"time\":{\"type\":"
                    "\"string\",\"format\":\"date-time\"}");
#define TEXT(tag, column, member) bytes_append_text(out, ",\"" #column "\":{\"type\":\"string\"}");
#define NUMBER(tag, column, member)                                                                \
  bytes_append_text(out, ",\"" #column "\":{\"type\":\"integer\",\"minimum\":0}");
#define JSON(tag, column, member)                                                                  \
  bytes_append_text(out, ",\"" #column "\":{\"type\":[\"array\",\"object\",\"null\"]}");
#include "model/ledger.def"
#undef TEXT
#undef NUMBER
#undef JSON
  static const char *const lists[] = {"steps", "candidates", "strategy_trace"};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    bytes_printf(out, ",\"%s\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\"}}",
                 lists[i]);
  bytes_append_text(out, "}},");
}

static const char figures[] = "requests failures unpriced input_tokens cache_read_tokens "
                              "cache_write_tokens output_tokens reasoning_tokens duration_us "
                              "cost_nanousd";

static const struct {
  const char *name, *texts, *numbers, *flags;
} plain[] = {
    {"used", "cost", figures, ""},
    {"audit", "object time tenant actor action target outcome peer request_id", "number", ""},
    {"audit_report", "object head", "rows first last broken_at", "ok"},
    {"limit_use", "object limit scope kind window currency resets_at",
     "amount used reserved amount_nanousd used_nanousd reserved_nanousd reset_ms", "soft"},
    {"deleted", "object id", "", "deleted"},
};

static void append_members(struct bytes *out, const char *names, const char *type) {
  for (struct slice rest = slice_of(names); rest.len;) {
    struct slice name = slice_cut(rest, ' ', &rest);
    bytes_printf(out, "%s\"%.*s\":{\"type\":\"%s\"}", out->data[out->len - 1] == '{' ? "" : ",",
                 (int)name.len, name.data, type);
  }
}

static void append_usage(struct bytes *out) {
  static const char used[] = "{\"$ref\":\"#/components/schemas/used\"}";
  bytes_printf(out,
               "\"usage\":{\"type\":\"object\",\"required\":[\"total\",\"data\"],\"properties\":{"
               "\"object\":{\"const\":\"usage\"},\"currency\":{\"type\":\"string\"},\"total\":%s,"
               "\"data\":{\"type\":\"array\",\"items\":%s}}},",
               used, used);
}

void schemas_append_components(struct bytes *out) {
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
    append_row(shown[i], out);
  append_request(out);
  append_usage(out);
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
    bytes_printf(out, "\"%s\":{\"type\":\"object\",\"properties\":{", plain[i].name);
    append_members(out, plain[i].texts, "string");
    append_members(out, plain[i].numbers, "integer");
    append_members(out, plain[i].flags, "boolean");
    bytes_append_text(out, "}},");
  }
}
