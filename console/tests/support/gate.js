// A gate on the tests' Kafka, under a prefix of its own, and what an operator without a browser would do with it.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pageOf } from './page_server.js';
import { freePorts } from './ports.js';
import { run, Tied } from './tied.js';
import { FLOWGATE } from './tools.js';
import { Consumer, produce } from './topics.js';
import { until } from './until.js';
import { Wire } from './wire.js';

export const BROKERS = process.env.FLOWGATE_TEST_BROKERS;

export class Gate {
    /**
     * @param {string} prefix of its topics
     * @param {{tokens?: Record<string, 'viewer' | 'operator' | 'admin'>, settings?: Record<string, string>}} options
     *     `tokens`: role by name; without any everybody is let in
     */
    static async start(prefix, { tokens = {}, settings = {} } = {}) {
        const gate = new Gate(`${prefix}-${randomBytes(3).toString('hex')}`, settings);
        // Names are sent as they are, secrets never: what is sent is the token, and the file has its hash.
        for (const [name, role] of Object.entries(tokens)) gate.tokens[name] = { role, secret: randomBytes(16).toString('hex') };
        if (Object.keys(tokens).length > 0) {
            gate.writeTokens();
            gate.settings.http_tokens_file = gate.tokensFile;
        }
        [gate.port] = await freePorts(1);
        await gate.cli('topics', 'create', '--partitions', '3', '--replication-factor', '1');
        await gate.begin();
        gate.page = await pageOf(gate);
        gate.wire = await Wire.to(gate.page.port);
        gate.delivered = await Consumer.of(BROKERS, gate.topic('records'));
        return gate;
    }

    constructor(prefix, settings) {
        this.prefix = prefix;
        this.settings = { ...settings };
        this.tokens = {};
        this.directory = mkdtempSync(join(tmpdir(), 'flowgate-console-gate-'));
        this.tokensFile = join(this.directory, 'tokens');
    }

    topic(name) {
        return `${this.prefix}.${name}`;
    }

    /** Where a browser asks. */
    get url() {
        return `${this.wire.url}/`;
    }

    get env() {
        return { FLOWGATE_BROKERS: BROKERS, FLOWGATE_PREFIX: this.prefix, XDG_CONFIG_HOME: this.directory };
    }

    /** Starts the process, on the port that it had before, and waits until it is ready. */
    async begin() {
        const settings = Object.entries(this.settings).map(([name, value]) => ['-X', `${name}=${value}`]);
        const listen = `127.0.0.1:${this.port}`;
        const command = [FLOWGATE, 'run', '--instance', 'gate-1', '--http', listen, ...settings.flat()];
        this.process = await Tied.start(command, { cwd: this.directory, env: this.env });
        try {
            await until('the gate is ready', async () => {
                if (this.process.isOver) return true;
                const answer = await fetch(`http://${listen}/readyz`);
                return answer.status === 200;
            }, 60_000);
            if (this.process.isOver) throw new Error('it has ended');
        } catch (error) {
            throw new Error(`the gate does not start: ${error.message}\n${this.process.said.join('\n')}`);
        }
    }

    /** `kill -9`. */
    async kill() {
        await this.process.kill();
    }

    async stop() {
        await this.delivered?.stop();
        await this.wire?.close();
        await this.page?.close();
        await this.process?.stop().catch(() => this.process.kill());
        rmSync(this.directory, { recursive: true, force: true });
    }

    /** Only these tokens are known from now on; the gate reads the file again by itself. */
    writeTokens(names = Object.keys(this.tokens)) {
        const hash = (secret) => createHash('sha256').update(secret).digest('hex');
        const lines = names.map((name) => `${name}:${this.tokens[name].role}:${hash(this.tokens[name].secret)}\n`);
        writeFileSync(`${this.tokensFile}.new`, lines.join(''), { mode: 0o600 });
        renameSync(`${this.tokensFile}.new`, this.tokensFile);
    }

    /** Runs a command of flowgate and gives what it prints. */
    cli(...parts) {
        return run([FLOWGATE, ...parts], { cwd: this.directory, env: this.env });
    }

    /** Asks the gate itself, past the wire; as the first token, if there are any. */
    async api(path, body) {
        const headers = { 'content-type': 'application/json' };
        const [first] = Object.values(this.tokens);
        if (first) headers.authorization = `Bearer ${first.secret}`;
        const options = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
        const answer = await fetch(`http://127.0.0.1:${this.port}/api/v1${path}`, options);
        const text = await answer.text();
        if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text}`);
        return text ? JSON.parse(text) : null;
    }

    /** Gives a command as HTTP does, not as the page does. */
    async order(flow, command) {
        const answer = await this.api(`/flows/*/commands?wait=5s&flow=${encodeURIComponent(flow)}`, command);
        // It is committed, and HTTP has read so a moment later.
        if (answer.outcome === 'applied' && command.action !== 'forget') {
            await this.comesTo(flow, ({ commands }) => commands.some(({ id }) => id === answer.command_id));
        }
        return answer;
    }

    flow(id) {
        return this.api(`/flows/*?flow=${encodeURIComponent(id)}`);
    }

    async produce(records) {
        await produce(BROKERS, this.topic('enrollments'), records);
    }

    /** Waits until a flow is as it should be, by the API, and gives it. */
    async comesTo(id, is, within = 20_000) {
        let last;
        const ask = async () => is((last = await this.flow(id))) && last;
        return await until(`the flow ${JSON.stringify(id)} is so that ${is}`, ask, within).catch((error) => {
            const { state, held, counts } = last ?? {};
            throw new Error(`${error.message}: ${JSON.stringify({ state, held, counts })}`);
        });
    }

    /** Produces events of a flow and waits until that many are held. */
    async hold(id, records, within = 30_000) {
        const queued = ({ counts }) => counts.queued.enroll + counts.queued.advance;
        const wanted = queued(await this.flow(id)) + records.length;
        await this.produce(records);
        return await this.comesTo(id, (flow) => queued(flow) >= wanted, within);
    }

    /**
     * What was delivered of a flow up to now: a withdraw that is sent now is delivered at once, behind all that was before it, so when
     * that is seen so is everything else.
     */
    async deliveredBy(id, name) {
        const barrier = `barrier-${name}`;
        await this.produce([{ key: id, value: { flow_id: id, record_id: barrier, kind: 'withdraw' } }]);
        await this.delivered.saw(id, barrier);
        return this.delivered.count(id);
    }
}
