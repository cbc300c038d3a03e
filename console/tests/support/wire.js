// What is between a browser and the gate, and can be cut: a proxy of TCP, which leaves what it carries as it is.

import { connect, createServer } from 'node:net';

export class Wire {
    /** @param {number} to the port of this machine that is behind it */
    static async to(to) {
        const wire = new Wire(to);
        await wire.listen(0);
        return wire;
    }

    constructor(to) {
        this.to = to;
        this.port = 0;
        this.pairs = new Set();
        this.isFrozen = false;
    }

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    async listen(port) {
        this.server = createServer((near) => this.join(near));
        await new Promise((listening, failed) => this.server.once('error', failed).listen(port, '127.0.0.1', listening));
        this.port = this.server.address().port;
    }

    join(near) {
        const far = connect(this.to, '127.0.0.1');
        const pair = { near, far };
        this.pairs.add(pair);
        const end = () => {
            near.destroy();
            far.destroy();
            this.pairs.delete(pair);
        };
        for (const [from, other] of [[near, far], [far, near]]) {
            from.setNoDelay(true);
            from.on('data', (data) => this.isFrozen || other.write(data));
            from.on('error', end).on('close', end);
        }
    }

    /** Every connection ends, and no new one is taken. */
    async cut() {
        const closed = new Promise((done) => this.server.close(done));
        this.pairs.forEach(({ near, far }) => {
            near.destroy();
            far.destroy();
        });
        await closed;
    }

    /** Connections stay, new ones are taken, and nothing passes any more: as when a train enters a tunnel. */
    freeze() {
        this.isFrozen = true;
    }

    /** What was frozen is lost, so its connections end. */
    async mend() {
        if (this.isFrozen) {
            this.isFrozen = false;
            this.pairs.forEach(({ near, far }) => {
                near.destroy();
                far.destroy();
            });
        }
        if (!this.server.listening) await this.listen(this.port);
    }

    async close() {
        await this.cut();
    }
}
