/* What operators may ask about the scripts of tenants:
 *   GET  /admin/scripts                            all tenants
 *   GET  /admin/tenants/NAME/scripts               one of them; POST: a new generation
 *   GET  /admin/tenants/NAME/scripts/NUMBER        the files of one generation
 *   GET  /admin/tenants/NAME/scripts/differences   where the shadow decided differently
 *   POST /admin/tenants/NAME/scripts/ACTION        rollback, promote, canary, shadow, drop */
#pragma once
#include "base/bytes.h"

enum scripts_action {
  SCRIPTS_LIST,
  SCRIPTS_SHOW,        /* with a number: that generation's files */
  SCRIPTS_DIFFERENCES, /* of the shadow */
  SCRIPTS_PUSH,        /* body {"files":{…}}, and optionally "canary":{…} or "shadow":true */
  SCRIPTS_ROLLBACK,    /* body {"generation":n}: to that one; without: to what ran before */
  SCRIPTS_PROMOTE,     /* the canary or the shadow, or the generation */
  SCRIPTS_CANARY,      /* body {"generation":n,"percent":p,"keys":[…]} */
  SCRIPTS_SHADOW,      /* body {"generation":n} */
  SCRIPTS_DROP         /* the canary and the shadow */
};

struct scripts_question {
  enum scripts_action action;
  struct slice tenant;
  uint64_t number;   /* of a generation; 0: none was given */
  struct slice body; /* valid JSON, or empty */
};
