#include "control_places.h"

#include "read_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The system's services are given a folder of this name each, see contrib/systemd. */
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

static int add(struct control_places *places, char *path)
{
    if (path == NULL)
        return ERROR_MEMORY;
    places->paths[places->count++] = path;
    return OK;
}

/* FOLDER/SUBFOLDER/NAME.sock */
static int add_usual(struct control_places *places, const char *folder,
                     size_t folder_length, const char *subfolder, const char *config_path)
{
    const char *name;
    int length = name_length(config_path, &name);
    char *path;

    if (asprintf(&path, "%.*s%s/%.*s.sock", (int)folder_length, folder, subfolder, length,
                 name) < 0)
        path = NULL;
    return add(places, path);
}

/* What the environment names, an absolute path; systemd lists several with colons. */
static int add_environment(struct control_places *places, const char *variable,
                           const char *subfolder, const char *config_path)
{
    const char *folder = getenv(variable);

    if (folder == NULL || folder[0] != '/')
        return OK;
    return add_usual(places, folder, strcspn(folder, ":"), subfolder, config_path);
}

static int add_service(struct control_places *places, const char *config_path)
{
    const char *name;
    int length = name_length(config_path, &name);
    char *path;

    if (asprintf(&path, SERVICES "/%.*s/%.*s.sock", length, name, length, name) < 0)
        path = NULL;
    return add(places, path);
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
    return error;
}

int control_places_find(struct control_places *places, const char *config_path,
                        const struct config_control *control)
{
    int error = control_places_own(places, config_path, control);

    if (error == OK && !control->given)
        error = add_service(places, config_path);
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
