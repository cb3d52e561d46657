#include "base/zone.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { NAME_MAX_BYTES = 64, FILE_MAX_BYTES = 262144, HEAD_BYTES = 44, DAY_S = 86400 };

struct zone {
  struct zone *next;
  char name[NAME_MAX_BYTES];
  size_t count;
  int64_t *times;     /* rising; from times[i] on, offsets[i] holds */
  int32_t *offsets;   /* count of them */
  int32_t earliest_s; /* before times[0] */
  bool has_rule;
  struct zone_rule rule; /* after the last */
};

struct head { /* RFC 9636, 3.1 */
  char version;
  uint32_t utc_count, standard_count, leap_count, time_count, type_count, char_count;
};

static uint32_t big32(const char *p) {
  const unsigned char *b = (const unsigned char *)p;
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t big64(const char *p) {
  return (int64_t)((uint64_t)big32(p) << 32 | big32(p + 4));
}

static bool read_head(struct slice file, struct head *h) {
  if (file.len < HEAD_BYTES || memcmp(file.data, "TZif", 4) != 0) return false;
  uint32_t counts[6];
  for (int i = 0; i < 6; i++) {
    counts[i] = big32(file.data + 20 + i * 4);
    if (counts[i] > FILE_MAX_BYTES) return false;
  }
  *h =
      (struct head){file.data[4], counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
  return h->type_count > 0;
}

static size_t block_bytes(const struct head *h, size_t time_bytes) {
  return h->time_count * (time_bytes + 1) + (size_t)h->type_count * 6 + h->char_count +
         h->leap_count * (time_bytes + 4) + h->standard_count + h->utc_count;
}

static bool read_times(struct zone *z, const struct head *h, const char *block) {
  const char *kinds = block + (size_t)h->time_count * 8, *types = kinds + h->time_count;
  z->count = h->time_count;
  z->times = must_calloc(z->count + 1, sizeof *z->times);
  z->offsets = must_calloc(z->count + 1, sizeof *z->offsets);
  for (size_t i = 0; i < z->count; i++) {
    unsigned char kind = (unsigned char)kinds[i];
    z->times[i] = big64(block + i * 8);
    if (kind >= h->type_count || (i && z->times[i] <= z->times[i - 1])) return false;
    z->offsets[i] = (int32_t)big32(types + kind * 6);
    if (z->offsets[i] < -DAY_S * 7 || z->offsets[i] > DAY_S * 7) return false;
  }
  z->earliest_s = (int32_t)big32(types);
  return z->earliest_s >= -DAY_S * 7 && z->earliest_s <= DAY_S * 7;
}

/* The first block has times of 32 bits, for old readers; the second is the one that counts. */
static bool read_file(struct zone *z, struct slice file) {
  struct head h;
  if (!read_head(file, &h) || h.version < '2') return false;
  size_t first = HEAD_BYTES + block_bytes(&h, 4);
  if (first > file.len || !read_head(slice_skip(file, first), &h)) return false;
  struct slice rest = slice_skip(file, first + HEAD_BYTES);
  size_t bytes = block_bytes(&h, 8);
  if (bytes > rest.len || !read_times(z, &h, rest.data)) return false;
  struct slice footer = slice_skip(rest, bytes);
  if (footer.len < 2 || footer.data[0] != '\n') return false;
  struct slice line = slice_cut(slice_skip(footer, 1), '\n', &footer);
  z->has_rule = line.len > 0;
  return !z->has_rule || zone_rule_parse(line, &z->rule);
}

static bool is_name(struct slice name) {
  if (name.len == 0 || name.len >= NAME_MAX_BYTES || name.data[0] == '/') return false;
  for (size_t i = 0; i < name.len; i++) {
    char c = name.data[i];
    bool is_letter = (c | 32) >= 'a' && (c | 32) <= 'z';
    if (!is_letter && !(c >= '0' && c <= '9') && c != '/' && c != '_' && c != '+' && c != '-')
      return false; /* no dot either: no way out of the folder */
  }
  return true;
}

static bool load(struct zone *z) {
  char path[NAME_MAX_BYTES + 32] = "/usr/share/zoneinfo/";
  strcat(path, z->name);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  if (fd < 0) return false;
  bool is_read = false;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size < FILE_MAX_BYTES) {
    char *data = must_alloc((size_t)info.st_size + 1);
    ssize_t bytes = read(fd, data, (size_t)info.st_size);
    is_read = bytes == info.st_size && read_file(z, (struct slice){data, (size_t)bytes});
    free(data);
  }
  close(fd);
  return is_read;
}

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static struct zone *loaded;

static void init_lock(void) {
  must(uv_mutex_init(&lock) == 0);
}

static struct zone *zone_load(struct slice name) {
  struct zone *z = must_calloc(1, sizeof *z);
  memcpy(z->name, name.data, name.len);
  if (slice_equal_text(name, "UTC") || load(z)) {
    z->next = loaded;
    loaded = z;
    return z;
  }
  free(z->times);
  free(z->offsets);
  free(z);
  return NULL;
}

const struct zone *zone_find(struct slice name) {
  if (!is_name(name)) return NULL;
  uv_once(&once, init_lock);
  uv_mutex_lock(&lock);
  struct zone *z = loaded;
  while (z && !slice_equal_text(name, z->name))
    z = z->next;
  if (!z) z = zone_load(name);
  uv_mutex_unlock(&lock);
  return z;
}

const char *zone_name(const struct zone *z) {
  return z->name;
}

int32_t zone_offset_s(const struct zone *z, int64_t utc_s) {
  size_t low = 0, high = z->count; /* the number of changes at or before utc_s */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (z->times[middle] <= utc_s)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == z->count && z->has_rule) return zone_rule_offset_s(&z->rule, utc_s);
  return low ? z->offsets[low - 1] : z->earliest_s;
}

/* Local time grows with UTC except where clocks are put back, and no offset is above a week: the
 * last instant before the first that shows local_s or later is found by halving, after stepping
 * back over a change that would show it twice. */
int64_t zone_to_utc(const struct zone *z, int64_t local_s) {
  int32_t before = zone_offset_s(z, local_s - DAY_S), after = zone_offset_s(z, local_s + DAY_S);
  int64_t early = local_s - before, late = local_s - after;
  if (early > late) {
    int64_t swap = early;
    early = late;
    late = swap;
  }
  if (early + zone_offset_s(z, early) == local_s) return early;
  if (late + zone_offset_s(z, late) == local_s) return late;
  int64_t low = early - 1, high = late; /* jumped over: high shows a later time, low an earlier */
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (middle + zone_offset_s(z, middle) >= local_s)
      high = middle;
    else
      low = middle;
  }
  return high;
}
