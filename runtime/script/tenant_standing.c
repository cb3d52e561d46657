#include "script/tenant_standing.h"

#include <stdlib.h>
#include <uv.h>

#include "base/ref.h"

struct tenant_standing {
  struct ref refs;
  uv_mutex_t lock;
  unsigned disabled;
  struct bytes reason;
};

struct tenant_standing *tenant_standing_new(void) {
  struct tenant_standing *s = must_calloc(1, sizeof *s);
  ref_init(&s->refs);
  must(uv_mutex_init(&s->lock) == 0);
  return s;
}

struct tenant_standing *tenant_standing_ref(struct tenant_standing *s) {
  ref_take(&s->refs);
  return s;
}

void tenant_standing_unref(struct tenant_standing *s) {
  if (!s || !ref_drop(&s->refs)) return;
  uv_mutex_destroy(&s->lock);
  bytes_fini(&s->reason);
  free(s);
}

void tenant_standing_disable(struct tenant_standing *s, struct slice reason) {
  uv_mutex_lock(&s->lock);
  s->disabled++;
  bytes_clear(&s->reason);
  bytes_append_slice(&s->reason, reason);
  uv_mutex_unlock(&s->lock);
}

unsigned tenant_standing_disabled(struct tenant_standing *s, struct bytes *reason) {
  if (!s) return 0;
  uv_mutex_lock(&s->lock);
  unsigned disabled = s->disabled;
  if (disabled) bytes_append_slice(reason, bytes_slice(&s->reason));
  uv_mutex_unlock(&s->lock);
  return disabled;
}
