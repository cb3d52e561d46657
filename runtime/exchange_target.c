#include "exchange_state.h"
bool target_is_usable(const struct model_target *target, uint64_t now_ns) {
  (void)target;
  (void)now_ns;
  return true;
}
void target_begin(struct exchange *x, const struct model_target *target) {
  (void)x;
  (void)target;
}
void target_note_head(struct exchange *x, struct headers headers) {
  (void)x;
  (void)headers;
}
bool target_may_retry(struct exchange *x) {
  (void)x;
  return true;
}
void target_end(struct exchange *x, enum failure_kind kind) {
  (void)x;
  (void)kind;
}
