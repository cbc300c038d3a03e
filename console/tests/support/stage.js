// What a file of tests works with: a gate, a browser, and scenes that open pages of it.

import { after, before, test } from 'node:test';
import { Console } from './console.js';
import { openBrowser, openContext, openPage, picture } from './browser.js';
import { Gate } from './gate.js';

export class Stage {
    /**
     * @param {string} name of the gate's prefix
     * @param {object} options those of [`Gate.start`]
     */
    constructor(name, options = {}) {
        this.name = name;
        before(async () => {
            [this.gate, this.browser] = await Promise.all([Gate.start(name, options), openBrowser()]);
            await this.first?.(this.gate);
        }, { timeout: 180_000 });
        after(async () => {
            await this.browser?.close();
            await this.gate?.stop();
        }, { timeout: 60_000 });
    }

    /** What all scenes find, made before the first of them. */
    prepare(first) {
        this.first = first;
    }

    /**
     * A test. It fails too if one of its pages asked another origin, broke the policy, or wrote an error; a picture of each page is
     * taken where it fails.
     */
    scene(title, play, timeout = 180_000) {
        test(title, { timeout }, async (t) => {
            const opened = new Opened(this);
            try {
                await play({ gate: this.gate, open: opened.opener() }, t);
                opened.consoles.forEach(({ page }) => page.guard.isClean());
            } catch (error) {
                const name = `failed-${this.name}-${title.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 60)}`;
                await Promise.all(opened.consoles.map(({ page }, i) => picture(page, `${name}-${i}`).catch(() => {})));
                const faults = opened.consoles.flatMap(({ page }) => page.guard.faults).slice(0, 5).map((fault) => `the page ${fault}`);
                const orders = opened.consoles.flatMap(({ page }) => page.guard.orders).slice(-5).map((order) => `it asked ${order}`);
                throw new Error([error.message, ...faults, ...orders].join('\n'), { cause: error });
            } finally {
                await Promise.all(opened.contexts.map((context) => context.close()));
                await this.gate.wire.mend();
            }
        });
    }
}

class Opened {
    constructor(stage) {
        Object.assign(this, { gate: stage.gate, browser: stage.browser, contexts: [], consoles: [] });
    }

    /** What a scene opens pages with: `open(...)`; `open.context(...)`, and `open.tab(context, ...)` in it. */
    opener() {
        const open = (options) => this.console(options);
        open.context = (look) => this.context(look);
        open.tab = (context, options = {}) => this.tab(context, options);
        return open;
    }

    /**
     * A browser of its own, with the console in it.
     *
     * @param {{at?: string, as?: string, isReady?: boolean}} options `at`: the route, such as `/flow/welcome`; `as`: the name of the token
     *     that is logged in; `isReady`: whether to wait until the page is live; the rest is the look of [`openContext`]
     */
    async console({ at = '/', as, isReady = true, ...look } = {}) {
        const context = await this.context(look);
        if (as) await this.login(context, as);
        return await this.tab(context, { at, isReady });
    }

    /** A browser without a page. */
    async context(look) {
        const context = await openContext(this.browser, look);
        this.contexts.push(context);
        return context;
    }

    /** Another tab of a browser. */
    async tab(context, { at = '/', isReady = true }) {
        const page = await openPage(context, `${this.gate.url}#${at}`);
        const shown = new Console(page, this.gate);
        this.consoles.push(shown);
        if (isReady) await shown.isLive();
        return shown;
    }

    /** What the login form does. */
    async login(context, name) {
        const { secret } = this.gate.tokens[name];
        const answer = await context.request.post(`${this.gate.url}api/v1/session`, { data: { token: secret } });
        if (!answer.ok()) throw new Error(`logging in as ${name}: ${answer.status()} ${await answer.text()}`);
    }
}
