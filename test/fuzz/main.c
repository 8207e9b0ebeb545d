/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: every file of its corpus once, one TAP result each.
 * Without arguments the corpus of program fuzz_X is test/fuzz/corpus/X below $TOP_SRCDIR;
 * arguments name other files or folders, to replay a crash that a fuzzer found.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As libFuzzer declares it; every target defines it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct paths {
    char **items;
    size_t count;
};

_Noreturn static void die(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static char *format(const char *folder, const char *separator, const char *name)
{
    char *path;

    if (asprintf(&path, "%s%s%s", folder, separator, name) < 0)
        die(name);
    return path;
}

static void paths_add(struct paths *paths, char *path)
{
    char **items = realloc(paths->items, (paths->count + 1) * sizeof(*items));

    if (items == NULL)
        die(path);
    items[paths->count++] = path;
    paths->items = items;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Adds the file, or the files of the folder, in an order that does not change. */
static void paths_find(struct paths *paths, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);

    if (count < 0 && errno != ENOTDIR)
        die(path);
    if (count < 0) {
        paths_add(paths, format("", "", path));
        return;
    }
    for (int i = 0; i < count; i++) {
        paths_add(paths, format(path, "/", entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
}

/* The target gets a heap block of exactly the file's size, so that a sanitizer sees any
 * read past its end. */
static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        die(path);
    rewind(file);
    data = malloc((size_t)size);
    if ((data == NULL && size > 0) || fread(data, 1, (size_t)size, file) != (size_t)size)
        die(path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

static void find_corpus(struct paths *paths, const char *program)
{
    const char *top = getenv("TOP_SRCDIR");
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    char *corpus;

    if (strncmp(name, "fuzz_", 5) != 0)
        die(name);
    corpus = format(top != NULL ? top : ".", "/test/fuzz/corpus/", name + 5);
    paths_find(paths, corpus);
    free(corpus);
}

int main(int argc, char **argv)
{
    struct paths paths = {0};

    if (argc == 1)
        find_corpus(&paths, argv[0]);
    for (int i = 1; i < argc; i++)
        paths_find(&paths, argv[i]);

    printf("1..%zu\n", paths.count + 1);
    for (size_t i = 0; i < paths.count; i++) {
        /* Said first, so that the log of a crash names the file. */
        printf("# %s\n", paths.items[i]);
        fflush(stdout);
        replay(paths.items[i]);
        printf("ok %zu - %s\n", i + 1, basename(paths.items[i]));
        free(paths.items[i]);
    }
    printf("%s %zu - the corpus is not empty\n", paths.count > 0 ? "ok" : "not ok",
           paths.count + 1);
    free(paths.items);
    return paths.count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
