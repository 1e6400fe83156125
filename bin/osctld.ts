#!/usr/bin/env node
/** osctld: the daemon. `osctld --help` says what it takes; `src/daemon/main.ts` is where it begins. */
import { main } from '../src/daemon/main.ts'

await main(process.argv.slice(2))
