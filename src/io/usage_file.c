#include <splitsocks/usage_file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int usage_file_load(const char *path, struct usage *usage)
{
    char text[USAGE_TEXT_MAX + 1];
    size_t length = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *usage = (struct usage){.month = 0};
    if (fd < 0)
        return errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM;
    while ((n = read(fd, text + length, sizeof(text) - length)) > 0)
        length += (size_t)n;
    close(fd);
    return n < 0 ? ERROR_SYSTEM : usage_parse(usage, text, length);
}

/* Of the file's folder; NULL when memory is out. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return strdup(".");
    return strndup(path, (size_t)MAX(slash - path, 1));
}

static int make_folders(char *folder)
{
    for (char *at = folder + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return ERROR_SYSTEM;
        *at = '/';
    }
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? OK : ERROR_SYSTEM;
}

static int make_folder_of(const char *path)
{
    char *folder = folder_of(path);
    int error = folder != NULL ? make_folders(folder) : ERROR_MEMORY;

    free(folder);
    return error;
}

/* The new text under another name; only its rename is waited for, and not the disk: what a
 * loss of power takes away is the count of the last seconds. */
static int write_beside(const char *beside, const struct usage *usage)
{
    char text[USAGE_TEXT_MAX];
    size_t length = usage_format(usage, text);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error = OK;

    if (fd < 0)
        return ERROR_SYSTEM;
    if (write(fd, text, length) != (ssize_t)length)
        error = ERROR_SYSTEM;
    if (close(fd) != 0)
        error = ERROR_SYSTEM;
    return error;
}

int usage_file_save(const char *path, const struct usage *usage)
{
    char *beside = NULL;
    int error;

    if (asprintf(&beside, "%s.%ld", path, (long)getpid()) < 0)
        return ERROR_MEMORY;
    error = write_beside(beside, usage);
    if (error != OK && errno == ENOENT && (error = make_folder_of(path)) == OK)
        error = write_beside(beside, usage);
    if (error == OK && rename(beside, path) != 0)
        error = ERROR_SYSTEM;
    if (error != OK) {
        int saved = errno;

        unlink(beside);
        errno = saved;
    }
    free(beside);
    return error;
}

int usage_file_lock(const char *path, int *lock)
{
    char *folder = folder_of(path);

    *lock = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    if (*lock < 0)
        return ERROR_SYSTEM;
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return OK;
    return errno == EWOULDBLOCK ? ERROR_DENIED : ERROR_SYSTEM;
}

void usage_file_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}
