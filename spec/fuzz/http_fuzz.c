/* A whole server behind a unix socket. The first byte is the size of the writes: cut so or whole,
 * the same requests are announced and answered. Where a request breaks two rules, such as a bad
 * byte in a target that is also too long, packets may decide which refusal it gets. */
#include "http/kit.h"

static struct kit *server(void) {
  static struct kit kit;
  static char path[64];
  if (kit.server) return &kit;
  kit_config(&kit.config);
  kit.config.limits.head_bytes = 2048;
  kit.config.limits.url_bytes = 256;
  kit.config.limits.head_lines = 16;
  kit.config.limits.body_bytes = 1024;
  kit.is_plain = true;
  snprintf(path, sizeof path, "/tmp/http-fuzz-%d.sock", (int)getpid());
  kit_start(&kit, false, path);
  return &kit;
}

static unsigned ask(struct kit *kit, struct slice input, size_t step, char statuses[128]) {
  struct bytes answers = {0};
  unsigned before = kit->requests;
  int fd = client_open(kit);
  while (input.len) {
    size_t count = input.len < step ? input.len : step;
    client_send(kit, fd, (struct slice){input.data, count});
    input = slice_skip(input, count);
  }
  shutdown(fd, SHUT_WR);
  must(client_read_all(kit, fd, &answers));
  read_statuses(&answers, statuses, 128);
  close(fd);
  kit_turn(kit);
  bytes_fini(&answers);
  return kit->requests - before;
}

static void forget_refusal(char *statuses) {
  for (; *statuses; statuses++)
    if (*statuses == '4' || *statuses == '5') memcpy(statuses, "xxx", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char whole[128], cut[128];
  if (size < 2 || size > 4096) return 0;
  struct slice input = {(const char *)data + 1, size - 1};
  unsigned announced = ask(server(), input, input.len, whole);
  must(announced == ask(server(), input, 1 + data[0] % 16, cut));
  forget_refusal(whole);
  forget_refusal(cut);
  must(strcmp(whole, cut) == 0);
  return 0;
}
