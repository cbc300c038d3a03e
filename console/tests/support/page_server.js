// Serves the page while the gate does not: everything but the files of `console` is asked of the gate. To be deleted when it does.

import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { PAGE } from './tools.js';

const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml',
};
const POLICY = [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'; trusted-types lit-html",
].join('; ');

/** Where the page of a gate is asked for: the gate itself, if it serves one. */
export async function pageOf(gate) {
    const answer = await fetch(`http://127.0.0.1:${gate.port}/`);
    const isServed = answer.ok && (answer.headers.get('content-type') ?? '').includes('html');
    if (isServed && !process.env.CONSOLE_DIR) return { port: gate.port, close: async () => {} };
    const server = createServer((asked, answer) => serve(gate.port, asked, answer));
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    const close = async () => {
        server.closeAllConnections();
        server.close();
    };
    return { port: server.address().port, close };
}

function serve(gate, asked, answer) {
    const path = decodeURIComponent(new URL(asked.url, 'http://localhost').pathname);
    const name = path === '/' ? 'index.html' : path.startsWith('/console/') ? path.slice('/console/'.length) : null;
    if (name === null) return forward(gate, asked, answer);
    const file = join(PAGE, normalize(`/${name}`));
    if (!existsSync(file) || !statSync(file).isFile()) return answer.writeHead(404).end();
    answer.writeHead(200, {
        'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-cache',
    });
    createReadStream(file).pipe(answer);
}

function forward(gate, asked, answer) {
    const { method, url, headers } = asked;
    const end = () => asked.socket.destroy();
    const further = request({ host: '127.0.0.1', port: gate, method, path: url, headers }, (got) => {
        answer.writeHead(got.statusCode, got.headers);
        // The stream's first byte may come late.
        answer.flushHeaders();
        got.pipe(answer);
        got.on('error', end).on('aborted', end);
    });
    further.on('error', end);
    answer.on('close', () => further.destroy());
    asked.pipe(further);
}
