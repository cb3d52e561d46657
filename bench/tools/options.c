#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { HEADERS_BYTES = 4096, BODY_MAX = 64 << 20 };

static const char usage[] =
    "usage: load --port N --path P --body FILE [--header 'K: V']... [--connections N] [--rate N]\n"
    "            [--seconds S] [--warm S] [--chunks N] [--pids N,N] [--requests N]\n"
    "            [--hold idle|open|stalled]\n"
    "\n"
    "Without --rate every connection sends again when it was answered. With it requests are due "
    "at\n"
    "random moments, and latency counts from the moment one was due. --chunks: answers are "
    "streams\n"
    "of so many chunks. --hold: only open connections, keep them as told, and compare memory.\n";

static void fail(void) {
  fputs(usage, stderr);
  exit(2);
}

static char *read_file(const char *name, size_t *len) {
  FILE *file = fopen(name, "r");
  char *text = malloc(BODY_MAX);
  if (!file || !text) {
    perror(name);
    exit(2);
  }
  *len = fread(text, 1, BODY_MAX, file);
  fclose(file);
  return text;
}

static enum hold hold_of(const char *name) {
  static const char *const names[] = {"", "idle", "open", "stalled"};
  for (int i = HOLD_IDLE; i <= HOLD_STALLED; i++)
    if (strcmp(name, names[i]) == 0) return (enum hold)i;
  fail();
  return HOLD_NONE;
}

static void build_request(struct options *o, const char *path, const char *file,
                          const char *headers) {
  size_t len, room;
  char *body = read_file(file, &len);
  room = strlen(path) + strlen(headers) + len + 256;
  o->request = malloc(room);
  if (!o->request) abort();
  int head = snprintf(o->request, room,
                      "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: load\r\n"
                      "Accept: */*\r\nContent-Type: application/json\r\n%sContent-Length: %zu"
                      "\r\n\r\n",
                      path, o->port, headers, len);
  memcpy(o->request + head, body, len);
  o->request_len = (size_t)head + len;
  free(body);
}

void options_parse(struct options *o, int argc, char **argv) {
  static const struct option names[] = {
      {"port", 1, 0, 'p'},   {"path", 1, 0, 'u'},        {"body", 1, 0, 'b'},
      {"header", 1, 0, 'H'}, {"rate", 1, 0, 'r'},        {"seconds", 1, 0, 's'},
      {"warm", 1, 0, 'w'},   {"connections", 1, 0, 'c'}, {"chunks", 1, 0, 'n'},
      {"pids", 1, 0, 'P'},   {"hold", 1, 0, 'h'},        {"requests", 1, 0, 'N'},
      {0, 0, 0, 0}};
  char headers[HEADERS_BYTES] = "";
  const char *path = NULL, *body = NULL;
  *o = (struct options){.connections = 64, .seconds = 3, .warm_seconds = 0.5};
  for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
    switch (c) {
    case 'p': o->port = atoi(optarg); break;
    case 'u': path = optarg; break;
    case 'b': body = optarg; break;
    case 'H':
      if (strlen(headers) + strlen(optarg) + 3 > sizeof headers) fail();
      strcat(strcat(headers, optarg), "\r\n");
      break;
    case 'r': o->rate = atof(optarg); break;
    case 's': o->seconds = atof(optarg); break;
    case 'w': o->warm_seconds = atof(optarg); break;
    case 'c': o->connections = (size_t)atoi(optarg); break;
    case 'n': o->chunks = (unsigned)atoi(optarg); break;
    case 'P': processes_parse(&o->processes, optarg); break;
    case 'N': o->requests = (size_t)atoi(optarg); break;
    case 'h': o->hold = hold_of(optarg); break;
    default: fail();
    }
  if (!o->port || !path || !body || !o->connections || o->rate < 0 || optind < argc) fail();
  build_request(o, path, body, headers);
}
