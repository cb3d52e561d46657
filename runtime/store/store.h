/* The database behind the gateway, whichever it is. Every call may wait for a disk or a network:
 * none is made on a worker's loop or the server's, all of them on threads of the pool, and from any
 * number of those at once. What goes wrong is a result, never an abort; a database that could not
 * be opened is tried again by later calls. */
#pragma once
#include "store/audit.h"
#include "store/entity.h"
#include "store/stored_text.h"
#include "store/usage_query.h"

enum store_result {
  STORE_FINE,
  STORE_NOT_FOUND,
  STORE_CONFLICT,   /* another version is stored than the one expected, or a lookup is taken */
  STORE_BUSY,       /* locked by another process for longer than we wait */
  STORE_FULL,       /* no room on the disk */
  STORE_READ_ONLY,  /* the file or its folder cannot be written */
  STORE_CORRUPT,    /* the file is damaged or no database */
  STORE_UNAVAILABLE /* anything else */
};

struct store_batch { /* records and how far they bring a segment, stored together or not at all */
  const struct ledger_record *records;
  size_t count;
  const char *segment;
  uint64_t position;
  bool is_new; /* none of them can be stored already: nobody looks */
};

struct retention { /* ages in milliseconds after which rows go; 0: never */
  int64_t now_ms;
  uint64_t requests_ms, rollups_ms, texts_ms, audit_ms;
  uint64_t responses_ms; /* stored responses, beside texts_ms */
  unsigned rows;         /* at most so many in one call, in transactions of a few hundred */
};

struct store_meta { /* a figure or a digest that the gateway keeps for itself */
  struct slice name;
  struct bytes value;
};

struct store {
  const struct store_calls *calls;
};

struct store_calls {
  void (*free)(struct store *s);
  /* Opens and migrates if that has not been done yet: is the database there? */
  enum store_result (*check)(struct store *s);
  /* One sentence on the last result that was not fine, appended. */
  void (*last_error)(struct store *s, struct bytes *sentence);

  /* Ledger. save ignores records whose request id is stored already; *stored counts the others. */
  enum store_result (*save)(struct store *s, const struct store_batch *batch, uint64_t *stored);
  enum store_result (*segment_position)(struct store *s, const char *segment, uint64_t *bytes);
  enum store_result (*segment_forget)(struct store *s, const char *segment);
  enum store_result (*requests)(struct store *s, const struct request_query *query,
                                const struct request_sink *sink);
  enum store_result (*usage)(struct store *s, const struct usage_query *query,
                             const struct usage_sink *sink);
  /* Everything of one subject since from_ms: days that are whole come from the rollups. */
  enum store_result (*used)(struct store *s, const struct used_query *query, struct used *used);
  enum store_result (*used_by)(struct store *s, const struct used_by_query *query,
                               const struct used_by_sink *sink);

  /* Tenants, keys and what else people manage: all of the changes, or none. */
  enum store_result (*write)(struct store *s, struct entity_change *changes, size_t count);
  enum store_result (*find)(struct store *s, const struct entity_key *key,
                            const struct entity_sink *sink);
  enum store_result (*list)(struct store *s, const struct entity_query *query,
                            const struct entity_sink *sink);
  /* Grows with every write but those of deliveries: who holds a copy asks whether it is still the
   * newest. */
  enum store_result (*entities_version)(struct store *s, uint64_t *version);
  enum store_result (*idempotent_find)(struct store *s, struct slice key, struct bytes *answer);

  enum store_result (*audit)(struct store *s, const struct audit_entry *entry);
  enum store_result (*audit_list)(struct store *s, const struct audit_query *query,
                                  const struct audit_sink *sink);
  enum store_result (*audit_verify)(struct store *s, struct audit_report *report);

  /* Prompts, replies and stored responses, sealed before they come here. */
  enum store_result (*text_put)(struct store *s, const struct stored_text *text);
  enum store_result (*text_delete)(struct store *s, enum text_kind kind, struct slice id);
  enum store_result (*text_find)(struct store *s, enum text_kind kind, struct slice id,
                                 const struct text_sink *sink);
  /* The oldest first, until the sink says that it has enough. */
  enum store_result (*text_list)(struct store *s, enum text_kind kind, int64_t since_ms,
                                 const struct text_sink *sink);

  /* Deletes what is too old; *more when there was more than `rows`. */
  enum store_result (*retain)(struct store *s, const struct retention *retention, bool *more);
};

/* url as in the configuration: sqlite:FILE. NULL and one sentence for what this version does not
 * speak; a database that cannot be opened is no reason to fail here. */
struct store *store_new(struct slice url, struct bytes *error);
void store_free(struct store *s);
const char *store_result_name(enum store_result result); /* "busy", … */
/* Ends a sentence that begins with "the store is", and says what to do. */
const char *store_trouble(enum store_result result);
struct store *sqlite_store_new(const char *path);
