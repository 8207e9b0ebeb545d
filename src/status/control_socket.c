/* SPDX-License-Identifier: MIT */
#include "control_socket.h"

#include <splitsocks/base/error.h>
#include <splitsocks/status/control.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_PATH_SIZE sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define BACKLOG 16
/* Another process that starts at the same time holds the folder's lock only while it makes
 * a socket. */
#define LOCK_TRIES 20
#define LOCK_PAUSE_NS 10000000L

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* ---- the folder ---- */

static int lock_folder(int folder)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(folder, LOCK_EX | LOCK_NB) == 0)
            return OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ERROR_SYSTEM;
        nanosleep(&pause, NULL);
    }
    return ERROR_SYSTEM;
}

static bool trusted(uid_t user, uid_t owner)
{
    return user == 0 || user == geteuid() || user == owner;
}

/* A user who may rename files in the folder, or change the link that leads to it, may put
 * another socket in place of ours. */
static const char *judge_folder(const char *name, const struct stat *status, uid_t owner)
{
    struct stat link;

    if (lstat(name, &link) == 0 && S_ISLNK(link.st_mode) && !trusted(link.st_uid, owner))
        return "its folder is another user's link";
    if (!trusted(status->st_uid, owner))
        return "its folder belongs to another user";
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status->st_mode & S_ISVTX) == 0)
        return "others can write to its folder";
    return NULL;
}

/* Copies `path`, which fits, and cuts off the last name. */
static const char *folder_of(const char *path, char copy[CONTROL_PATH_SIZE])
{
    snprintf(copy, CONTROL_PATH_SIZE, "%s", path);
    return dirname(copy);
}

/* Opens the folder of `path`, makes it if it is missing, and locks it. So when two
 * processes find the same dead socket, one replaces it and the other sees that it is
 * served. */
static int open_folder(const char *path, int *folder, const char **why)
{
    char copy[CONTROL_PATH_SIZE];
    const char *name = folder_of(path, copy);
    struct stat status;
    int error = OK;

    if (mkdir(name, 0700) != 0 && errno != EEXIST)
        return ERROR_SYSTEM;
    *folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*folder < 0)
        return ERROR_SYSTEM;
    if (fstat(*folder, &status) != 0) {
        error = ERROR_SYSTEM;
    } else if ((*why = judge_folder(name, &status, geteuid())) != NULL) {
        error = ERROR_PERMISSION;
    } else {
        error = lock_folder(*folder);
    }
    if (error != OK) {
        close(*folder);
        *folder = -1;
    }
    return error;
}

/* ---- a file that is there already ---- */

/* Whether a process serves the socket; true also when that cannot be told. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = new_socket();
    bool served;

    if (fd < 0)
        return true;
    served = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
             errno != ECONNREFUSED;
    close(fd);
    return served;
}

/* Removes a dead socket at the path. */
static int clear_path(const struct sockaddr_un *address, const char **why)
{
    struct stat status;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? OK : ERROR_SYSTEM;
    if (!S_ISSOCK(status.st_mode)) {
        *why = "the file there is not a socket";
        return ERROR_DENIED;
    }
    if (is_served(address)) {
        *why = "another process serves it";
        return ERROR_DENIED;
    }
    return unlink(address->sun_path) == 0 ? OK : ERROR_SYSTEM;
}

/* ---- the socket ---- */

static bool set_path(struct sockaddr_un *address, const char *path, const char **why)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        *why =
            "its path is longer than 107 bytes, which is the most that a socket can have";
        return false;
    }
    strcpy(address->sun_path, path);
    return true;
}

static int bind_socket(struct control_socket *control)
{
    const struct sockaddr *address = (const struct sockaddr *)&control->address;
    struct stat status;

    control->fd = new_socket();
    if (control->fd < 0)
        return ERROR_SYSTEM;
    /* The file takes over the socket's mode, so that it is never open to other users. */
    if (fchmod(control->fd, 0600) == 0 &&
        bind(control->fd, address, sizeof(control->address)) == 0) {
        if (listen(control->fd, BACKLOG) == 0 &&
            lstat(control->address.sun_path, &status) == 0) {
            control->device = status.st_dev;
            control->inode = status.st_ino;
            return OK;
        }
        unlink(control->address.sun_path);
    }
    close(control->fd);
    control->fd = -1;
    return ERROR_SYSTEM;
}

int control_socket_open(struct control_socket *control, const char *path, const char **why)
{
    int folder, error;

    *control = (struct control_socket){.fd = -1, .address = {.sun_family = AF_UNIX}};
    *why = NULL;
    if (!set_path(&control->address, path, why))
        return ERROR_LIMIT;
    error = open_folder(path, &folder, why);
    if (error != OK)
        return error;
    error = clear_path(&control->address, why);
    if (error == OK)
        error = bind_socket(control);
    close(folder); /* and its lock */
    return error;
}

/* Root may ask a service. Its folder, /run/splitsocks/NAME, belongs to the service's user,
 * but only root can have put it there. */
static bool made_by_root(const char *name)
{
    char copy[CONTROL_PATH_SIZE];
    struct stat status;

    return geteuid() == 0 && stat(folder_of(name, copy), &status) == 0 &&
           status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

const char *control_distrust(const char *path, uid_t owner)
{
    char copy[CONTROL_PATH_SIZE];
    const char *name, *why = NULL;
    struct sockaddr_un address;
    struct stat status;

    if (!set_path(&address, path, &why))
        return why;
    name = folder_of(path, copy);
    if (stat(name, &status) != 0 || made_by_root(name))
        return NULL; /* no socket that could be trusted, or all is well */
    why = judge_folder(name, &status, owner);
    if (why == NULL && lstat(path, &status) == 0 && !trusted(status.st_uid, owner))
        why = "it belongs to another user";
    return why;
}

int control_check(const char *path, const char **why)
{
    char copy[CONTROL_PATH_SIZE], parent[CONTROL_PATH_SIZE];
    struct sockaddr_un address;
    struct stat status;
    const char *name;

    *why = NULL;
    if (!set_path(&address, path, why))
        return ERROR_LIMIT;
    name = folder_of(path, copy);
    if (stat(name, &status) != 0) {
        /* control_new() would make the folder. */
        if (errno == ENOENT)
            name = folder_of(name, parent);
    } else if ((*why = judge_folder(name, &status, geteuid())) != NULL) {
        return ERROR_PERMISSION;
    }
    if (faccessat(AT_FDCWD, name, W_OK | X_OK, AT_EACCESS) != 0)
        return ERROR_SYSTEM;
    if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
        *why = "the file there is not a socket";
        return ERROR_DENIED;
    }
    if (lstat(path, &status) == 0 && is_served(&address))
        return ERROR_CLOSED;
    return OK;
}

void control_socket_close(struct control_socket *control)
{
    struct stat status;

    if (control->fd < 0)
        return;
    if (lstat(control->address.sun_path, &status) == 0 &&
        status.st_dev == control->device && status.st_ino == control->inode)
        unlink(control->address.sun_path);
    close(control->fd);
    control->fd = -1;
}
