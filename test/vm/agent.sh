#!/bin/bash
# Runs the commands of a test in the guest (driver.ts types it into the test shell, which it then takes the place of).
#
# A request is three words that end with NUL each: a random word, the seconds that it may take, the command. The answer
# is a line `<WORD STATUS ENCODING BYTES` and so many bytes of standard output and error, as they came ("text") or in
# base64 when there is a NUL in them.
#
# No program is started here, where one can do without: on an emulated processor each costs more than most of what a
# test asks for. A command is a subshell in a process group of its own, which is ended when its time is over. Each has
# a file of its own for its output, in memory and never removed: what it left behind may still write to it.

exec 2>/dev/null
stty raw -echo
set -m
cd /root || exit 1
rm -f /run/testshell.ended
mkfifo /run/testshell.ended
exec 7<>/run/testshell.ended
printf '<agent\n'

# Waits for the end of the command of this word: its status, or 124 if it had to be ended.
await() {
    local word=$1 seconds=$2 group=$3 ended tries
    while read -r -t "$seconds" ended status <&7; do
        if [ "$ended" = "$word" ]; then return; fi
    done
    status=124
    kill -TERM -- "-$group"
    for ((tries = 0; tries < 50; tries++)); do
        kill -0 -- "-$group" || return
        read -r -t 0.1 _ <&7
    done
    kill -KILL -- "-$group"
}

answer() {
    local LC_ALL=C word=$1 text encoding=text
    if IFS= read -r -d '' text <"$output"; then
        encoding=base64
        text=$(base64 -w 0 "$output")
    fi
    printf '<%s %s %s %s\n%s' "$word" "$status" "$encoding" "${#text}" "$text"
}

while IFS= read -r -d '' word && IFS= read -r -d '' seconds && IFS= read -r -d '' command; do
    output=/run/testshell.$word
    { (eval "$command") </dev/null >"$output" 2>&1 7>&-; echo "$word $?" >&7; } &
    await "$word" "$seconds" "$!"
    wait "$!"
    answer "$word"
done
