#include "mock/mock.h"

#include <stdio.h>
#include <string.h>

#include "mock/server.h"
#include "script/mock_state.h"

enum { ADDRESS_MAX = 64 };

struct options {
  const char *addresses[ADDRESS_MAX];
  struct mock_listen listen;
  struct mock_settings settings;
  const char *tls_fault;
};

static const char usage[] =
    "usage: gateyes mock [--listen host:port]... [--tls-certificate file --tls-key file]\n"
    "                    [--tls-fault stall|reset|old]\n"
    "                    [--knobs \"key=value;...\"] [--scenario file.lua]\n";

static int refuse(const char *why, const char *what) {
  fprintf(stderr, "gateyes mock: %s %s\n%s", why, what, usage);
  return 2;
}

static const char **find_option(struct options *o, const char *name) {
  if (strcmp(name, "--tls-certificate") == 0) return &o->listen.certificate;
  if (strcmp(name, "--tls-key") == 0) return &o->listen.key;
  if (strcmp(name, "--tls-fault") == 0) return &o->tls_fault;
  if (strcmp(name, "--knobs") == 0) return &o->settings.knobs;
  if (strcmp(name, "--scenario") == 0) return &o->settings.scenario;
  if (strcmp(name, "--listen") == 0 && o->listen.address_count < ADDRESS_MAX) {
    return &o->addresses[o->listen.address_count++];
  }
  return NULL;
}

static bool read_fault(struct options *o) {
  static const char *const names[] = {
      [MOCK_TLS_STALL] = "stall", [MOCK_TLS_RESET] = "reset", [MOCK_TLS_OLD] = "old"};
  for (int i = MOCK_TLS_STALL; o->tls_fault && i <= MOCK_TLS_OLD; i++)
    if (strcmp(o->tls_fault, names[i]) == 0) o->listen.tls_fault = (enum mock_tls_fault)i;
  return !o->tls_fault || (o->listen.tls_fault != MOCK_TLS_RIGHT && o->listen.certificate);
}

static int parse(struct options *o, int argc, char **argv) {
  o->listen.addresses = o->addresses;
  for (int i = 1; i < argc; i += 2) {
    const char **value = find_option(o, argv[i]);
    if (!value) return refuse("no option named", argv[i]);
    if (i + 1 == argc) return refuse("a value must follow", argv[i]);
    *value = argv[i + 1];
  }
  if (!o->listen.certificate != !o->listen.key) {
    return refuse("a certificate needs a key, and a key a certificate:", "--tls-key");
  }
  if (!read_fault(o)) return refuse("stall, reset or old, beside a certificate:", "--tls-fault");
  if (!o->listen.address_count) o->addresses[o->listen.address_count++] = "127.0.0.1:9100";
  return 0;
}

int mock_main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    fputs(usage, stdout);
    return 0;
  }
  struct options o = {0};
  int status = parse(&o, argc, argv);
  if (status) return status;
  struct bytes problem;
  bytes_init(&problem);
  struct mock_state *state = mock_state_new(&o.settings, &problem);
  if (!state) fprintf(stderr, "gateyes mock: %s\n", bytes_text(&problem));
  bytes_fini(&problem);
  return state ? mock_server_run(state, &o.listen) : 1;
}
