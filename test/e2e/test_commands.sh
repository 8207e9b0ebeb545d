#!/bin/sh
# SPDX-License-Identifier: MIT
# check and keygen: what they print, what they leave behind and how they exit. Every sample
# passes check, and the manual page of the configuration names every key and sample.
# Prints TAP.
set -u

splitsocks=${SPLITSOCKS:-./splitsocks}
top=${TOP_SRCDIR:-.}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
# The words that the manual page sets in bold or italics, one line each.
manual=$scratch/manual
sed -n 's/\\-/-/g; /^\.[BI]/p' "$top/doc/splitsocks.conf.5" >"$manual"
test_number=0

# result NAME STATUS: one TAP result; the last run's output explains a failure.
result() {
    test_number=$((test_number + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $test_number - $1"
    else
        echo "not ok $test_number - $1"
        sed 's/^/# /' "$scratch/out" "$scratch/err"
    fi
}

# run STATUS ARGUMENT...: runs the program; true when it exits with STATUS.
run() {
    expected=$1
    shift
    "$splitsocks" "$@" >"$scratch/out" 2>"$scratch/err"
    [ $? -eq "$expected" ]
}

printed() { # printed TEXT: standard output is exactly this
    [ "$(cat "$scratch/out")" = "$1" ]
}

explained() { # explained PATTERN: standard error is one line that has it
    [ "$(wc -l <"$scratch/err")" -eq 1 ] && grep -q -- "$1" "$scratch/err"
}

# The samples, with the keys that they name.
mkdir "$scratch/samples"
cp "$top"/config/*.json "$scratch/samples" && chmod u+w "$scratch"/samples/*
for key in local relay; do
    "$splitsocks" keygen "$scratch/samples/$key.key" >/dev/null
done
for sample in "$scratch"/samples/*.json; do
    kind=${sample##*/}
    kind=${kind%.json}
    # A thing that this machine lacks is no mistake of the sample.
    run 0 check "${kind%%-*}" "$sample" && printed "$sample: ok" &&
        ! grep -v '^warning: ' "$scratch/err"
    result "the sample ${sample##*/} is right" $?
    run 2 check "$(echo "${kind%%-*}" | sed 's/local/x/;s/relay/local/;s/x/relay/')" "$sample"
    result "the sample ${sample##*/} is not one of the other kind" $?
    grep -qwF "${sample##*/}" "$manual"
    result "the manual page explains ${sample##*/}" $?
done

missing=$(sed -n 's/.*\.name = "\([a-z_]*\)".*/\1/p' "$top"/src/config/*.[ch] | sort -u |
    while read -r key; do
        grep -qwF "$key" "$manual" || echo "$key"
    done)
echo "not in the manual page: $missing" >"$scratch/out"
[ -z "$missing" ]
result 'the manual page names every key' $?

cd "$scratch" || exit 1
cp samples/local.key local.key
cat >open.json <<'END'
{ "relay": { "host": "192.0.2.1", "public_key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" },
  "private_key_file": "local.key",
  "listen": [ { "address": "0.0.0.0" } ], "dns": { "resolve": "relay" } }
END
run 0 check local open.json && printed 'open.json: ok' &&
    explained '^warning: open.json:3: listen\[0\].address: '
result 'a warning does not make a configuration wrong' $?

# A user who lets others use the proxy should know where the names that they ask for go.
sed 's/"0.0.0.0" }/"0.0.0.0", "users": { "ann": "secret" } }/; s/"relay" }/"local" }/' open.json >names.json
chmod 600 names.json
run 0 check local names.json
explained '^warning: names.json:3: listen\[0\]: .*dns.resolve'
result 'names that others ask for are said to leave in clear' $?
sed 's/"listen"/"lisden"/' open.json >wrong.json
run 2 check local wrong.json && printed '' &&
    explained '^wrong.json:3: lisden: unknown key; did you mean "listen"?'
result 'a mistake is explained' $?
run 2 check local absent.json && explained 'absent.json: No such file'
result 'an absent file is explained' $?
run 2 check local .
result 'a folder is no configuration' $?
head -c 5000000 /dev/zero | tr '\0' ' ' >large.json
run 2 check local large.json && explained 'large.json: it is larger than'
result 'a huge file is refused' $?
run 2 check && run 2 check local && run 2 check both open.json && run 2 check local a b
result 'wrong arguments of check are a matter of usage' $?

umask 000
run 0 keygen new.key && grep -qE '^[A-Za-z0-9+/]{43}=$' out && [ "$(wc -l <out)" -eq 1 ]
result 'keygen prints the public key on one line' $?
public=$(cat out)
[ "$(stat -c %a new.key)" = 600 ] && [ "$(stat -c %s new.key)" -eq 45 ] &&
    ! grep -qF "$public" new.key
result 'keygen writes the private key for its owner alone' $?
run 0 keygen -y new.key && printed "$public"
result 'keygen -y prints the same public key' $?
cp new.key before
run 1 keygen new.key && explained 'new.key: File exists' && printed '' && cmp -s new.key before
result 'keygen does not overwrite' $?
run 0 keygen other.key && ! printed "$public"
result 'keygen makes another key each time' $?
ln -s nowhere link.key
run 1 keygen link.key && [ ! -e nowhere ]
result 'keygen does not follow a link' $?
run 1 keygen absent/new.key && explained 'No such file'
result 'keygen explains what it cannot write' $?
run 2 keygen && run 2 keygen -x && run 2 keygen a b && run 2 keygen -y && [ ! -e ./-y ]
result 'wrong arguments of keygen are a matter of usage' $?
if [ -c /dev/full ]; then
    "$splitsocks" keygen -y new.key 2>err >/dev/full
    [ $? -eq 1 ] && explained 'cannot print'
    result 'a public key that cannot be printed is a failure' $?
fi

# The private key of RFC 7748 section 6.1 (Alice) has a known public key.
echo 'dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=' >rfc.key
chmod 400 rfc.key
run 0 keygen -y rfc.key && printed 'hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo='
result 'the public key is that of RFC 7748' $?
for mode in 640 604 620 602 610 601; do
    chmod $mode rfc.key
    run 1 keygen -y rfc.key && explained 'others can access it' && printed ''
    result "a private key with mode $mode is refused" $?
done
chmod 600 rfc.key
printf 'dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo= \r\n\n' >rfc.key
run 0 keygen -y rfc.key
result 'blanks after the key do no harm' $?
for contents in '' 'dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo' "$public $public" 'a key'; do
    echo "$contents" >rfc.key
    run 1 keygen -y rfc.key && explained 'holds no private key' && printed ''
    result "'$contents' is no private key" $?
done
mkfifo -m 600 fifo.key
run 1 keygen -y fifo.key && explained 'not a regular file'
result 'a private key is no FIFO' $?
if [ "$(id -u)" -eq 0 ] && chown 65534 new.key 2>/dev/null; then
    run 0 keygen -y new.key && printed "$public"
    result "root may use another user's private key" $?
    if command -v setpriv >/dev/null; then
        chown 65533 new.key
        chmod 755 .
        cp "$splitsocks" program 2>/dev/null && splitsocks=./program
        setpriv --reuid 65534 --regid 65534 --clear-groups "$splitsocks" keygen -y new.key \
            >out 2>err
        [ $? -eq 1 ] && explained 'belongs to the user 65533); run the program as that user'
        result "a private key that cannot be read is explained" $?
    fi
fi

run 2 && run 2 nonsense && run 0 --help && run 0 --version
result 'the program explains itself' $?
echo "1..$test_number"
