#!/bin/sh
# Proves the layers. The pure ones (base, crypto, core, config) take bytes and time as
# arguments: their objects may name no socket, clock, random, file or event symbol; and no
# layer may name a symbol that a layer above it defines. Prints TAP.
set -u

nm=${NM:-nm}
cc=${CC:-cc}
builddir=${TOP_BUILDDIR:-.}
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

# The standard error of the log's default sink is the one exception.
impure_symbols() {
    symbols -u "$1" |
        sed -e 's/ __\(.*\)_chk$/ \1/' -e 's/ __isoc[0-9]*_/ /' -e 's/64$//' |
        grep -E " ($denied)\$" |
        grep -vxE 'log\.o (fprintf|stderr)'
}

# upward_symbols ARCHIVE HIGHER...: what ARCHIVE needs and a higher layer defines.
upward_symbols() {
    symbols -u "$1" | sort -u >"$scratch/needs"
    symbols --defined-only "$1" | cut -d' ' -f2 | sort -u >"$scratch/own"
    shift
    for higher in "$@"; do
        symbols --defined-only "$higher" | cut -d' ' -f2
    done | sort -u | comm -23 - "$scratch/own" >"$scratch/theirs"
    while read -r object symbol; do
        if grep -qxF -- "$symbol" "$scratch/theirs"; then
            echo "$object $symbol"
        fi
    done <"$scratch/needs"
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

archive() {
    echo "$builddir/lib$1.a"
}

base=$(archive base) crypto=$(archive crypto-layer) core=$(archive core)
config=$(archive config-layer) io=$(archive io)

echo 1..11
self_test 'a call of the clock is found' 'sample.o time' \
    'long time(long *); long now(void); long now(void) { return time(0); }'
self_test 'a libev symbol is found' 'sample.o ev_run' \
    'int ev_run(void); int loop(void); int loop(void) { return ev_run(); }'
self_test 'a pure object passes' '' \
    'int timer; int strcmp(const char *, const char *); int reads(void); int reads(void) { return strcmp("", ""); }'

for layer in "$base" "$crypto" "$core" "$config"; do
    if [ -f "$layer" ]; then
        report "${layer##*/} is pure" "$(impure_symbols "$layer")"
    else
        report "${layer##*/} is pure" 'it has not been built'
    fi
done
report 'base needs no layer above it' "$(upward_symbols "$base" "$crypto" "$core" "$config" "$io")"
report 'crypto needs no layer above it' "$(upward_symbols "$crypto" "$core" "$config" "$io")"
report 'core needs no layer above it' "$(upward_symbols "$core" "$config" "$io")"
report 'config needs nothing but base' "$(upward_symbols "$config" "$crypto" "$core" "$io")"
