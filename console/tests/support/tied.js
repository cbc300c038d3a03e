// Processes that end with this one, however it ends: a shell between them reads a pipe from here, and kills its child when that closes.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from './until.js';

const SCRIPT = `trap '' INT TERM HUP
"$@" 3<&- 4>&- </dev/null & child=$!
echo "pid $child" >&4
( cat <&3 >/dev/null; kill -9 "$child" 2>/dev/null ) >/dev/null 2>&1 &
wait "$child" 2>/dev/null`;

export class Tied {
    /**
     * @param {string[]} command
     * @param {{cwd?: string, env?: Record<string, string>, line?: (line: string) => void}} options `line` gets what it prints
     */
    static async start(command, options = {}) {
        const shell = spawn('sh', ['-c', SCRIPT, 'sh', ...command], {
            cwd: options.cwd,
            env: { ...OWN, ...options.env },
            stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
        });
        const tied = new Tied(shell);
        for (const stream of [shell.stdout, shell.stderr]) {
            createInterface({ input: stream }).on('line', (line) => {
                tied.said.push(line);
                if (tied.said.length > 2000) tied.said.splice(0, 1000);
                if (stream === shell.stdout) options.line?.(line);
            });
        }
        createInterface({ input: shell.stdio[4] }).on('line', (line) => (tied.pid = Number(line.slice(4))));
        await until(`${command[0]} is started`, () => tied.pid > 0);
        return tied;
    }

    constructor(shell) {
        this.shell = shell;
        this.pid = 0;
        /** The last lines that it has printed. */
        this.said = [];
        this.ended = new Promise((ended) => shell.on('close', () => ended(true)));
        this.isOver = false;
        shell.on('exit', () => (this.isOver = true));
        shell.stdio[3].on('error', () => {});
    }

    /** `kill -9`, and waits for the end. */
    async kill() {
        this.shell.stdio[3].destroy();
        await this.ended;
    }

    /** Asks it to end, and waits for that. */
    async stop(within = 20_000) {
        if (this.isOver) return;
        process.kill(this.pid, 'SIGTERM');
        await until('the process ends', () => this.isOver, within);
        this.shell.stdio[3].destroy();
        await this.ended;
    }
}

/** What is in the environment of whoever runs the tests says nothing to the gates of the tests. */
const OWN = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FLOWGATE_')));

/** Runs a command to its end and gives what it printed; fails with all of it. */
export function run(command, { input, env, cwd, okay = [0], within = 60_000 } = {}) {
    return new Promise((done, failed) => {
        const child = spawn(command[0], command.slice(1), { cwd, env: { ...OWN, ...env }, timeout: within });
        let out = '';
        let err = '';
        child.stdout.on('data', (data) => (out += data));
        child.stderr.on('data', (data) => (err += data));
        child.on('error', failed);
        child.on('close', (code, signal) => {
            if (okay.includes(code)) return done(out);
            failed(new Error(`${command.join(' ')} ended with ${code ?? signal}:\n${out}${err}`));
        });
        child.stdin.on('error', () => {});
        child.stdin.end(input ?? '');
    });
}
