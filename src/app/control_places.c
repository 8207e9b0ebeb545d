/* SPDX-License-Identifier: MIT */
#include "control_places.h"

#include "folders.h"
#include "read_file.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Services get a folder of this name each, see contrib/systemd. */
#define SERVICES "/run/splitsocks"

/* The configuration's base name, without its suffix. */
static int name_length(const char *config_path, const char **name)
{
    const char *slash = strrchr(config_path, '/');
    size_t length;

    *name = slash != NULL ? slash + 1 : config_path;
    length = strlen(*name);
    if (length > 5 && strcmp(*name + length - 5, ".json") == 0)
        length -= 5;
    return (int)length;
}

/* Keeps `path` unless it is there already. */
static int add(struct control_places *places, char *path)
{
    if (path == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->paths[i], path) == 0) {
            free(path);
            return OK;
        }
    assert(places->count < CONTROL_PLACES_MAX);
    places->paths[places->count++] = path;
    return OK;
}

/* FOLDER/NAME.sock */
PRINTF_LIKE(3, 4)
static int add_in(struct control_places *places, const char *config_path,
                  const char *format, ...)
{
    const char *name;
    int length = name_length(config_path, &name);
    char *folder, *path = NULL;
    va_list arguments;
    int written;

    va_start(arguments, format);
    written = vasprintf(&folder, format, arguments);
    va_end(arguments);
    if (written < 0)
        return ERROR_MEMORY;
    if (asprintf(&path, "%s/%.*s.sock", folder, length, name) < 0)
        path = NULL;
    free(folder);
    return add(places, path);
}

/* Adds the absolute paths in an environment variable; systemd separates several by
 * colons. */
static int add_environment(struct control_places *places, const char *variable,
                           const char *subfolder, const char *config_path)
{
    const char *folder = environment_folder(variable);

    if (folder == NULL)
        return OK;
    return add_in(places, config_path, "%.*s%s", (int)strcspn(folder, ":"), folder,
                  subfolder);
}

/* Adds places that need no environment, which cron and containers may lack: the folder
 * that systemd-logind makes for a user, while it exists, and one of our own. */
static int add_of_user(struct control_places *places, uid_t user, const char *config_path)
{
    unsigned long number = user;
    struct stat status;
    char runtime[64];
    int error = OK;

    snprintf(runtime, sizeof(runtime), "/run/user/%lu", number);
    if (stat(runtime, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == user)
        error = add_in(places, config_path, "%s/splitsocks", runtime);
    if (error == OK)
        error = add_in(places, config_path, "/tmp/splitsocks-%lu", number);
    return error;
}

static int add_service(struct control_places *places, const char *config_path)
{
    const char *name;
    int length = name_length(config_path, &name);

    return add_in(places, config_path, SERVICES "/%.*s", length, name);
}

int control_places_own(struct control_places *places, const char *config_path,
                       const struct config_control *control)
{
    int error;

    *places = (struct control_places){.count = 0};
    if (control->given)
        return control->file == NULL
                   ? OK
                   : add(places, resolve_file(config_path, control->file));
    error = add_environment(places, "RUNTIME_DIRECTORY", "", config_path);
    if (error == OK && places->count == 0)
        error = add_environment(places, "XDG_RUNTIME_DIR", "/splitsocks", config_path);
    if (error == OK)
        error = add_of_user(places, geteuid(), config_path);
    if (error != OK)
        control_places_free(places);
    return error;
}

int control_places_find(struct control_places *places, const char *config_path,
                        const struct config_control *control, uid_t *owner)
{
    int error = control_places_own(places, config_path, control);
    struct stat status;

    *owner = geteuid();
    if (*owner == 0 && stat(config_path, &status) == 0)
        *owner = status.st_uid;
    if (error != OK || control->given)
        return error;
    error = add_service(places, config_path);
    if (error == OK)
        error = add_of_user(places, *owner, config_path);
    if (error != OK)
        control_places_free(places);
    return error;
}

void control_places_free(struct control_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->paths[i]);
    places->count = 0;
}
