/* Raw requests and what must come back, each sent whole, in two parts cut at every byte, and byte
 * by byte. A case that leaves the connection usable is followed by a last request on it. */
#include "kit.h"

#include "wire_cases.h"

static const char last_request[] = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

static void run_case(struct kit *kit, const struct wire_case *w, size_t cut, bool is_bytewise) {
  struct bytes input = {0}, answers = {0};
  char got[128];
  bytes_append(&input, w->input, w->len);
  if (w->is_open) bytes_append_text(&input, last_request);
  struct slice rest = bytes_slice(&input);
  int fd = client_open(kit);
  if (cut) client_send(kit, fd, (struct slice){rest.data, cut});
  if (cut) kit_turn(kit);
  rest = slice_skip(rest, cut);
  for (; is_bytewise && rest.len; rest = slice_skip(rest, 1))
    client_send(kit, fd, (struct slice){rest.data, 1});
  client_send(kit, fd, rest);
  if (w->is_partial) shutdown(fd, SHUT_WR);
  bool is_ended = client_read_all(kit, fd, &answers);
  read_statuses(&answers, got, sizeof got);
  if (!is_ended || strcmp(got, w->want) != 0) {
    fprintf(stderr, "case %s, cut %zu%s: got \"%s\"%s, want \"%s\"\n%.300s\n", w->name, cut,
            is_bytewise ? ", byte by byte" : "", got, is_ended ? "" : ", not closed", w->want,
            answers.len ? bytes_text(&answers) : "");
    checks_failed++;
  }
  close(fd);
  bytes_fini(&input);
  bytes_fini(&answers);
}

int main(void) {
  static struct kit kit;
  kit_config(&kit.config);
  kit.config.limits.head_bytes = 4096;
  kit.config.limits.url_bytes = 256;
  kit.config.limits.head_lines = 20;
  kit.config.limits.body_bytes = 1000;
  kit_start(&kit, false, NULL);
  for (const struct wire_case *w = wire_cases(); w->name; w++) {
    int before = checks_failed;
    unsigned requests = kit.requests;
    run_case(&kit, w, 0, false);
    unsigned announced = kit.requests - requests;
    run_case(&kit, w, 0, true);
    CHECK(kit.requests - requests == 2 * announced);
    size_t step = w->len > 600 ? 97 : 1;
    for (size_t cut = 1; cut < w->len && checks_failed == before; cut += step)
      run_case(&kit, w, cut, false);
  }
  kit_stop(&kit);
  return checks_end();
}
