/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/stream/stream.h>

#include <stdlib.h>

void copies_free(struct copies *copies)
{
    if (copies == NULL)
        return;
    for (unsigned i = 0; i < COPIES_WAYS; i++)
        ranges_clear(&copies->taken[i]);
    free(copies);
}

int copies_sent(struct stream *stream, unsigned way, uint64_t start, uint64_t end)
{
    if (stream->copies == NULL) {
        stream->copies = calloc(1, sizeof(*stream->copies));
        if (stream->copies == NULL)
            return ERROR_MEMORY;
        for (unsigned i = 0; i < COPIES_WAYS; i++)
            ranges_init(&stream->copies->taken[i], stream->acked.share);
    }
    return ranges_add(&stream->copies->taken[way], start, end);
}

int copies_lost(struct stream *stream, unsigned path, uint64_t start, uint64_t end)
{
    int result;

    if (stream->copies == NULL)
        return OK;
    result = ranges_remove(&stream->copies->taken[path], start, end);
    /* The range may have gone either way. At worst one copy too many follows. */
    if (result == OK)
        result = ranges_remove(&stream->copies->taken[COPIES_TWIN(path)], start, end);
    return result;
}

void copies_acked(struct stream *stream)
{
    if (stream->copies == NULL)
        return;
    for (unsigned i = 0; i < COPIES_WAYS; i++)
        ranges_remove_before(&stream->copies->taken[i], stream->out_acked);
}
