/* Small subcommands. Each takes its own name and words as argv and returns the exit status. */
#pragma once

int check_main(int argc, char **argv);  /* gateyes check [PATH] [--config PATH] [--json] */
int health_main(int argc, char **argv); /* gateyes health [--config PATH]: /healthz, please */
int try_main(int argc, char **argv);    /* gateyes try POLICY.lua --request FILE */
int test_main(int argc, char **argv);   /* gateyes test [PATH] [--config PATH] [--output NAME] */
int audit_main(int argc, char **argv);  /* gateyes audit verify|list [--config PATH] [--json] */
int webhooks_main(int argc, char **argv);
int scripts_main(int argc, char **argv); /* see its usage text */
int prices_main(int argc, char **argv);  /* gateyes prices import|list: see docs/limits.md */
/* gateyes keys, tenants, projects, users, roles, limits, usage, requests: see docs/admin.md */
int admin_main(int argc, char **argv);
