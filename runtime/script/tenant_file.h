/* tenant.lua of a bundle. It runs as gateyes.lua does, but sees no variables and secrets other than
 * the tenant's. */
#pragma once
#include "script/bundle.h"

/* The configuration of the tenant over base's, of which a reference is taken. A bundle without
 * tenant.lua has the operator's models and no policies. Every problem, in the order of lines; NULL
 * with them, unless all that is wrong are policies without a file: then the others can be loaded,
 * to see what is wrong with them. Any thread. */
struct config *tenant_config_load(struct config *base, struct slice tenant,
                                  const struct bundle *bundle, struct config_problems *problems);
