// Starts what all tests share, and runs them.

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startKafka } from './support/kafka.js';

const here = dirname(fileURLToPath(import.meta.url));
const files = readdirSync(here).sort().filter((name) => name.endsWith('.test.js') && name.includes(process.env.CONSOLE_FILE ?? ''));
const kafka = process.env.FLOWGATE_TEST_BROKERS ? { brokers: process.env.FLOWGATE_TEST_BROKERS, stop: async () => {} } : await startKafka();
const only = process.env.CONSOLE_ONLY ? [`--test-name-pattern=${process.env.CONSOLE_ONLY}`] : [];

/** Runs files, so many at a time; false if one of them is red. */
async function run(names, jobs) {
    if (names.length === 0) return true;
    const command = ['--test', `--test-concurrency=${jobs}`, '--test-reporter=spec', ...only, ...names.map((name) => join(here, name))];
    const child = spawn(process.execPath, command, { stdio: 'inherit', env: { ...process.env, FLOWGATE_TEST_BROKERS: kafka.brokers } });
    // Whoever is ended takes them along.
    const end = () => child.kill();
    process.once('SIGTERM', end).once('SIGINT', end);
    return await new Promise((ended) => child.on('exit', (code) => ended(code === 0)));
}

// Frames are measured while nothing else is going on; the others wait for the gate most of the time.
const isMeasured = (name) => name.startsWith('many');
const measured = await run(files.filter(isMeasured), 1);
const others = await run(files.filter((name) => !isMeasured(name)), 2);
await kafka.stop();
process.exit(measured && others ? 0 : 1);
