/* From a configuration file to everything that must hold before it may serve. */
#pragma once
#include <uv.h>

#include "config/config.h"
#include "script/generation.h"

/* Reads, checks and builds the file, its certificate and the scripts it names. NULL: every problem
 * is in problems, one sentence each. Any thread. */
struct config *load_config(const char *path, struct config_problems *problems);
struct config_tree; /* script/config_file.h */

/* The same for a file that has been read, and left its problems in problems. */
struct config *load_config_tree(const struct config_tree *tree, const char *path,
                                struct config_problems *problems);
/* The same; but a file that is neither asked for nor there stands for one without any settings. */
struct config *load_config_or_none(const char *path, bool is_asked,
                                   struct config_problems *problems);
struct responses;
struct journals;

/* A fresh generation of an already loaded configuration; NULL and a problem when a script fails. */
struct generation *load_generation(const struct config *config, struct responses *responses,
                                   struct config_problems *problems);
struct strategies;
struct policy_host;

/* What ships, below the operator's own scripts; NULL and a problem when it cannot be read. */
struct bundle *load_scripts(const struct config *config, struct config_problems *problems);
/* The routing policies that models name, one set for each host (NULL: of a worker that nothing
 * waits in); false: problems, and nothing is left over. */
bool load_strategies(struct config *config, const struct policy_host *const *hosts, size_t count,
                     struct strategies **out, struct config_problems *problems);
struct responses *load_responses(
    const struct config *config); /* the store of /v1/responses, of its configured size */
struct bookkeeper;
struct retention;

/* The journal and the store of a configuration, on the loop of the keeper. *bookkeeper is NULL when
 * the configuration wants none, *journals then as well. False: a problem. */
bool load_bookkeeper(const struct config *config, uv_loop_t *loop, struct bookkeeper **bookkeeper,
                     struct journals **journals, struct config_problems *problems);
struct roles;

/* The roles that ship, the operator's, and those in the folders of tenants. Problems of the first
 * two mean NULL; what is wrong with a tenant's roles is told in tenant_problems (may be NULL), and
 * they allow nothing. */
struct roles *load_roles(const struct config *config, struct config_problems *problems,
                         struct config_problems *tenant_problems);
/* Changes when a file of a role does, or comes or goes; without reading them. */
void load_roles_survey(const struct config *config, uint8_t digest[SHA256_BYTES]);
/* The file of the store, for what lies beside it; empty when it is none. */
void load_store_file(const struct config *config, struct bytes *path);
struct store;

/* The store of a configuration, for commands; NULL and a sentence when it has none. */
struct store *load_store(const struct config *config, struct bytes *error);
struct retention load_retention(const struct config *config);
void load_print_problems(const struct config_problems *problems);
/* The configuration's path: given (may be NULL), else GATEYES_CONFIG, else "gateyes.lua". */
const char *load_path(const char *given);
bool load_path_is_asked(const char *given); /* it is one of the first two */
/* The path from --config PATH or --config=PATH, else load_path; NULL on any other word, which is
 * then named on standard error. */
const char *load_path_argument(int argc, char **argv);
