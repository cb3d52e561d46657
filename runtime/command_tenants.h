/* Folders of tenants on disk, for commands. */
#pragma once
#include <stdbool.h>

bool tenants_is_folder(const char *path);
bool tenants_is_one(const char *folder); /* it looks like the folder of a tenant */
/* Every tenant's folder below root, in the order of their names. */
void tenants_each(const char *root, void (*visit)(void *context, const char *folder),
                  void *context);
