/* Folders of tenants on disk, for commands. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

bool tenants_is_folder(const char *path);
bool tenants_is_one(const char *folder);  /* it looks like the folder of a tenant */
bool tenants_is_root(const char *folder); /* one below it does */
/* The length of the nearest folder above a file that looks like a tenant's; 0: there is none. */
size_t tenants_find_above(const char *path);
/* Every tenant's folder below root, in the order of their names. */
void tenants_each(const char *root, void (*visit)(void *context, const char *folder),
                  void *context);
