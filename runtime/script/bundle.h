/* A tenant's scripts as text: an immutable, counted list of files that all threads share. Bundles
 * lie in layers: a file that the tenant does not have is looked up in the operator's site folder,
 * then in what ships with Gateyes. */
#pragma once
#include "base/bytes.h"
#include "config/config.h"

struct bundle;

struct bundle_file {
  struct slice path; /* "policies/residency.lua": relative, "/" between parts */
  struct slice name; /* the same with the folder in front, as problems print it */
  struct slice text;
};

enum {
  BUNDLE_FILES_MAX = 2000,
  BUNDLE_FOLDERS_MAX = 2000,
  BUNDLE_FILE_BYTES = 1 << 20,
  BUNDLE_BYTES = 16 << 20,
  BUNDLE_PATH_BYTES = 200,
};

/* What ships: the files inside the binary, or those of lua_path when it is not empty. It is the
 * lowest layer. NULL and a problem when the folder cannot be read. */
struct bundle *bundle_new_base(struct slice lua_path, struct config_problems *problems);

/* Reads every plain file below folder that has no leading dot. A link may point anywhere inside the
 * folder. below (may be NULL) is taken a reference of. NULL: problems say why. Blocks on the disk.
 */
struct bundle *bundle_read(struct slice folder, struct bundle *below,
                           struct config_problems *problems);

/* A bundle from texts at hand: create, add every file, then seal. Paths and texts are copied. */
struct bundle *bundle_new(struct slice folder, struct bundle *below);
/* NULL, or why the file is refused: a path that leaves the folder, a second file of that path, too
 * large. */
const char *bundle_add(struct bundle *b, struct slice path, struct slice text);
void bundle_seal(struct bundle *b); /* afterwards it is immutable and may be shared */

struct bundle *bundle_ref(struct bundle *b);
void bundle_unref(struct bundle *b); /* any thread; NULL is fine */

/* The nearest layer's file; NULL when no layer has it. */
const struct bundle_file *bundle_find(const struct bundle *b, struct slice path);
/* The file of a module: "lib.words" is lib/words.lua. NULL: none, or no module name. */
const struct bundle_file *bundle_module_find(const struct bundle *b, struct slice module);
/* This layer's own files, in the order of their paths. */
const struct bundle_file *bundle_files(const struct bundle *b, size_t *count);
const struct bundle_file *bundle_own_find(const struct bundle *b, struct slice path);
/* The next layer down; NULL at the base. Borrowed. */
struct bundle *bundle_below(const struct bundle *b);
/* SHA-256 over paths and texts of this layer: equal for equal contents. */
const uint8_t *bundle_digest(const struct bundle *b);
bool bundle_is_spec(struct slice path); /* ends in _spec.lua */
/* The same files over another layer. */
struct bundle *bundle_over(const struct bundle *b, struct bundle *below);
/* A folder's state without reading the files: changes when a file comes, goes or is written. False
 * when it cannot be looked at. on_folder (may be NULL) hears of every folder below, and of itself.
 */
struct bundle_survey {
  uint8_t digest[SHA256_BYTES];
  void (*on_folder)(void *context, const char *path);
  void *context;
};
bool bundle_survey(struct slice folder, struct bundle_survey *survey);
/* Generations are kept and sent as JSON, which holds UTF-8 alone: other bytes would come back as
 * others. False: problems name the files. */
bool bundle_check_texts(const struct bundle *b, struct config_problems *problems);
/* {"path":"text", …}, and back: a path is refused as by bundle_add. */
void bundle_write_json(const struct bundle *b, struct bytes *out);
bool bundle_add_json(struct bundle *b, struct slice object, struct config_problems *problems);
