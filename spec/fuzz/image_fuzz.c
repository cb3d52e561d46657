/* The beginning of an image in base64, as a client sends it: no more is read than there is, and no
 * image costs more than the dearest rule allows. */
#include "account/image.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "gpt-4.1-nano", "claude"};
  struct slice text = {(const char *)data, size};
  uint32_t width, height;
  bool found = image_size(text, &width, &height);
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    struct image_rule rule = image_rule_of(slice_of(models[i]), false);
    uint64_t high = image_tokens(&rule, width, height, false);
    must(!found || (width && height));
    must(high > 0 && high <= 2833 + 8 * 5667);
    must(image_tokens(&rule, width, height, true) <= high);
    (void)image_tokens_of_request(&rule, text);
  }
  return 0;
}
