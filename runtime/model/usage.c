#include "model/usage.h"

static const char *const names[SERVICE_TIERS] = {"standard", "flex", "priority", "batch", "scale"};

const char *service_tier_name(enum service_tier tier) {
  return names[tier];
}

int service_tier_find(struct slice name) {
  for (int i = 0; i < SERVICE_TIERS; i++)
    if (slice_equal_text(name, names[i])) return i;
  bool is_usual = slice_equal_text(name, "default") || slice_equal_text(name, "on_demand") ||
                  slice_equal_text(name, "auto");
  return is_usual ? SERVICE_STANDARD : -1;
}
