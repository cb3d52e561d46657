/* Processor time of a record on its way from the journal into SQLite: what the keeper's side of the
 * ledger costs, without the worker's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/digest.h"
#include "store/bookkeeper.h"

struct shape {
  const char *name;
  unsigned records, per_ms, tenants;
};

static double cpu_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void say(void *context, bool is_error, const char *sentence) {
  (void)context;
  if (is_error) fprintf(stderr, "%s\n", sentence);
}

static struct journals *open_journals(const char *folder) {
  struct journal_settings settings = {.folder = folder,
                                      .writers = 1,
                                      .segment_bytes = 64 << 20,
                                      .disk_bytes = (size_t)4 << 30,
                                      .say = say};
  struct bytes error;
  bytes_init(&error);
  struct journals *journals = journals_open(&settings, &error);
  if (!journals) {
    fprintf(stderr, "%s\n", bytes_text(&error));
    exit(1);
  }
  bytes_fini(&error);
  return journals;
}

static void put(struct journal *j, const struct shape *shape, unsigned i) {
  char id[32] = "req_", tenant[32];
  uint64_t time_ms = 1790000000000 + i / shape->per_ms;
  digest_ordered_id(time_ms, id + 4, 24);
  snprintf(tenant, sizeof tenant, "tenant-%u", i * 7919u % shape->tenants);
  struct ledger_record record = {
      .request_id = slice_of(id),
      .time_ms = time_ms,
      .tenant = slice_of(tenant),
      .key_id = SLICE("key_4f2a9c81d07be3"),
      .requested_model = SLICE("bench-model"),
      .model = SLICE("bench-model"),
      .provider = SLICE("bench"),
      .upstream_model = SLICE("bench-model"),
      .dialect = SLICE("chat"),
      .status = 200,
      .finish_reason = SLICE("stop"),
      .usage_source = USAGE_PROVIDER,
      .usage = {.input = 230 + i % 50, .output = 100 + i % 90},
      .cost_nanousd = 94500,
      .cost_known = true,
      .currency = SLICE("USD"),
      .duration_us = 1200 + i % 700,
      .overhead_us = 30,
      .attempt_count = 1,
      .attempts = SLICE("[{\"provider\":\"bench\",\"model\":\"bench-model\",\"status\":200,"
                        "\"head_ms\":0.213,\"duration_ms\":0.254}]"),
      .config_version = 1,
      .service_tier = SLICE("standard")};
  if (journal_append(j, &record) != FAILURE_NONE) exit(1);
}

static void measure(const struct shape *shape) {
  char folder[] = "/tmp/gateyes-store-XXXXXX", path[128];
  if (!mkdtemp(folder)) exit(1);
  snprintf(path, sizeof path, "%s/journal", folder);
  struct journals *journals = open_journals(path);
  for (unsigned i = 0; i < shape->records; i++)
    put(journals_writer(journals, 0), shape, i);
  snprintf(path, sizeof path, "%s/store.db", folder);
  uv_loop_t loop;
  uv_loop_init(&loop);
  struct bookkeeper_settings settings = {
      .loop = &loop, .store = sqlite_store_new(path), .journals = journals, .say = say};
  struct bookkeeper *b = bookkeeper_new(&settings);
  double start = cpu_us();
  bookkeeper_replay(b, 600000);
  double spent = cpu_us() - start;
  struct bookkeeper_stats stats;
  bookkeeper_stats(b, &stats);
  printf("%-46s %6.2f us a record, %llu stored\n", shape->name, spent / shape->records,
         (unsigned long long)stats.stored_records);
  bookkeeper_close(b);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (system(command) != 0) exit(1);
}

int main(int count, char **arguments) {
  unsigned records = count > 1 ? (unsigned)atoi(arguments[1]) : 200000;
  if (records == 0) {
    fprintf(stderr, "usage: bench/store [RECORDS [0 | 1]]\n");
    return 2;
  }
  const struct shape shapes[] = {{"one tenant, 30,000 requests a second", records, 30, 1},
                                 {"200 tenants, 5,000 requests a second", records, 5, 200}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    if (count < 3 || i == (size_t)atoi(arguments[2])) measure(&shapes[i]);
  return 0;
}
