/* The scripts that models name as their strategy, ready for each worker. */
#include "load.h"
#include "script/strategies.h"

struct bundle *load_scripts(const struct config *config, struct config_problems *problems) {
  struct bundle *base = bundle_new_base(config->lua_path, problems);
  if (!base || !config->site_path.len) return base;
  struct bundle *site = bundle_read(config->site_path, base, problems);
  bundle_unref(base);
  return site;
}

static void add_lines(struct slice error, struct config_problems *problems) {
  while (error.len) {
    struct slice line = slice_cut(error, '\n', &error);
    if (line.len) config_problem(problems, "%.*s", (int)line.len, line.data);
  }
}

bool load_strategies(struct config *config, const struct policy_host *const *hosts, size_t count,
                     struct strategies **out, struct config_problems *problems) {
  struct bundle *bundle = NULL;
  if (strategies_are_wanted(config) && !(bundle = load_scripts(config, problems))) return false;
  struct bytes error;
  bytes_init(&error);
  size_t made = 0;
  bool fine = true;
  while (fine && made < count) {
    out[made] = strategies_new(config, bundle, hosts ? hosts[made] : NULL, &error);
    fine = out[made] != NULL;
    made += fine;
  }
  if (!fine) add_lines(bytes_slice(&error), problems);
  while (!fine && made > 0)
    strategies_unref(out[--made]);
  bytes_fini(&error);
  bundle_unref(bundle);
  return fine;
}
