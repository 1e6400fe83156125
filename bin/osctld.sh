#!/bin/sh
# Starts osctld so that it stays small. Measured with 1,000 containers, resident after the start: 200 MiB as Node
# comes, 115 MiB like this. V8 collects earlier and keeps a smaller nursery; glibc keeps one arena for all threads;
# and files on a pool that does not answer may occupy more threads than libuv's four before others have to wait.
export MALLOC_ARENA_MAX=1 UV_THREADPOOL_SIZE=16
exec "${OSCTL_NODE:-node}" --optimize-for-size --max-semi-space-size=2 "$(dirname "$0")/osctld.cjs" "$@"
