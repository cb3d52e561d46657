/* What journal.c (workers), journals.c (keeper) and segment.c (files) share. */
#pragma once
#include <uv.h>

#include "store/journal.h"

enum { SEGMENT_NAME_BYTES = 64, SEGMENT_HEADER_BYTES = 16, SEGMENT_READ_BYTES = 2 << 20 };

struct segment {
  struct list link; /* in journals.segments; keeper only */
  int fd;           /* locked (flock) by the process that owns the segment */
  uint32_t life;    /* how often the file has served before: record.h */
  char name[SEGMENT_NAME_BYTES];
  _Atomic uint64_t written; /* bytes of whole frames, header included */
  atomic_bool is_sealed;    /* nobody writes to it any more */
  uint64_t drained, synced, torn_bytes;
  uint64_t old_bytes; /* of earlier lives, read since the last frame of this one */
  bool is_own;        /* made by this process */
  bool is_damaged, is_inherited, is_doubtful;
};

struct journal {
  struct journals *set;
  struct segment *current;        /* worker only; NULL: none could be made yet */
  _Atomic(struct segment *) next; /* from the keeper, taken by the worker's next append */
  atomic_bool is_broken;          /* set by the worker, cleared by the keeper under the lock */
  struct bytes frames;            /* worker only: put, not yet written */
  uint64_t put, written;          /* worker only: tickets */
  struct bytes lost;              /* worker only: tickets of records that found no room */
  uv_mutex_t lock;                /* of spill; held for one copy */
  struct bytes spill;
  struct bytes saving;         /* keeper only: taken from spill, on its way to a segment */
  struct segment *last;        /* keeper only: the newest that was handed to the worker */
  _Atomic uint64_t held_bytes; /* spill and saving */
  _Atomic uint64_t records, bytes, spilled_records, lost_records;
};

struct journals {
  struct journal_settings settings;
  char *folder;
  int folder_fd;
  struct list segments;  /* in the order in which they were begun; keeper only */
  struct segment *spare; /* drained; its file serves again. NULL: none */
  struct journal *writers;
  uint64_t synced_ns, scanned_ns;
  atomic_bool is_full;
  _Atomic uint64_t undrained_bytes, segment_count, damaged_bytes;
};

/* segment.c. NULL with errno set. The new segment is the last of the list. */
struct segment *segment_new(struct journals *set, unsigned writer);
/* All of it or nothing; else errno. frames are changed for the time of the call. */
bool segment_write(struct segment *s, struct bytes *frames);
/* Takes over what processes that no longer run have left. */
void segments_scan(struct journals *set);
void segment_sync(struct journals *set, struct segment *s);
void segment_close(struct segment *s); /* out of the list; the file stays */
void segment_drop_spare(struct journals *set);
void journals_say(const struct journals *set, bool is_error, const char *format, ...) PRINTF(3, 4);
