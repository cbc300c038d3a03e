// A real Kafka: Apache Kafka from its Maven artifacts, one broker on free ports of this machine, as `tests/support/kafka.rs` starts it.
// The jars are in the same cache, under the same lock.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './ports.js';
import { run, Tied } from './tied.js';
import { ROOT } from './tools.js';
import { until } from './until.js';

const VERSION = '4.3.1';
const CLUSTER = 'MkU3OEVBNTcwNTJENDM2Qg';
const JVM = ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** Starts a broker; whoever starts it stops it. */
export async function startKafka() {
    const jars = await gather();
    for (let tries = 1; ; tries++) {
        const directory = mkdtempSync(join(tmpdir(), 'flowgate-console-kafka-'));
        const [plain, controller] = await freePorts(2);
        configure(directory, plain, controller);
        const properties = join(directory, 'server.properties');
        await run(['java', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*`, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER, '-c', properties]);
        const logging = `-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`;
        const broker = await Tied.start(['java', ...JVM, logging, '-cp', `${jars}/*`, 'kafka.Kafka', properties]);
        const brokers = `127.0.0.1:${plain}`;
        try {
            await until('Kafka answers', () => broker.isOver || run(['kcat', '-b', brokers, '-L', '-m', '1'], { within: 5000 }), 120_000);
            if (!broker.isOver) return new Kafka(broker, brokers, directory);
            throw new Error('Kafka has ended');
        } catch (error) {
            await broker.kill();
            const log = existsSync(join(directory, 'server.log')) ? readFileSync(join(directory, 'server.log'), 'utf8') : broker.said.join('\n');
            rmSync(directory, { recursive: true, force: true });
            // Somebody else has taken a port meanwhile.
            if (!log.includes('BindException') || tries === 4) throw new Error(`Kafka does not start: ${error.message}\n${log}`);
        }
    }
}

class Kafka {
    constructor(broker, brokers, directory) {
        Object.assign(this, { broker, brokers, directory });
    }

    async stop() {
        await this.broker.kill();
        rmSync(this.directory, { recursive: true, force: true });
    }
}

/** Deletes what lies below an offset of a topic with one partition, as somebody might who should not. */
export async function deleteRecords(brokers, topic, offset) {
    const directory = mkdtempSync(join(tmpdir(), 'flowgate-console-'));
    const file = join(directory, 'offsets.json');
    writeFileSync(file, JSON.stringify({ partitions: [{ topic, partition: 0, offset }], version: 1 }));
    const command = ['org.apache.kafka.tools.DeleteRecordsCommand', '--bootstrap-server', brokers, '--offset-json-file', file];
    await run(['java', '-XX:TieredStopAtLevel=1', '-cp', `${await gather()}/*`, ...command], { within: 30_000 });
    rmSync(directory, { recursive: true, force: true });
}

/** The folder with the broker's jars, filled by Maven the first time. */
async function gather() {
    const given = (name) => process.env[name] || undefined;
    const caches = given('XDG_CACHE_HOME') ?? join(homedir(), '.cache');
    const cache = given('FLOWGATE_TEST_CACHE') ?? join(caches, 'flowgate');
    mkdirSync(cache, { recursive: true });
    const wanted = readFileSync(join(ROOT, 'tests/kafka/pom.xml'));
    const jars = join(cache, `kafka-${VERSION}-${fingerprint(wanted)}`);
    const complete = join(jars, 'complete');
    if (!existsSync(complete)) {
        const pom = `${jars}.pom.xml`;
        writeFileSync(pom, wanted);
        const maven = 'test -e "$3" || mvn -B -q -f "$1" dependency:copy-dependencies -DoutputDirectory="$2" && : >"$3"';
        await run(['flock', join(cache, 'lock'), 'sh', '-c', maven, 'sh', pom, jars, complete], { within: 300_000 });
    }
    return jars;
}

/** FNV-1a, as the other tests name the folder. */
function fingerprint(bytes) {
    let hash = 0xcbf29ce484222325n;
    for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    return hash.toString(16).padStart(16, '0');
}

function configure(directory, plain, controller) {
    const properties = {
        'process.roles': 'broker,controller',
        'node.id': 1,
        'controller.quorum.voters': `1@127.0.0.1:${controller}`,
        'controller.listener.names': 'CONTROLLER',
        listeners: `PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${controller}`,
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
        'log.dirs': join(directory, 'data'),
        'auto.create.topics.enable': false,
        'offsets.topic.num.partitions': 5,
        'offsets.topic.replication.factor': 1,
        'transaction.state.log.num.partitions': 5,
        'transaction.state.log.replication.factor': 1,
        'transaction.state.log.min.isr': 1,
        'group.initial.rebalance.delay.ms': 0,
        'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
        'log.cleaner.dedupe.buffer.size': 16_777_216,
        'log.cleaner.backoff.ms': 200,
        'file.delete.delay.ms': 1000,
    };
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(join(directory, 'server.properties'), lines.join(''));
    writeFileSync(
        join(directory, 'log4j2.properties'),
        `rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
appender.file.type=File
appender.file.name=file
appender.file.fileName=${join(directory, 'server.log')}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c)%n
`,
    );
}
