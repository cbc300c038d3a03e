import { createServer } from 'node:net';

/** Ports of this machine that were free a moment ago. */
export async function freePorts(count) {
    const servers = [];
    for (let i = 0; i < count; i++) {
        const server = createServer();
        await new Promise((listening, failed) => server.once('error', failed).listen(0, '127.0.0.1', listening));
        servers.push(server);
    }
    const ports = servers.map((server) => server.address().port);
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
    return ports;
}
