/* From a configuration file to everything that must hold before it may serve. */
#pragma once
#include "config/config.h"
#include "script/generation.h"

/* Reads, checks and builds the file, its certificate and the scripts it names. NULL: every problem
 * is in problems, one sentence each. Any thread. */
struct config *load_config(const char *path, struct config_problems *problems);
struct responses;

/* A fresh generation of an already loaded configuration; NULL and a problem when a script fails. */
struct generation *load_generation(const struct config *config, struct responses *responses,
                                   struct config_problems *problems);
struct responses *load_responses(
    const struct config *config); /* the store of /v1/responses, of its configured size */
void load_print_problems(const struct config_problems *problems);
/* The path from --config PATH or --config=PATH, "gateyes.lua" by default; NULL on any other word,
 * which is then named on standard error. */
const char *load_path_argument(int argc, char **argv);
