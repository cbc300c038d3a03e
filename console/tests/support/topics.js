// Upstream and an executor, as far as the tests need them: whoever sends events, and whoever counts what is delivered. Both are kcat,
// which is librdkafka's own client.

import { spawn } from 'node:child_process';
import { run, Tied } from './tied.js';
import { until } from './until.js';

// No flow id or value of the tests has these signs in it.
const [BETWEEN, END] = ['\x01', '\x02'];
const producing = (brokers, topic) => [
    ...['-b', brokers, '-P', '-t', topic, '-K', BETWEEN, '-D', END],
    ...['-X', 'topic.partitioner=murmur2_random', '-X', 'linger.ms=5', '-X', 'message.max.bytes=2000000'],
];
const line = ({ key, value }) => `${key}${BETWEEN}${typeof value === 'string' ? value : JSON.stringify(value)}${END}`;

/** An event as upstream writes it. */
export function event(flow, record, more = {}) {
    return { key: flow, value: { flow_id: flow, record_id: record, kind: 'enroll', ...more } };
}

/** Many events of one flow, `from` to `to` (not included). */
export function events(flow, from, to, more = () => ({})) {
    return Array.from({ length: to - from }, (_, i) => event(flow, `contact-${from + i}`, more(from + i)));
}

/** Writes all of it, and ends when the brokers have it. */
export async function produce(brokers, topic, records) {
    await run(['kcat', ...producing(brokers, topic)], { input: records.map(line).join('') });
}

/** Goes on producing until it is stopped: an event of the flow every so many milliseconds. */
export class Upstream {
    constructor(brokers, topic, flow, { every = 20 } = {}) {
        this.sent = 0;
        this.child = spawn('kcat', producing(brokers, topic), { stdio: ['pipe', 'ignore', 'ignore'] });
        this.closed = new Promise((done) => this.child.on('close', done));
        this.timer = setInterval(() => {
            this.child.stdin.write(line(event(flow, `stream-${this.sent++}`)));
        }, every);
    }

    async stop() {
        clearInterval(this.timer);
        this.child.stdin.end();
        await this.closed;
    }
}

/** Reads a topic from its beginning, committed records alone, and keeps what it has seen. */
export class Consumer {
    static async of(brokers, topic) {
        const consumer = new Consumer();
        const isolation = ['-X', 'isolation.level=read_committed', '-X', 'fetch.wait.max.ms=50'];
        const command = ['kcat', '-b', brokers, '-C', '-t', topic, '-o', 'beginning', '-u', '-q', '-J', ...isolation];
        consumer.process = await Tied.start(command, { line: (text) => consumer.take(JSON.parse(text)) });
        return consumer;
    }

    constructor() {
        /** Each with `flow`, `record`, `kind`, `partition`, `offset`, `headers` and `at`, when it was seen. */
        this.records = [];
    }

    take({ partition, offset, payload, headers = [] }) {
        const value = JSON.parse(payload);
        const seen = { flow: value.flow_id, record: value.record_id, kind: value.kind ?? 'enroll', value };
        const named = {};
        for (let i = 0; i + 1 < headers.length; i += 2) named[headers[i]] = headers[i + 1];
        this.records.push({ ...seen, partition, offset, headers: named, at: Date.now() });
    }

    /** What was delivered of a flow, withdraws left out. */
    of(flow) {
        return this.records.filter((record) => record.flow === flow && record.kind !== 'withdraw');
    }

    count(flow) {
        return this.of(flow).length;
    }

    async reaches(flow, count, within) {
        await until(`${count} records of ${flow} are delivered`, () => this.count(flow) >= count || { delivered: this.count(flow) } && false, within);
    }

    async saw(flow, record, within) {
        const is = (one) => one.flow === flow && one.record === record;
        return await until(`${record} of ${flow} is delivered`, () => this.records.find(is), within);
    }

    async stop() {
        await this.process.kill();
    }
}
