#!/usr/bin/env node
/** osctl-replay: what `osctl replay` starts to read a log without a daemon; `src/offline/archive.ts` tells what it is. */
import { main } from '../src/offline/main.ts'
import { version } from '../src/offline/version.ts'

process.exitCode = await main(process.argv.slice(2), version())
