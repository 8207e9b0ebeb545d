/* SPDX-License-Identifier: MIT */
#include "status_view.h"

#include <splitsocks/status/status_text.h>

#include <string.h>

/* A path that carries less than this part of its equal share gets an explanation. */
#define LITTLE 0.5

/* A word of the document, and what to say of it. */
struct wording {
    const char *word, *says;
};

/* Nothing of a word that is not among them. */
static void explain_by(const struct wording *known, size_t count, const char *word,
                       FILE *stream)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, known[i].word) == 0)
            fputs(known[i].says, stream);
}

/* ---- the session ---- */

static void explain_session(const json_t *session, FILE *stream)
{
    const char *state = view_text(session, "state");
    double left_ms = view_number(session, "linger_ms") - view_number(session, "heard_ms");
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];

    const json_t *ending = json_object_get(session, "ending");

    if (strcmp(state, "up") == 0)
        return;
    if (json_is_object(ending))
        fprintf(stream, "Of the last session: %s.\n", view_text(ending, "reason"));
    if (strcmp(state, "lost") == 0)
        fprintf(stream,
                "Nothing has arrived from the relay for %s; streams are kept for another "
                "%s, and continue when some path works.\n",
                text_duration(view_number(session, "heard_ms"), a),
                text_duration(MAX(left_ms, 0), b));
    else if (strcmp(state, "connecting") == 0)
        fprintf(stream, "There is no session with the relay yet; streams wait some seconds "
                        "for a session.\n");
    else if (view_number(ending, "next_ms") > 0)
        fprintf(stream, "The next session begins in %s.\n",
                text_duration(view_number(ending, "next_ms"), a));
    else
        fprintf(stream,
                "The session has ended; another begins at once unless this local is "
                "being stopped.\n");
}

/* ---- paths that do not work ---- */

static void explain_dials(const json_t *path, FILE *stream)
{
    const json_t *dials = json_object_get(path, "dials");
    double failed = view_number(dials, "failed_in_a_row");
    char text[STATUS_TEXT_SIZE];

    if (failed > 0)
        fprintf(stream, " (%.0f failed in a row)", failed);
    if (view_number(json_object_get(path, "subflows"), "dialling") > 0)
        fprintf(stream, "; one is being tried now");
    else if (view_number(dials, "next_ms") > 0)
        fprintf(stream, "; the next may be tried in %s",
                text_duration(view_number(dials, "next_ms"), text));
    else
        fprintf(stream, "; the next is tried when one is needed");
}

/* Connections are accepted, but the relay does not answer on them. */
static void explain_unproven(const json_t *path, const char *reason, FILE *stream)
{
    const char *address = view_text(path, "relay_address");

    if (strcmp(reason, "unanswered") == 0)
        fprintf(
            stream,
            "%s takes connections but does not answer: the relay does not list this side's "
            "public key, has another key than relay.public_key, or has seen a later time "
            "stamp than this machine's clock shows; or this is not the relay",
            address);
    if (strcmp(reason, "stranger") == 0)
        fprintf(stream,
                "something answers at %s, but it is not the relay: the network may want a "
                "login first, or the relay has another address now",
                address);
}

static void explain_down(const json_t *path, FILE *stream)
{
    static const struct wording known[] = {
        {"refused", "the relay's machine refuses connections"},
        {"unreachable", "connections fail at once"},
        {"timed_out", "connections are not answered"},
        {"silent", "sent data is no longer acknowledged; new connections are "
                   "tried"},
    };
    const char *reason = view_text(path, "reason");

    if (strcmp(reason, "unusable") == 0) {
        fputs(view_known(path, "detail") ? view_text(path, "detail")
                                         : "its interface or address is gone",
              stream);
        return;
    }
    explain_by(known, ARRAY_LENGTH(known), reason, stream);
    explain_unproven(path, reason, stream);
    if (strcmp(reason, "unreachable") == 0 && view_known(path, "detail"))
        fprintf(stream, ": %s", view_text(path, "detail"));
    explain_dials(path, stream);
}

static void explain_untried(const json_t *path, FILE *stream)
{
    if (view_number(json_object_get(path, "subflows"), "dialling") > 0)
        fputs("it is being connected, and has not answered yet", stream);
    else
        fputs("no connection was needed on it yet", stream);
}

/* ---- paths that work ---- */

static const json_t *find_path(const json_t *paths, const char *name)
{
    const json_t *path;
    size_t index;

    json_array_foreach(paths, index, path)
        if (strcmp(view_text(path, "name"), name) == 0)
            return path;
    return NULL;
}

static double goodput(const json_t *path)
{
    return view_number(path, "goodput_up_bps") + view_number(path, "goodput_down_bps");
}

/* The path that delivers first, among those that carry something. */
static const json_t *find_fastest(const json_t *paths)
{
    const json_t *path, *best = NULL;
    size_t index;

    json_array_foreach(paths, index, path)
        if (goodput(path) > 0 && (best == NULL || view_number(path, "delivers_ms") <
                                                      view_number(best, "delivers_ms")))
            best = path;
    return best;
}

static void explain_later(const json_t *path, const json_t *rival, FILE *stream)
{
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];

    fprintf(stream, "data sent on it arrives after %s, on %s after %s",
            text_duration(view_number(path, "delivers_ms"), a), view_text(rival, "name"),
            text_duration(view_number(rival, "delivers_ms"), b));
}

/* Explains why a path carries little or no traffic. For the direction up local's own
 * estimates decide. The relay places the traffic down by its own estimates, of which only
 * the round trip is known here. */
static void explain_little(const json_t *path, const json_t *fastest, FILE *stream)
{
    double up = view_number(path, "goodput_up_bps");
    double estimated = view_number(path, "estimated_up_bps");
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];

    if (up > view_number(path, "goodput_down_bps")) {
        if (up >= estimated * LITTLE) {
            fprintf(stream, "; it can carry little more (%s)", text_rate(estimated, a));
        } else if (fastest != path) {
            fputs("; not more, since ", stream);
            explain_later(path, fastest, stream);
        }
    } else if (fastest != path) {
        fprintf(stream,
                "; the relay gives it only data that would arrive in time: the round "
                "trip is %s, on %s %s",
                text_duration(view_number(path, "rtt_ms"), a), view_text(fastest, "name"),
                text_duration(view_number(fastest, "rtt_ms"), b));
    }
}

static void explain_carries(const json_t *path, const json_t *paths, FILE *stream)
{
    const json_t *other;
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];
    double all = 0, part;
    size_t index, carrying = 0;

    json_array_foreach(paths, index, other) {
        all += goodput(other);
        carrying += goodput(other) > 0;
    }
    part = all > 0 ? goodput(path) / all : 0;
    fprintf(stream, "it carries %.0f%% of the traffic now, up %s and down %s", part * 100,
            text_rate(view_number(path, "goodput_up_bps"), a),
            text_rate(view_number(path, "goodput_down_bps"), b));
    if (json_is_true(json_object_get(path, "small_only"))) {
        fprintf(stream,
                "; it carries no bulk before better paths have been gone, or full, for %g s",
                view_number(json_object_get(path, "limits"), "bulk_after_s"));
        return;
    }
    if (carrying < 2 || part * (double)carrying >= LITTLE)
        return;
    if (view_number(json_object_get(path, "limits"), "cost") > 0)
        fprintf(stream, "; it is filled only when cheaper paths are full");
    else
        explain_little(path, find_fastest(paths), stream);
}

static void explain_allowed(const json_t *limits, FILE *stream)
{
    const json_t *modes = json_object_get(limits, "modes"), *mode;
    size_t index;

    if (!json_is_array(modes)) {
        fputs("the rules let no open stream use it", stream);
        return;
    }
    fputs("it is for streams of mode", stream);
    json_array_foreach(modes, index, mode)
        fprintf(stream, "%s %s", index > 0 ? " or" : "", json_string_value(mode));
    fputs(" alone, and no open stream may use it", stream);
}

static void explain_use(const json_t *path, const json_t *paths, FILE *stream)
{
    const json_t *limits = json_object_get(path, "limits");
    const json_t *rival = find_path(paths, view_text(path, "rival"));
    const char *use = view_text(path, "use"), *rival_name = view_text(path, "rival");

    if (strcmp(use, "carries") == 0)
        explain_carries(path, paths, stream);
    else if (strcmp(use, "backup") == 0)
        fprintf(stream, "it is a backup, and %s works", rival_name);
    else if (strcmp(use, "cost") == 0)
        fprintf(stream, "it costs more (%.0f) than %s (%.0f), which is not full",
                view_number(limits, "cost"), rival_name,
                view_number(json_object_get(rival, "limits"), "cost"));
    else if (strcmp(use, "not_allowed") == 0)
        explain_allowed(limits, stream);
    else if (strcmp(use, "later") == 0 && rival != NULL)
        explain_later(path, rival, stream);
    else if (strcmp(use, "idle") == 0)
        fputs("it works; no stream has anything to send", stream);
    else if (strcmp(use, "ready") == 0)
        fputs("it works, and may carry the next data", stream);
    else if (strcmp(use, "untried") == 0)
        explain_untried(path, stream);
    else
        explain_down(path, stream);
}

static void explain_mtu(const json_t *path, FILE *stream)
{
    const json_t *mtu = json_object_get(path, "mtu");

    if (json_is_true(json_object_get(mtu, "large_lost")))
        fputs("; it loses large packets and lets small ones through, and smaller packets "
              "do not help",
              stream);
    else if (strcmp(view_text(mtu, "source"), "found") == 0)
        fprintf(stream,
                "; it loses packets of more than %.0f bytes silently (an MTU black hole), "
                "so it is used with smaller ones",
                view_number(mtu, "bytes"));
}

/* What the network lets connections do, one line for each port that it limits. */
static void explain_ports(const json_t *path, FILE *stream)
{
    const json_t *port, *sentence;
    bool limited = false;
    size_t index, i;

    json_array_foreach(json_object_get(path, "ports"), index, port) {
        const json_t *says = json_object_get(port, "says");

        if (json_array_size(says) == 0)
            continue;
        limited = true;
        fprintf(stream, "%s, port %.0f: ", view_text(path, "name"),
                view_number(port, "port"));
        json_array_foreach(says, i, sentence)
            fprintf(stream, "%s%s", i > 0 ? "; " : "", json_string_value(sentence));
        fputs(".\n", stream);
    }
    if (limited && view_known(path, "slots_wanted"))
        fprintf(stream, "%s: %.0f connections pay while data waits.\n",
                view_text(path, "name"), view_number(path, "slots_wanted"));
}

static void explain_paths(const json_t *paths, FILE *stream)
{
    const json_t *path;
    size_t index;

    json_array_foreach(paths, index, path) {
        fprintf(stream, "%s: ", view_text(path, "name"));
        explain_use(path, paths, stream);
        explain_mtu(path, stream);
        if (view_known(path, "hint"))
            fprintf(stream, "; %s", view_text(path, "hint"));
        fputs(".\n", stream);
        explain_ports(path, stream);
    }
}

/* ---- streams ---- */

static void explain_wait(const json_t *item, const char *what, FILE *stream)
{
    static const struct wording known[] = {
        {"name", "its name to be resolved"},
        {"session", "a session with the relay"},
        {"stream_limit", "another stream to end, since the relay allows no more"},
        {"connect", "the destination to answer"},
        {"subflow", "a subflow that can take its data"},
        {"stream_credit",
         "the relay to grant it credit, as the relay does when the destination reads"},
        {"peer_reader", "the destination to read: it takes no data now"},
        {"session_credit", "the relay to grant all streams together more credit"},
        {"acknowledgement", "the relay to acknowledge sent data"},
        {"missing_data", "missing data, since later data is here already"},
    };
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];

    explain_by(known, ARRAY_LENGTH(known), what, stream);
    if (strcmp(what, "reader") == 0)
        fprintf(stream,
                "the program on this machine to read: %s are here, and it has taken "
                "nothing for %s",
                text_bytes(view_number(item, "unread_bytes"), a),
                text_duration(view_number(item, "reader_idle_ms"), b));
}

static void explain_streams(const json_t *streams, FILE *stream)
{
    const json_t *item, *what;
    size_t index, i;

    json_array_foreach(streams, index, item) {
        const json_t *waits = json_object_get(item, "waits_for");

        if (json_array_size(waits) == 0)
            continue;
        fprintf(stream, "The stream to %s waits", view_text(item, "destination"));
        json_array_foreach(waits, i, what) {
            fputs(i > 0 ? "; for " : " for ", stream);
            explain_wait(item, json_string_value(what), stream);
        }
        fputs(".\n", stream);
    }
}

/* ---- all of it ---- */

static void explain_listeners(const json_t *listeners, FILE *stream)
{
    const json_t *listener;
    size_t index;

    json_array_foreach(listeners, index, listener)
        if (view_listener_absent(listener))
            fprintf(stream,
                    "Nobody can connect to %s: no interface of this machine has that "
                    "address now.\n",
                    view_text(listener, "address"));
}

static void explain_one(const json_t *status, FILE *stream)
{
    explain_session(json_object_get(status, "session"), stream);
    explain_listeners(json_object_get(status, "listeners"), stream);
    explain_paths(json_object_get(status, "paths"), stream);
    explain_streams(json_object_get(status, "streams"), stream);
}

void status_explain(const json_t *document, FILE *stream)
{
    const json_t *retired;
    size_t index;

    explain_one(document, stream);
    json_array_foreach(json_object_get(document, "retired"), index, retired) {
        fputs("\nOf an earlier configuration:\n", stream);
        explain_one(retired, stream);
    }
}
