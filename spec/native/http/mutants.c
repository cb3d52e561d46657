/* Random damage to the wire cases (fixed seed): however the bytes are cut into packets, the server
 * must answer the same and hand over the same requests. */
#include "kit.h"

#include "wire_cases.h"

enum { MUTANTS = 4000 };

static uint64_t state = 20240229;

static size_t pick(size_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (size_t)(state % below);
}

static void damage(struct bytes *b) {
  static const char bytes[] = "\r\n \t:;,0aZ\0\x7f\xff/?%*-_";
  size_t at = pick(b->len);
  char byte = bytes[pick(sizeof bytes - 1)];
  if (pick(3) == 0) {
    b->data[at] = byte;
  } else if (pick(2)) {
    memmove(b->data + at, b->data + at + 1, b->len - at - 1);
    b->len--;
  } else {
    bytes_reserve(b, 1);
    memmove(b->data + at + 1, b->data + at, b->len - at);
    b->data[at] = byte;
    b->len++;
  }
}

struct verdict {
  char statuses[128];
  unsigned requests;
  bool is_ended;
};

static struct verdict judge(struct kit *kit, struct slice input, size_t step) {
  struct verdict v;
  struct bytes answers = {0};
  unsigned before = kit->requests;
  int fd = client_open(kit);
  while (input.len) {
    size_t count = input.len < step ? input.len : step;
    client_send(kit, fd, (struct slice){input.data, count});
    input = slice_skip(input, count);
  }
  shutdown(fd, SHUT_WR);
  v.is_ended = client_read_all(kit, fd, &answers);
  read_statuses(&answers, v.statuses, sizeof v.statuses);
  v.requests = kit->requests - before;
  close(fd);
  bytes_fini(&answers);
  return v;
}

static void compare(struct kit *kit, struct slice input, const char *name) {
  struct verdict whole = judge(kit, input, input.len), cut = judge(kit, input, 1 + pick(7));
  if (whole.is_ended && cut.is_ended && whole.requests == cut.requests &&
      strcmp(whole.statuses, cut.statuses) == 0)
    return;
  fprintf(stderr, "mutant of %s: whole \"%s\" (%u), cut \"%s\" (%u):\n%.*s\n", name, whole.statuses,
          whole.requests, cut.statuses, cut.requests, (int)input.len, input.data);
  checks_failed++;
}

int main(void) {
  static struct kit kit;
  size_t count = 0;
  kit_config(&kit.config);
  kit.config.limits.head_bytes = 4096;
  kit.config.limits.head_lines = 20;
  kit.config.limits.body_bytes = 1000;
  kit_start(&kit, false, NULL);
  while (wire_cases()[count].name)
    count++;
  for (int i = 0; i < MUTANTS && checks_failed < 5; i++) {
    const struct wire_case *w = &wire_cases()[pick(count)];
    struct bytes input = {0};
    if (w->len > 600 || w->len < 8) continue;
    bytes_append(&input, w->input, w->len);
    for (size_t n = 1 + pick(3); n; n--)
      damage(&input);
    bytes_append_text(&input, "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    compare(&kit, bytes_slice(&input), w->name);
    bytes_fini(&input);
  }
  kit_stop(&kit);
  return checks_end();
}
