/* Small subcommands. Each takes its own name and words as argv and returns the exit status. */
#pragma once

int check_main(int argc, char **argv); /* gateyes check [tenants folder] [--config PATH] [--json] */
int health_main(
    int argc,
    char **argv); /* gateyes health [--config PATH]: asks /healthz of the running gateway */
/* gateyes test [path] [--config PATH] [--json | --tap]: a folder of tenants, a tenant, or a spec */
int try_main(int argc, char **argv); /* gateyes try POLICY.lua --request FILE: see command_try.c */
int test_main(int argc, char **argv);
int audit_main(int argc, char **argv);
int webhooks_main(int argc, char **argv); /* gateyes audit verify|list [--config PATH] [--json] */
int scripts_main(int argc, char **argv);  /* gateyes scripts: see its usage text */
/* gateyes prices import|list: see docs/limits.md */
int prices_main(int argc, char **argv);
/* gateyes keys, tenants, projects, users, roles, limits, usage, requests: see docs/admin.md */
int admin_main(int argc, char **argv);
