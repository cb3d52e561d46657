/* Bundles: what may lie in one, how a folder is read, and how layers are looked through. */
#include "script/bundle.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char folder[64] = "/tmp/bundle-XXXXXX";

static void write_file(const char *name, const char *text) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  must(file != NULL);
  fputs(text, file);
  fclose(file);
}

static void make_folder(const char *name) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  must(mkdir(path, 0700) == 0);
}

static struct slice text_of(const struct bundle *b, const char *path) {
  const struct bundle_file *file = bundle_find(b, slice_of(path));
  return file ? file->text : SLICE("(none)");
}

static void test_layers(void) {
  struct config_problems p;
  config_problems_init(&p);
  struct bundle *base = bundle_new_base((struct slice){"", 0}, &p);
  struct bundle *site = bundle_new(SLICE("site/"), base);
  struct bundle *own = bundle_new(SLICE("tenants/acme"), site);
  CHECK(!bundle_add(site, SLICE("lib/words.lua"), SLICE("site words")));
  CHECK(!bundle_add(site, SLICE("policies/a.lua"), SLICE("site a")));
  CHECK(!bundle_add(own, SLICE("policies/a.lua"), SLICE("own a")));
  bundle_seal(site);
  bundle_seal(own);
  CHECK_TEXT(text_of(own, "policies/a.lua"), "own a");
  CHECK_TEXT(text_of(site, "policies/a.lua"), "site a");
  CHECK_TEXT(bundle_find(own, SLICE("policies/a.lua"))->name, "tenants/acme/policies/a.lua");
  CHECK_TEXT(bundle_module_find(own, SLICE("lib.words"))->text, "site words");
  CHECK(bundle_find(own, SLICE("adapters/openai.lua")) != NULL);
  CHECK_TEXT(bundle_find(own, SLICE("adapters/openai.lua"))->name, "lua/adapters/openai.lua");
  CHECK(!bundle_own_find(own, SLICE("lib/words.lua")));
  CHECK(!bundle_module_find(own, SLICE("lib/words")));
  CHECK(!bundle_module_find(own, SLICE("")));
  CHECK(!bundle_module_find(own, SLICE("..")));
  bundle_unref(base);
  bundle_unref(site);
  CHECK(bundle_below(own) == site); /* held by the layer above */
  bundle_unref(own);
  config_problems_fini(&p);
}

static void test_refused(void) {
  struct bundle *b = bundle_new(SLICE("t"), NULL);
  static const char *const wrong[] = {"",   "/a.lua", "a//b.lua", "../a.lua", "a/../b", "a/.b",
                                      "a/", ".",      "a\\b",     "a\nb",     "..",     "a/./b"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    CHECK(bundle_add(b, slice_of(wrong[i]), SLICE("x")) != NULL);
  char *large = must_calloc(1, BUNDLE_FILE_BYTES + 1);
  CHECK(bundle_add(b, SLICE("large"), (struct slice){large, BUNDLE_FILE_BYTES + 1}) != NULL);
  CHECK(!bundle_add(b, SLICE("whole"), (struct slice){large, BUNDLE_FILE_BYTES}));
  CHECK(bundle_add(b, SLICE("whole"), SLICE("again")) != NULL);
  const char *why = NULL;
  for (int i = 0; !why && i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    why = bundle_add(b, slice_of(name), (struct slice){large, BUNDLE_FILE_BYTES});
  }
  CHECK(why != NULL);
  bundle_seal(b);
  bundle_unref(b);
  free(large);
}

static void test_digest(void) {
  struct bundle *a = bundle_new(SLICE("a"), NULL), *b = bundle_new(SLICE("b"), NULL);
  bundle_add(a, SLICE("x"), SLICE("1"));
  bundle_add(a, SLICE("y"), SLICE("2"));
  bundle_add(b, SLICE("y"), SLICE("2"));
  bundle_add(b, SLICE("x"), SLICE("1"));
  bundle_seal(a);
  bundle_seal(b);
  CHECK(digest_equal(bundle_digest(a), bundle_digest(b)));
  size_t count;
  CHECK_TEXT(bundle_files(b, &count)[0].path, "x");
  CHECK(count == 2);
  bundle_add(b, SLICE("z"), SLICE(""));
  bundle_seal(b);
  CHECK(!digest_equal(bundle_digest(a), bundle_digest(b)));
  bundle_unref(a);
  bundle_unref(b);
}

static void test_folder(void) {
  struct config_problems p;
  config_problems_init(&p);
  make_folder("acme");
  make_folder("acme/policies");
  make_folder("acme/.git");
  write_file("acme/tenant.lua", "return {}");
  write_file("acme/policies/a.lua", "a");
  write_file("acme/policies/a.lua~", "an editor's copy");
  write_file("acme/policies/#a.lua#", "what an editor saves meanwhile");
  write_file("acme/.git/config", "hidden");
  char path[200];
  snprintf(path, sizeof path, "%s/acme/b.lua", folder);
  must(symlink("policies/a.lua", path) == 0);
  snprintf(path, sizeof path, "%s/acme/", folder);
  struct bundle *b = bundle_read(slice_of(path), NULL, &p);
  CHECK(b && p.count == 0);
  size_t count = 0;
  if (b) bundle_files(b, &count);
  CHECK(count == 3);
  if (b) CHECK_TEXT(text_of(b, "b.lua"), "a");
  bundle_unref(b);
  snprintf(path, sizeof path, "%s/acme/passwd", folder);
  must(symlink("/etc/passwd", path) == 0);
  snprintf(path, sizeof path, "%s/acme", folder);
  CHECK(!bundle_read(slice_of(path), NULL, &p));
  CHECK(p.count == 1 && strstr(p.items[0], "leaves the folder"));
  CHECK(!bundle_read(SLICE("/nowhere/at/all"), NULL, &p));
  CHECK(p.count == 2);
  config_problems_fini(&p);
}

static void count_folder(void *context, const char *path) {
  (void)path;
  ++*(size_t *)context;
}

/* Links that lead back up are followed, and end: they would be as many folders as paths. */
static void test_links_in_a_circle(void) {
  struct config_problems p;
  char path[200];
  size_t folders = 0;
  struct bundle_survey survey = {.on_folder = count_folder, .context = &folders};
  config_problems_init(&p);
  make_folder("circle");
  for (int i = 0; i < 12; i++) {
    snprintf(path, sizeof path, "%s/circle/l%d", folder, i);
    must(symlink(".", path) == 0);
  }
  snprintf(path, sizeof path, "%s/circle", folder);
  CHECK(bundle_survey(slice_of(path), &survey));
  CHECK(folders > 12 && folders <= BUNDLE_FOLDERS_MAX + 1);
  CHECK(!bundle_read(slice_of(path), NULL, &p));
  CHECK(p.count > 0 && strstr(p.items[0], "too deep"));
  config_problems_fini(&p);
}

static void test_many_folders(void) {
  struct config_problems p;
  char path[200];
  config_problems_init(&p);
  make_folder("wide");
  for (int i = 0; i <= BUNDLE_FOLDERS_MAX; i++) {
    snprintf(path, sizeof path, "wide/%d", i);
    make_folder(path);
  }
  snprintf(path, sizeof path, "%s/wide", folder);
  CHECK(!bundle_read(slice_of(path), NULL, &p));
  CHECK(p.count == 1 && strstr(p.items[0], "more than 2000 folders"));
  config_problems_fini(&p);
}

/* A time that was set back hides nothing. */
static void test_survey_of_a_file_written_in_place(void) {
  struct bundle_survey before = {0}, after = {0};
  struct stat info;
  char path[200], file[200];
  make_folder("place");
  write_file("place/a.lua", "return 1");
  snprintf(path, sizeof path, "%s/place", folder);
  snprintf(file, sizeof file, "%s/place/a.lua", folder);
  must(stat(file, &info) == 0);
  CHECK(bundle_survey(slice_of(path), &before));
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* the kernel's clock has ticks */
  write_file("place/a.lua", "return 2");
  const struct timespec times[] = {info.st_atim, info.st_mtim};
  must(utimensat(AT_FDCWD, file, times, 0) == 0);
  CHECK(bundle_survey(slice_of(path), &after));
  CHECK(memcmp(before.digest, after.digest, SHA256_BYTES) != 0);
}

static void test_what_is_no_text(void) {
  struct config_problems p;
  struct bundle *b = bundle_new(SLICE("t"), NULL);
  config_problems_init(&p);
  CHECK(!bundle_add(b, SLICE("a.lua"), SLICE("-- caf\xc3\xa9 \xe4\xbd\xa0\n")));
  bundle_seal(b);
  CHECK(bundle_check_texts(b, &p) && p.count == 0);
  CHECK(!bundle_add(b, SLICE("b.lua"), SLICE("-- one\n-- caf\xe9\n")));
  CHECK(!bundle_add(b, SLICE("caf\xe9.lua"), SLICE("")));
  bundle_seal(b);
  CHECK(!bundle_check_texts(b, &p) && p.count == 2);
  CHECK(strncmp(p.items[0], "t/b.lua:2: is no UTF-8", 22) == 0);
  CHECK(strstr(p.items[1], "its name is no UTF-8") != NULL);
  bundle_unref(b);
  config_problems_fini(&p);
}

static void test_names(void) {
  CHECK(bundle_is_spec(SLICE("policies/a_spec.lua")));
  CHECK(!bundle_is_spec(SLICE("policies/a.lua")));
  CHECK(!bundle_is_spec(SLICE("_spec.lua")));
}

int main(void) {
  must(mkdtemp(folder) != NULL);
  test_layers();
  test_refused();
  test_digest();
  test_folder();
  test_links_in_a_circle();
  test_many_folders();
  test_survey_of_a_file_written_in_place();
  test_what_is_no_text();
  test_names();
  char command[96];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  must(system(command) == 0);
  return checks_end();
}
