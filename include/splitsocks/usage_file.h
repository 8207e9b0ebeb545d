/* The state file with a struct usage. Errors have errno set where they are ERROR_SYSTEM. */
#ifndef SPLITSOCKS_USAGE_FILE_H
#define SPLITSOCKS_USAGE_FILE_H

#include <splitsocks/usage.h>

/* Returns OK; ERROR_NOT_FOUND: there is no file; ERROR_MALFORMED: it is damaged; or
 * ERROR_SYSTEM. Unless OK, `usage` is empty. */
int usage_file_load(const char *path, struct usage *usage) MUST_CHECK;
/* Writes it anew, so that there always is a whole file, the old or the new one. Folders
 * that are missing are made, for this user alone. Returns OK, ERROR_MEMORY or ERROR_SYSTEM.
 */
int usage_file_save(const char *path, const struct usage *usage) MUST_CHECK;

/* Keeps others from saving between a load and a save. Returns OK; ERROR_DENIED: another has
 * the lock now; or ERROR_SYSTEM: it is not to be had, for instance since there is no folder
 * yet. *lock is for usage_file_unlock() in any case. */
int usage_file_lock(const char *path, int *lock) MUST_CHECK;
void usage_file_unlock(int lock);

#endif
