/* Finds the subcommand; each one parses its own words. Exit status: 0 done, 1 refused or failed,
 * 2 wrong usage. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/commands.h"
#include "mock/mock.h"
#include "server/server.h"

struct command {
  const char *name;
  int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
  const char *help;
};

static int print_version(int argc, char **argv);
static int print_help(int argc, char **argv);

static const struct command commands[] = {
    {"serve", server_main, "run the gateway"},
    {"check", check_main, "check a configuration and say everything that is wrong with it"},
    {"health", health_main, "ask the running gateway whether it is alive"},
    {"try", try_main, "show what a policy makes of a request"},
    {"test", test_main, "run the specs of tenants' scripts"},
    {"audit", audit_main, "show the log of who changed what, or verify that it is whole"},
    {"scripts", scripts_main, "list, push, compare and roll back tenants' scripts"},
    {"keys", admin_main, "make, list, block, rotate and revoke keys"},
    {"tenants", admin_main, "manage tenants"},
    {"projects", admin_main, "manage tenants' projects"},
    {"users", admin_main, "manage tenants' users"},
    {"roles", admin_main, "manage roles made at run time"},
    {"limits", admin_main, "manage limits and budgets, and show what is used of them"},
    {"services", admin_main, "publish models under a name, try and roll back their versions"},
    {"service-versions", admin_main, "write and stage versions of services"},
    {"subscriptions", admin_main, "ask for services, and grant them"},
    {"usage", admin_main, "show what was used and what it cost"},
    {"requests", admin_main, "search requests, or show the whole trace of one"},
    {"webhooks", webhooks_main, "list what webhooks were sent, and try it again"},
    {"prices", prices_main, "take prices from a list, keeping every version"},
    {"mock", mock_main, "run a scripted upstream for tests and benches"},
    {"version", print_version, "print the version"},
    {"help", print_help, "print this list"},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void list_commands(FILE *out) {
  fprintf(out, "usage: gateyes <command> [options]\n\n");
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    fprintf(out, "  %-16s %s\n", commands[i].name, commands[i].help);
  }
}

static int print_version(int argc, char **argv) {
  if (argc > 1) {
    fprintf(stderr, "gateyes %s takes no options\n", argv[0]);
    return 2;
  }
  printf("gateyes %s\n", GATEYES_VERSION);
  return 0;
}

static int print_help(int argc, char **argv) {
  (void)argc, (void)argv;
  list_commands(stdout);
  return 0;
}

static const struct command *find_command(const char *name) {
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
  if (strcmp(name, "--version") == 0) name = "version";
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  }
  return NULL;
}

/* Started with one of them closed, the next file or socket would get its number, and what is meant
 * for standard error would be written into it. */
static void keep_standard_files(void) {
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO)
    fd = open("/dev/null", O_RDWR);
  if (fd >= 0) close(fd);
}

int main(int argc, char **argv) {
  keep_standard_files();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not the end */
  const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;
  if (command) return command->run(argc - 1, argv + 1);
  if (argc > 1) fprintf(stderr, "gateyes: no command named %s\n", argv[1]);
  list_commands(stderr);
  return 2;
}
