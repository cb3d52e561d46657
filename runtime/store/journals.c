/* The keeper's end of the journal: rotation, mending, syncing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/journal_private.h"

static const uint64_t scan_interval_ns = 5000000000;

void journals_say(const struct journals *set, bool is_error, const char *format, ...) {
  struct bytes sentence;
  bytes_init(&sentence);
  va_list list;
  va_start(list, format);
  bytes_vprintf(&sentence, format, list);
  va_end(list);
  set->settings.say(set->settings.context, is_error, bytes_text(&sentence));
  bytes_fini(&sentence);
}

static bool open_folder(struct journals *set, struct bytes *error) {
  if (mkdir(set->folder, 0700) != 0 && errno != EEXIST) {
    bytes_printf(error, "%s: cannot make the folder of the ledger's journal: %s", set->folder,
                 strerror(errno));
    return false;
  }
  set->folder_fd = open(set->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (set->folder_fd < 0)
    bytes_printf(error, "%s: cannot open the folder of the ledger's journal: %s", set->folder,
                 strerror(errno));
  return set->folder_fd >= 0;
}

/* A full or failing disk may come back while we run; a folder that is not ours will not. */
static bool may_pass(int error) {
  return error == ENOSPC || error == EDQUOT || error == EIO;
}

static bool begin_writer(struct journals *set, unsigned writer, struct bytes *error) {
  struct journal *j = &set->writers[writer];
  j->set = set;
  must(uv_mutex_init(&j->lock) == 0);
  j->current = j->last = segment_new(set, writer);
  if (j->current) return true;
  if (!may_pass(errno)) {
    bytes_printf(error, "%s: cannot write the ledger's journal: %s", set->folder, strerror(errno));
    return false;
  }
  journals_say(set, true, "%s: the ledger's journal cannot be begun: %s", set->folder,
               strerror(errno));
  atomic_store(&j->is_broken, true);
  return true;
}

static void free_writer(struct journal *j) {
  uv_mutex_destroy(&j->lock);
  bytes_fini(&j->frames);
  bytes_fini(&j->lost);
  bytes_fini(&j->spill);
  bytes_fini(&j->saving);
}

static void free_all(struct journals *set, unsigned writers) {
  for (unsigned i = 0; i < writers; i++)
    free_writer(&set->writers[i]);
  list_each_safe(node, &set->segments) segment_close(list_entry(node, struct segment, link));
  segment_drop_spare(set);
  if (set->folder_fd >= 0) close(set->folder_fd);
  free(set->writers);
  free(set->folder);
  free(set);
}

struct journals *journals_open(const struct journal_settings *settings, struct bytes *error) {
  must(settings->writers > 0 && settings->segment_bytes > 0);
  struct journals *set = must_calloc(1, sizeof *set);
  set->settings = *settings;
  set->folder = must_strdup(settings->folder);
  set->folder_fd = -1;
  list_init(&set->segments);
  set->writers = must_calloc(settings->writers, sizeof *set->writers);
  if (!open_folder(set, error)) {
    free_all(set, 0);
    return NULL;
  }
  segments_scan(set);
  for (unsigned i = 0; i < settings->writers; i++)
    if (!begin_writer(set, i, error)) {
      free_all(set, i + 1);
      return NULL;
    }
  return set;
}

struct journal *journals_writer(struct journals *set, unsigned writer) {
  must(writer < set->settings.writers);
  return &set->writers[writer];
}

static unsigned writer_index(const struct journal *j) {
  return (unsigned)(j - j->set->writers);
}

static bool offer_segment(struct journal *j) {
  if (atomic_load(&j->next)) return true;
  struct segment *s = segment_new(j->set, writer_index(j));
  if (!s) return false;
  j->last = s;
  atomic_store(&j->next, s);
  return true;
}

/* What waits in memory goes to a segment of its own. */
static bool save_spill(struct journal *j) {
  if (j->saving.len == 0) {
    uv_mutex_lock(&j->lock);
    struct bytes empty = j->saving;
    j->saving = j->spill;
    j->spill = empty;
    uv_mutex_unlock(&j->lock);
  }
  if (j->saving.len == 0) return true;
  struct segment *s = segment_new(j->set, writer_index(j));
  if (!s) return false;
  bool fine = segment_write(s, &j->saving);
  atomic_store(&s->is_sealed, true);
  if (!fine) {
    segment_delete(j->set, s);
    return false;
  }
  atomic_fetch_sub(&j->held_bytes, j->saving.len);
  bytes_fini(&j->saving); /* trouble is over: so much memory is not needed again */
  bytes_init(&j->saving);
  return true;
}

/* Twice: what was to be saved when the last attempt failed, then what came since. */
static void mend(struct journal *j) {
  if (!atomic_load(&j->is_broken) || !save_spill(j) || !save_spill(j) || !offer_segment(j)) return;
  uv_mutex_lock(&j->lock);
  bool mended = j->spill.len == 0;
  if (mended) atomic_store_explicit(&j->is_broken, false, memory_order_release);
  uv_mutex_unlock(&j->lock);
  if (mended)
    journals_say(j->set, false, "the ledger's journal %s can be written again", j->set->folder);
}

/* Removed by someone's hand: what is written there now nobody could read after a restart. */
static bool is_unlinked(const struct segment *s) {
  struct stat about;
  return fstat(s->fd, &about) == 0 && about.st_nlink == 0;
}

static void rotate(struct journal *j) {
  const struct segment *s = j->last;
  if (!s || atomic_load(&j->is_broken) || atomic_load(&j->next)) return;
  bool unlinked = is_unlinked(s);
  if (unlinked) {
    journals_say(j->set, true, "%s/%s: somebody removed the segment that is being written",
                 j->set->folder, s->name);
    mkdir(j->set->folder, 0700);
  }
  if (unlinked || atomic_load(&s->written) >= j->set->settings.segment_bytes) offer_segment(j);
}

static void sync_all(struct journals *set) {
  uint64_t now_ns = clock_mono_ns(), every_ns = (uint64_t)set->settings.fsync_ms * 1000000u;
  if (every_ns == 0 || now_ns - set->synced_ns < every_ns) return;
  set->synced_ns = now_ns;
  list_each(node, &set->segments) segment_sync(set, list_entry(node, struct segment, link));
}

static void weigh(struct journals *set) {
  uint64_t bytes = 0, count = 0, limit = set->settings.disk_bytes;
  list_each(node, &set->segments) {
    struct segment *s = list_entry(node, struct segment, link);
    bytes += atomic_load(&s->written) - s->drained;
    count++;
  }
  atomic_store(&set->undrained_bytes, bytes);
  atomic_store(&set->segment_count, count);
  bool was_full = atomic_load(&set->is_full);
  bool is_full = was_full ? bytes > limit - limit / 10 : bytes > limit;
  if (is_full == was_full) return;
  atomic_store(&set->is_full, is_full);
  journals_say(set, is_full,
               is_full ? "the ledger's journal holds more than ledger.disk, since the store does "
                         "not take its records; paid requests are refused"
                       : "the ledger's journal has room again");
}

void journals_tend(struct journals *set) {
  for (unsigned i = 0; i < set->settings.writers; i++) {
    mend(&set->writers[i]);
    rotate(&set->writers[i]);
  }
  sync_all(set);
  if (clock_mono_ns() - set->scanned_ns > scan_interval_ns) segments_scan(set);
  weigh(set);
}

void journals_stats(const struct journals *set, struct journal_stats *stats) {
  *stats = (struct journal_stats){.undrained_bytes = atomic_load(&set->undrained_bytes),
                                  .limit_bytes = set->settings.disk_bytes,
                                  .segments = atomic_load(&set->segment_count),
                                  .damaged_bytes = atomic_load(&set->damaged_bytes),
                                  .is_usable = true};
  for (unsigned i = 0; i < set->settings.writers; i++) {
    const struct journal *j = &set->writers[i];
    stats->records += atomic_load(&j->records);
    stats->bytes += atomic_load(&j->bytes);
    stats->spilled_bytes += atomic_load(&j->held_bytes);
    stats->spilled_records += atomic_load(&j->spilled_records);
    stats->lost_records += atomic_load(&j->lost_records);
    stats->is_usable = stats->is_usable && journal_usable(j);
  }
}

void journals_seal(struct journals *set) {
  for (unsigned i = 0; i < set->settings.writers; i++) {
    struct journal *j = &set->writers[i];
    struct segment *next = atomic_exchange(&j->next, NULL);
    if (next) atomic_store(&next->is_sealed, true);
    if (j->current) atomic_store(&j->current->is_sealed, true);
    j->current = j->last = NULL;
    uv_mutex_lock(&j->lock);
    bool waits = j->spill.len + j->saving.len > 0;
    uv_mutex_unlock(&j->lock);
    while (waits && save_spill(j))
      waits = j->spill.len > 0;
    if (waits)
      journals_say(set, true,
                   "%zu bytes of ledger records could not be written: the disk is still "
                   "refusing them",
                   j->spill.len + j->saving.len);
  }
  sync_all(set);
}

void journals_close(struct journals *set) {
  if (set) free_all(set, set->settings.writers);
}
