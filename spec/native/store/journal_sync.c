/* A disk that takes long to sync holds up the keeper and no worker. */
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "check.h"
#include "store/journal.h"

static atomic_bool is_syncing;
static atomic_uint syncs;

/* In the place of the C library's. */
int fdatasync(int fd);
int fdatasync(int fd) {
  (void)fd;
  atomic_store(&is_syncing, true);
  usleep(300000);
  atomic_store(&is_syncing, false);
  atomic_fetch_add(&syncs, 1);
  return 0;
}

static void say(void *context, bool is_error, const char *sentence) {
  (void)context;
  if (is_error) fprintf(stderr, "%s\n", sentence);
  CHECK(!is_error);
}

static void tend(void *journals) {
  while (atomic_load(&syncs) < 3)
    journals_tend(journals);
}

int main(void) {
  char folder[64] = "/tmp/journal-sync-XXXXXX", command[128];
  CHECK(mkdtemp(folder) != NULL);
  struct journal_settings settings = {.folder = folder,
                                      .writers = 1,
                                      .segment_bytes = 1 << 20,
                                      .spill_bytes = 1 << 20,
                                      .disk_bytes = 1 << 30,
                                      .fsync_ms = 1,
                                      .say = say};
  struct bytes error;
  bytes_init(&error);
  struct journals *journals = journals_open(&settings, &error);
  struct ledger_record record = {.request_id = SLICE("req_1")};
  uv_thread_t keeper;
  CHECK(journal_append(journals_writer(journals, 0), &record) == FAILURE_NONE);
  CHECK(uv_thread_create(&keeper, tend, journals) == 0);
  unsigned meanwhile = 0;
  while (atomic_load(&syncs) < 3) {
    bool during = atomic_load(&is_syncing);
    CHECK(journal_append(journals_writer(journals, 0), &record) == FAILURE_NONE);
    meanwhile += during && atomic_load(&is_syncing);
    usleep(100);
  }
  uv_thread_join(&keeper);
  CHECK(meanwhile > 20); /* each of them began and ended while the disk was busy */
  journals_close(journals);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  CHECK(system(command) == 0);
  return checks_end();
}
