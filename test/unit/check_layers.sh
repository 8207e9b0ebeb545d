#!/bin/sh
# SPDX-License-Identifier: MIT
# Proves the rooms. Those below `io` are pure: they take bytes and time as arguments, and their
# objects may name no socket, clock, random, file or event symbol. No room may name a symbol
# of a room above it, or include a header of one. No room may include a header that lies beside
# the sources of another, and those above the engine know only the faces of the session. Prints
# TAP.
set -u
export LC_ALL=C # join wants the order of sort

nm=${NM:-nm}
cc=${CC:-cc}
builddir=${TOP_BUILDDIR:-.}
srcdir=${TOP_SRCDIR:-.}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
test_number=0

# Each alternative is a whole symbol name; FORTIFY and large-file variants are stripped before.
sockets='socket|socketpair|connect|bind|listen|accept4?|shutdown|send|sendto|sendm?msg|sendfile|recv|recvfrom|recvm?msg|getsockopt|setsockopt|getsockname|getpeername|getaddrinfo|freeaddrinfo|gethostby.*|getnameinfo|if_nametoindex|if_indextoname|getifaddrs'
files='open|openat|openat2|creat|close|dup[23]?|pipe2?|p?readv?|p?writev?|f?ioctl|fcntl|f?stat|lstat|fstatat|statx|unlink|rename|access|mmap|fopen|fdopen|freopen|fclose|fread|fwrite|fgets|fputs|fputc|putc|puts|putchar|getline|v?f?printf|dprintf|perror|stdin|stdout|stderr|json_loadf|json_loadfd|json_load_file|json_dumpf|json_dumpfd|json_dump_file|BIO_new_file|BIO_new_fp'
clocks='time|clock|clock_gettime|clock_getres|gettimeofday|ftime|times|localtime(_r)?|nanosleep|clock_nanosleep|usleep|sleep|alarm|timer_.*|timerfd_.*|setitimer'
chance='getrandom|getentropy|s?rand|rand_r|s?random|[dlm]rand48|arc4random.*|RAND_.*|EVP_RAND_.*|EVP_PKEY_keygen|EVP_PKEY_generate|EVP_PKEY_Q_keygen'
events='ev_.*|ares_.*|poll|ppoll|p?select|epoll_.*|eventfd.*|signalfd|signal|sigaction|fork|vfork|exec.*|posix_spawn.*|system|popen|pthread_create|thrd_create|getenv|secure_getenv|setenv|syscall'
denied="$sockets|$files|$clocks|$chance|$events"

# symbols FLAG ARCHIVE: "object symbol" lines; FLAG as nm's (-u undefined, --defined-only).
symbols() {
    "$nm" -P -A -g "$1" "$2" 2>/dev/null |
        sed -n 's/^.*\[\(.*\)\]: \([^ @]*\).*/\1 \2/p'
}

# defined ARCHIVE: the symbols that its objects define, sorted; read once, since many rooms ask.
defined() {
    names=$scratch/$(basename "$1").defined
    [ -f "$names" ] || symbols --defined-only "$1" | cut -d' ' -f2 | sort -u >"$names"
    cat "$names"
}

# The standard error of the log's default sink is the one exception.
impure_symbols() {
    symbols -u "$1" |
        sed -e 's/ __\(.*\)_chk$/ \1/' -e 's/ __isoc[0-9]*_/ /' -e 's/64$//' |
        grep -E " ($denied)\$" |
        grep -vxE 'log\.o (fprintf|stderr)'
}

# upward_symbols ARCHIVE HIGHER...: the symbols that ARCHIVE needs and a higher layer defines.
upward_symbols() {
    symbols -u "$1" | sort -u -k 2,2 -k 1,1 >"$scratch/needs"
    defined "$1" >"$scratch/own"
    shift
    for higher in "$@"; do
        defined "$higher"
    done | sort -u | comm -23 - "$scratch/own" >"$scratch/theirs"
    join -1 2 -o 1.1,1.2 "$scratch/needs" "$scratch/theirs"
}

# report NAME OFFENCES: one TAP result, with the offending symbols below it.
report() {
    test_number=$((test_number + 1))
    if [ -z "$2" ]; then
        echo "ok $test_number - $1"
    else
        echo "not ok $test_number - $1"
        echo "$2" | sed 's/^/# /'
    fi
}

# self_test NAME EXPECTED SOURCE: the check itself, on an archive of one object.
self_test() {
    name=$1 expected=$2
    rm -f "$scratch/libsample.a"
    echo "$3" >"$scratch/sample.c"
    if ! $cc -c -o "$scratch/sample.o" "$scratch/sample.c" ||
        ! ar cr "$scratch/libsample.a" "$scratch/sample.o"; then
        report "$name" "the sample does not compile"
        return
    fi
    found=$(impure_symbols "$scratch/libsample.a")
    if [ "$found" = "$expected" ]; then
        report "$name" ''
    else
        report "$name" "found '$found', expected '$expected'"
    fi
}

# Lowest first. What a room may know stands before it, but for these: names and config know
# base alone, and relay and local do not know each other.
engine='engine/outbox engine/path engine/stream engine/flow engine/subflow engine/schedule engine/pool engine/session'
pure="base crypto wire $engine names proxy gate config"
rooms="$pure io status relay local app"

# archive ROOM: the file of its objects.
archive() {
    case $1 in
    crypto | config) echo "$builddir/lib$1-layer.a" ;;
    *) echo "$builddir/lib$(echo "$1" | tr / -).a" ;;
    esac
}

# unknown_to ROOM: the rooms that ROOM may know nothing of.
unknown_to() {
    case $1 in
    names | config) known=base ;;
    local) known=$(echo "$rooms" | sed 's/ relay local.*//') ;;
    *) known=" $rooms" && known=${known%%" $1 "*} ;;
    esac
    for room in $rooms; do
        case " $known $1 " in
        *" $room "*) ;;
        *) echo "$room" ;;
        esac
    done
}

# upward_includes ROOM: the lines that include a header of a room that ROOM may not know.
upward_includes() {
    pattern=
    for room in $(unknown_to "$1"); do
        pattern="$pattern${pattern:+|}$room"
    done
    [ -n "$pattern" ] || return
    for folder in "$srcdir/src/$1" "$srcdir/include/splitsocks/$1"; do
        [ ! -d "$folder" ] || grep -nE "#include <splitsocks/($pattern)/" "$folder"/*.[ch]
    done
}

# private_includes TREE ROOM: the lines that include what is no face of another room. The
# compiler looks for <...> in include/ alone, where faces are, and for "..." beside the file.
private_includes() {
    for folder in "$1/src/$2" "$1/include/splitsocks/$2"; do
        [ ! -d "$folder" ] || grep -nE '#include "[^"]*/' "$folder"/*.[ch]
    done
    case $2 in
    engine/session)
        grep -n '#include <splitsocks/engine/' "$1/include/splitsocks/$2"/*.h |
            grep -vE '<splitsocks/engine/(session/|outbox/types\.h>)'
        ;;
    engine/*) ;;
    *)
        grep -n '#include <splitsocks/engine/' "$1/src/$2"/*.[ch] "$1/include/splitsocks/$2"/*.h 2>/dev/null |
            grep -v '<splitsocks/engine/session/'
        ;;
    esac
}

# private_self_test NAME EXPECTED LINE: the check itself, on a gate whose one file has LINE.
private_self_test() {
    mkdir -p "$scratch/src/gate"
    echo "$3" >"$scratch/src/gate/sample.c"
    found=$(private_includes "$scratch" gate | wc -l)
    if [ "$found" -eq "$2" ]; then
        report "$1" ''
    else
        report "$1" "found $found lines, expected $2"
    fi
}

set -- $rooms
pure_count=$(echo "$pure" | wc -w)
echo "1..$((6 + pure_count + 3 * $# - 1))"
self_test 'a call of the clock is found' 'sample.o time' \
    'long time(long *); long now(void); long now(void) { return time(0); }'
self_test 'a libev symbol is found' 'sample.o ev_run' \
    'int ev_run(void); int loop(void); int loop(void) { return ev_run(); }'
self_test 'a pure object passes' '' \
    'int timer; int strcmp(const char *, const char *); int reads(void); int reads(void) { return strcmp("", ""); }'
private_self_test 'the parts of the session are private' 1 \
    '#include "../engine/session/session_parts.h"'
private_self_test 'the rooms of the engine are, too' 1 '#include <splitsocks/engine/subflow/subflow.h>'
private_self_test 'the faces of the session are not' 0 '#include <splitsocks/engine/session/session.h>'

for room in $pure; do
    if [ -f "$(archive "$room")" ]; then
        report "$room is pure" "$(impure_symbols "$(archive "$room")")"
    else
        report "$room is pure" 'it has not been built'
    fi
done
for room in $rooms; do
    [ "$room" != app ] || continue # it is no library, and nothing stands above it
    unknown=
    for other in $(unknown_to "$room"); do
        [ "$other" = app ] || unknown="$unknown $(archive "$other")"
    done
    # shellcheck disable=SC2086 # several words
    report "$room names no symbol of a room above" "$(upward_symbols "$(archive "$room")" $unknown)"
done
for room in $rooms; do
    report "$room includes no header of a room above" "$(upward_includes "$room")"
    report "$room includes only faces of other rooms" "$(private_includes "$srcdir" "$room")"
done
