#include "command/tenants.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool tenants_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool has(const char *folder, const char *name) {
  char path[4096];
  struct stat info;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return stat(path, &info) == 0;
}

bool tenants_is_one(const char *folder) {
  return has(folder, "tenant.lua") || has(folder, "policies") || has(folder, "adapters") ||
         has(folder, "lib") || has(folder, "rbac");
}

static void on_folder(void *context, const char *folder) {
  bool *found = context;
  *found = *found || tenants_is_one(folder);
}

bool tenants_is_root(const char *folder) {
  bool found = false;
  tenants_each(folder, on_folder, &found);
  return found;
}

static bool is_one_up_to(const char *path, size_t len) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%.*s", (int)len, path);
  return len < sizeof folder && tenants_is_one(folder);
}

size_t tenants_find_above(const char *path) {
  for (size_t len = strlen(path); len > 0; len--)
    if (path[len] == '/' && is_one_up_to(path, len)) return len;
  return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

void tenants_each(const char *root, void (*visit)(void *context, const char *folder),
                  void *context) {
  struct dirent **names;
  int count = scandir(root, &names, NULL, by_name);
  size_t len = strlen(root);
  while (len > 1 && root[len - 1] == '/')
    len--;
  for (int i = 0; i < count; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%.*s/%s", (int)len, root, names[i]->d_name);
    if (names[i]->d_name[0] != '.' && tenants_is_folder(path)) visit(context, path);
    free(names[i]);
  }
  if (count >= 0) free(names);
}
