#!/usr/bin/env node
/** osctl: `osctl --help` says what it takes; `src/cli/main.ts` is where it begins. */
import { basename } from 'node:path'
import { processIo } from '../src/cli/io.ts'
import { main } from '../src/cli/main.ts'

const [, program = 'osctl', ...argv] = process.argv
process.exitCode = await main(basename(program), argv, processIo, process.env)
