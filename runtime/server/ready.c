#include "server/ready.h"

#include "base/clock.h"
#include "upstream/health.h"

static bool is_usable(const struct model *model, struct health *health) {
  uint64_t now_ms = clock_mono_ns() / 1000000u;
  for (size_t i = 0; i < model->target_count; i++) {
    const struct model_target *target = &model->targets[i];
    if (health_usable(health_target_get(health, target->provider->name, target->model), now_ms))
      return true;
  }
  return false;
}

void server_ready(const struct config *config, struct health *health, const struct server_ledger *l,
                  struct bytes *problems) {
  if (!server_ledger_is_usable(l))
    bytes_append_text(problems, "the ledger cannot record what requests cost, so they are refused "
                                "(ledger_unavailable); make room on its disk\n");
  for (size_t i = 0; i < config->model_count; i++)
    if (!is_usable(&config->models[i], health))
      bytes_printf(problems, "model %.*s has no usable target\n", (int)config->models[i].name.len,
                   config->models[i].name.data);
}
