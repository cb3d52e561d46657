/* Segment files: a header, then frames (record.h), one behind the other. The file of a segment that
 * is drained serves again: writing over what is in the page cache takes a quarter of what growing a
 * file, and throwing it away later, takes. */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "store/journal_private.h"
#include "store/record.h"

enum { RANDOM_ID_LENGTH = 10, RESERVE_BYTES = 64 << 10, STALE_DRAFT_S = 60 };

/* A first life's header; later ones have their number, in little endian, behind the shorter. */
static const char header[SEGMENT_HEADER_BYTES + 1] = "gateyes ledger 1";
static const char later_header[] = "gyt ledger 2";
_Static_assert(sizeof later_header - 1 + sizeof(uint32_t) == SEGMENT_HEADER_BYTES, "one length");
static const char suffix[] = ".journal", draft_suffix[] = ".draft", aside_suffix[] = ".damaged";

static bool write_all(int fd, struct slice data, uint64_t at) {
  while (data.len > 0) {
    ssize_t count = pwrite(fd, data.data, data.len, (off_t)at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    data = slice_skip(data, (size_t)count);
    at += (size_t)count;
  }
  return true;
}

bool segment_write(struct segment *s, struct bytes *frames) {
  uint64_t written = atomic_load_explicit(&s->written, memory_order_relaxed);
  record_turn(frames->data, frames->len, s->life);
  bool fine = write_all(s->fd, bytes_slice(frames), written);
  int error = errno;
  record_turn(frames->data, frames->len, s->life);
  if (fine) {
    atomic_store_explicit(&s->written, written + frames->len, memory_order_release);
    return true;
  }
  /* Half a frame must not stay. If it does, a reader takes it for a torn end: nothing more is
   * written here, since trouble always ends with a new segment. */
  int cut = ftruncate(s->fd, (off_t)written);
  (void)cut;
  errno = error;
  return false;
}

static struct segment *segment_of(int fd, const char *name, uint64_t written) {
  struct segment *s = must_calloc(1, sizeof *s);
  s->fd = fd;
  snprintf(s->name, sizeof s->name, "%s", name);
  atomic_init(&s->written, written);
  s->drained = SEGMENT_HEADER_BYTES;
  return s;
}

/* Under another name until it is locked and has its header: no other process may take it for one
 * that was left behind. */
static int open_draft(struct journals *set, const char *draft) {
  int fd = openat(set->folder_fd, draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  bool fine = flock(fd, LOCK_EX | LOCK_NB) == 0;
  /* Room for some records, so that a disk with a few free bytes does not look mended. */
  if (fine && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, RESERVE_BYTES) != 0)
    fine = errno != ENOSPC && errno != EDQUOT && errno != EIO;
  if (fine) fine = write_all(fd, (struct slice){header, SEGMENT_HEADER_BYTES}, 0);
  if (fine) return fd;
  int error = errno;
  unlinkat(set->folder_fd, draft, 0);
  close(fd);
  errno = error;
  return -1;
}

/* The folder may have been removed and made again since it was opened. */
static void reopen_folder(struct journals *set) {
  struct stat about;
  if (fstat(set->folder_fd, &about) == 0 && about.st_nlink > 0) return;
  int fd = open(set->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  close(set->folder_fd);
  set->folder_fd = fd;
}

void segment_drop_spare(struct journals *set) {
  struct segment *s = set->spare;
  set->spare = NULL;
  if (!s) return;
  unlinkat(set->folder_fd, s->name, 0);
  close(s->fd);
  free(s);
}

/* The file waits under the name of a draft, which sweep_draft leaves alone for as long as this
 * process holds its lock. False: it is not worth it, or cannot be. */
static bool keep_spare(struct journals *set, struct segment *s) {
  char random[RANDOM_ID_LENGTH + 1], name[SEGMENT_NAME_BYTES];
  struct stat about;
  if (set->spare || !s->is_own || s->is_damaged || s->life == UINT32_MAX) return false;
  if (atomic_load(&s->written) < set->settings.segment_bytes) return false; /* cut short */
  if (fstat(s->fd, &about) != 0 || about.st_nlink != 1) return false;
  digest_random_id(random, RANDOM_ID_LENGTH);
  snprintf(name, sizeof name, "%s%s", random, draft_suffix);
  if (renameat(set->folder_fd, s->name, set->folder_fd, name) != 0) return false;
  memcpy(s->name, name, sizeof name);
  list_remove(&s->link);
  set->spare = s;
  return true;
}

/* Its new header is on disk before its new name is: under the old one its old frames would count
 * again. */
static struct segment *take_spare(struct journals *set, const char *name) {
  struct segment *s = set->spare;
  char start[SEGMENT_HEADER_BYTES];
  if (!s) return NULL;
  s->life++;
  uint32_t life = htole32(s->life);
  memcpy(start, later_header, sizeof later_header - 1);
  memcpy(start + sizeof later_header - 1, &life, sizeof life);
  bool fine = write_all(s->fd, (struct slice){start, sizeof start}, 0) &&
              (!set->settings.fsync_ms || fdatasync(s->fd) == 0) &&
              renameat(set->folder_fd, s->name, set->folder_fd, name) == 0;
  if (!fine) {
    segment_drop_spare(set);
    return NULL;
  }
  set->spare = NULL;
  snprintf(s->name, sizeof s->name, "%s", name);
  atomic_store(&s->written, SEGMENT_HEADER_BYTES);
  atomic_store(&s->is_sealed, false);
  s->drained = s->synced = SEGMENT_HEADER_BYTES;
  s->torn_bytes = s->old_bytes = 0;
  s->is_doubtful = s->is_inherited = false;
  return s;
}

static struct segment *make_segment(struct journals *set, const char *random, const char *name) {
  char draft[SEGMENT_NAME_BYTES];
  snprintf(draft, sizeof draft, "%s%s", random, draft_suffix);
  int fd = open_draft(set, draft);
  if (fd < 0) return NULL;
  if (renameat(set->folder_fd, draft, set->folder_fd, name) == 0) {
    struct segment *s = segment_of(fd, name, SEGMENT_HEADER_BYTES);
    s->is_own = true;
    return s;
  }
  int error = errno;
  unlinkat(set->folder_fd, draft, 0);
  close(fd);
  errno = error;
  return NULL;
}

struct segment *segment_new(struct journals *set, unsigned writer) {
  reopen_folder(set);
  char random[RANDOM_ID_LENGTH + 1], name[SEGMENT_NAME_BYTES];
  digest_random_id(random, RANDOM_ID_LENGTH);
  snprintf(name, sizeof name, "%013llx-%s-%u%s", (unsigned long long)clock_wall_ms(), random,
           writer, suffix);
  struct segment *s = take_spare(set, name);
  if (!s) s = make_segment(set, random, name);
  if (!s) return NULL;
  if (set->settings.fsync_ms) fsync(set->folder_fd);
  list_append(&set->segments, &s->link);
  return s;
}

void segment_close(struct segment *s) {
  list_remove(&s->link);
  close(s->fd);
  free(s);
}

void segment_sync(struct journals *set, struct segment *s) {
  uint64_t written = atomic_load(&s->written);
  if (written == s->synced) return;
  s->synced = written;
  if (fdatasync(s->fd) != 0)
    journals_say(set, true, "%s/%s: fsync failed: %s; a power cut may take its newest records",
                 set->folder, s->name, strerror(errno));
}

static bool has_suffix(const char *name, const char *end) {
  size_t len = strlen(name), wanted = strlen(end);
  return len > wanted && strcmp(name + len - wanted, end) == 0;
}

static bool is_known(const struct journals *set, const char *name) {
  list_each(node, &set->segments) {
    if (strcmp(list_entry(node, struct segment, link)->name, name) == 0) return true;
  }
  return false;
}

static bool header_is_ours(const struct journals *set, int fd, const char *name, uint32_t *life) {
  char found[SEGMENT_HEADER_BYTES];
  bool is_whole = pread(fd, found, sizeof found, 0) == SEGMENT_HEADER_BYTES;
  *life = 0;
  if (is_whole && memcmp(found, header, sizeof found) == 0) return true;
  if (is_whole && memcmp(found, later_header, sizeof later_header - 1) == 0) {
    memcpy(life, found + sizeof later_header - 1, sizeof *life);
    *life = le32toh(*life);
    return true;
  }
  journals_say(set, true, "%s/%s: no segment that this version can read; it is left as it is",
               set->folder, name);
  return false;
}

/* Locked: its process is gone. */
static void take_over(struct journals *set, const char *name) {
  int fd = openat(set->folder_fd, name, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    journals_say(set, true, "%s/%s: cannot be opened: %s", set->folder, name, strerror(errno));
    return;
  }
  struct stat about;
  uint32_t life;
  if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &about) != 0 || about.st_nlink == 0 ||
      !header_is_ours(set, fd, name, &life)) {
    close(fd);
    return;
  }
  struct segment *s = segment_of(fd, name, (uint64_t)about.st_size);
  atomic_store(&s->is_sealed, true);
  s->is_inherited = s->is_doubtful = true;
  s->life = life;
  s->synced = (uint64_t)about.st_size;
  list_append(&set->segments, &s->link);
}

/* Drafts and spares of processes that are gone: theirs are locked, but for the moment in which one
 * is made. */
static void sweep_draft(struct journals *set, const char *name) {
  struct stat about;
  int fd = openat(set->folder_fd, name, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &about) == 0 &&
      (about.st_size > 0 || about.st_mtime + STALE_DRAFT_S < clock_wall_ms() / 1000))
    unlinkat(set->folder_fd, name, 0);
  close(fd);
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

void segments_scan(struct journals *set) {
  set->scanned_ns = clock_mono_ns();
  int fd = openat(set->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (!folder) return;
  char **names = NULL;
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (has_suffix(entry->d_name, draft_suffix)) sweep_draft(set, entry->d_name);
    if (!has_suffix(entry->d_name, suffix) || strlen(entry->d_name) >= SEGMENT_NAME_BYTES ||
        is_known(set, entry->d_name))
      continue;
    names = must_realloc(names, (count + 1) * sizeof *names);
    names[count++] = must_strdup(entry->d_name);
  }
  closedir(folder);
  if (count) qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    take_over(set, names[i]);
    free(names[i]);
  }
  free(names);
}

struct segment *journals_next(struct journals *set, struct segment *after) {
  struct list *node = after ? after->link.next : set->segments.next;
  for (; node != &set->segments; node = node->next) {
    struct segment *s = list_entry(node, struct segment, link);
    if (s->drained < atomic_load(&s->written) || segment_is_done(s)) return s;
  }
  return NULL;
}

const char *segment_name(const struct segment *s) {
  return s->name;
}

bool segment_is_inherited(const struct segment *s) {
  return s->is_inherited;
}

bool segment_is_doubtful(const struct segment *s) {
  return s->is_doubtful;
}

void segment_doubt(struct segment *s) {
  s->is_doubtful = true;
}

uint64_t segment_drained(const struct segment *s) {
  return s->drained;
}

void segment_set_drained(struct segment *s, uint64_t bytes) {
  must(bytes >= SEGMENT_HEADER_BYTES);
  uint64_t written = atomic_load(&s->written);
  s->drained = bytes < written ? bytes : written;
  s->is_inherited = false;
}

bool segment_is_done(const struct segment *s) {
  return atomic_load(&s->is_sealed) && s->drained >= atomic_load(&s->written);
}

static bool read_block(int fd, uint64_t from, size_t len, struct bytes *out) {
  bytes_clear(out);
  char *to = bytes_reserve(out, len);
  while (out->len < len) {
    ssize_t count = pread(fd, to + out->len, len - out->len, (off_t)(from + out->len));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    out->len += (size_t)count;
  }
  return true;
}

/* Frames that were read, without what is none. */
struct frame_walk {
  struct segment *segment;
  bool is_last; /* nothing follows the block */
  struct bytes *frames;
  uint64_t skipped;
};

/* Keeps whole frames and returns where it stopped. Bytes that are no frame are left out: with
 * nothing behind them they are the torn end that a power cut leaves, or, before a frame of an
 * earlier life, the rest of one that was written over; else they are damage. */
static size_t keep_frames(struct frame_walk *walk) {
  struct slice block = bytes_slice(walk->frames);
  struct segment *s = walk->segment;
  size_t at = 0, kept = 0, odd = 0;
  while (at < block.len) {
    size_t size = 0;
    enum record_result result = record_check(slice_skip(block, at), s->life, &size);
    if (result == RECORD_SHORT && !walk->is_last) break;
    if (result == RECORD_WHOLE) {
      walk->skipped += s->old_bytes + odd;
      s->old_bytes = 0;
      if (s->torn_bytes + walk->skipped) s->is_damaged = true;
      if (kept != at) memmove(walk->frames->data + kept, block.data + at, size);
      record_turn(walk->frames->data + kept, size, s->life);
      kept += size;
      odd = 0;
    } else if (result == RECORD_OLD) {
      s->old_bytes += odd + size;
      odd = 0;
    } else {
      size = record_resync(slice_skip(block, at));
      odd += size;
    }
    at += size;
  }
  walk->skipped += odd;
  walk->frames->len = kept;
  return at;
}

bool segment_read(struct journals *set, struct segment *s, uint64_t from, struct bytes *frames,
                  uint64_t *end) {
  uint64_t written = atomic_load_explicit(&s->written, memory_order_acquire);
  must(from <= written);
  uint64_t left = written - from;
  size_t wanted = left < SEGMENT_READ_BYTES ? (size_t)left : SEGMENT_READ_BYTES;
  if (!read_block(s->fd, from, wanted, frames)) return false;
  bool was_cut = frames->len < wanted; /* by someone's hand */
  struct frame_walk walk = {s, was_cut || wanted == left, frames, 0};
  *end = from + keep_frames(&walk);
  if (was_cut) {
    walk.skipped += written - *end;
    *end = written;
    s->is_damaged = true;
  }
  s->torn_bytes += walk.skipped;
  atomic_fetch_add(&set->damaged_bytes, walk.skipped);
  if (walk.skipped)
    journals_say(set, true, "%s/%s: %llu bytes near %llu are no whole record and were left out",
                 set->folder, s->name, (unsigned long long)walk.skipped, (unsigned long long)from);
  return true;
}

void segment_delete(struct journals *set, struct segment *s) {
  if (s->is_damaged) {
    char aside[SEGMENT_NAME_BYTES + sizeof aside_suffix];
    snprintf(aside, sizeof aside, "%s%s", s->name, aside_suffix);
    if (renameat(set->folder_fd, s->name, set->folder_fd, aside) == 0)
      journals_say(set, true,
                   "%s/%s: damaged; what could be read of it is stored, the file is kept",
                   set->folder, aside);
  } else if (keep_spare(set, s)) {
    return;
  } else {
    unlinkat(set->folder_fd, s->name, 0);
  }
  segment_close(s);
}
