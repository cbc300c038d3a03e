// Goal: what is shown is never older than it says: several browsers, a gate that dies, a connection that is cut or frozen.

import assert from 'node:assert/strict';
import { LOST, REFUSED } from './support/browser.js';
import { says } from './support/console.js';
import { Stage } from './support/stage.js';
import { event, events } from './support/topics.js';
import { until } from './support/until.js';

const stage = new Stage('together');

async function paused(ui, flow) {
    await ui.openFlow(flow);
    await ui.click(ui.button('Pause…'));
    await ui.dialog.waitFor();
    await ui.confirmed();
}

// Goal: two people look at the same flows.
stage.scene('a second browser sees a pause within a second', async ({ gate, open }, t) => {
    await gate.produce([event('shared', 'a')]);
    const [first, second] = [await open(), await open()];
    await first.rowIs('shared', 'live');
    await second.rowIs('shared', 'live');
    // How long this machine takes for a frame now: where that is much, a second is nothing.
    const asked = performance.now();
    await second.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
    const bound = Math.max(1000, 20 * (performance.now() - asked));
    const confirmed = first.page.waitForResponse((answer) => answer.url().includes('/commands') && answer.ok());
    const pausing = paused(first, 'shared');
    await confirmed;
    const began = performance.now();
    await second.rowIs('shared', 'paused', 5000);
    const took = performance.now() - began;
    t.diagnostic(`the second browser showed it ${took.toFixed(0)} ms after the first one was told`);
    assert.ok(took <= bound, `it took ${took.toFixed(0)} ms of ${bound.toFixed(0)}`);
    await pausing;
});

// Goal: events arrive while somebody reads: no row jumps away, and the number is right.
stage.scene('numbers change in place', async ({ gate, open }) => {
    await gate.order('counted', { action: 'pause' });
    await gate.hold('counted', events('counted', 0, 10));
    const ui = await open();
    await says(ui.row('counted'), /\b10\b/);
    const before = await ui.row('counted').boundingBox();
    await gate.produce(events('counted', 10, 1234));
    await says(ui.row('counted'), /1,234/);
    const after = await ui.row('counted').boundingBox();
    assert.deepEqual([after.x, after.width, after.height], [before.x, before.width, before.height]);
});

// Goal: the gate is killed under the page and comes back; the page says so, and is right again by itself.
stage.scene('the gate is killed and comes back', async ({ gate, open }) => {
    await gate.produce([event('survivor', 'a')]);
    const ui = await open();
    ui.page.guard.expect(LOST, REFUSED);
    await ui.rowIs('survivor', 'live');
    await gate.kill();
    await says(ui.connection, /stale for \d+ s/);
    assert.equal(await ui.page.locator('html').getAttribute('data-link'), 'stale');
    // What was known stays, and is marked.
    assert.ok((await ui.shown()).includes('survivor'));
    await gate.begin();
    // Somebody has done something meanwhile.
    await gate.order('survivor', { action: 'pause' });
    await ui.isLive(30_000);
    await ui.rowIs('survivor', 'paused');
});

// Goal: a connection that ends is told at once, with how old what is shown is.
stage.scene('the connection is cut and mended', async ({ gate, open }) => {
    await gate.produce([event('cut', 'a')]);
    const ui = await open();
    ui.page.guard.expect(LOST);
    await ui.rowIs('cut', 'live');
    await gate.wire.cut();
    const first = await says(ui.connection, /stale for \d+ s/);
    await until('it grows', async () => (await ui.connection.innerText()) !== first, 3000);
    await gate.order('cut', { action: 'pause' });
    assert.ok((await ui.row('cut').getAttribute('data-state')) === 'live', 'it is as it was when the connection ended');
    await gate.wire.mend();
    await ui.isLive(20_000);
    await ui.rowIs('cut', 'paused');
    assert.doesNotMatch(await ui.connection.innerText(), /stale/);
});

// Goal: a command into a dead connection says that nobody knows what became of it, and can be given again without doing it twice.
stage.scene('a command whose answer is lost says so', async ({ gate, open }) => {
    await gate.produce([event('lost', 'a')]);
    const ui = await open({ at: '/flow/lost' });
    ui.page.guard.expect(LOST);
    await ui.click(ui.button('Pause…'));
    await ui.dialog.waitFor();
    await says(ui.preview, /\S/);
    await until('the dialog can be confirmed', async () => await ui.confirm.isEnabled());
    await ui.page.route('**/commands**', async (route) => {
        // The gate takes it, and its answer gets lost.
        await route.fetch();
        await route.abort('connectionreset');
    }, { times: 1 });
    await ui.click(ui.confirm);
    await gate.comesTo('lost', ({ state }) => state === 'paused');
    await says(ui.state, /[Pp]aused/);
    const { commands } = await gate.flow('lost');
    assert.equal(commands.filter(({ outcome }) => outcome === 'applied').length, 1, JSON.stringify(commands));
});

// Goal: a connection on which nothing comes any more, though nobody ended it, is found out.
stage.scene('a frozen connection is told, and mended', async ({ gate, open }, t) => {
    await gate.produce([event('tunnel', 'a')]);
    const ui = await open();
    ui.page.guard.expect(LOST);
    await ui.rowIs('tunnel', 'live');
    gate.wire.freeze();
    const began = performance.now();
    // The gate says something every 15 s; whoever waits for two of those in vain knows.
    await says(ui.connection, /stale for \d+ s/, 40_000);
    t.diagnostic(`it was told after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    await gate.order('tunnel', { action: 'pause' });
    await gate.wire.mend();
    await ui.isLive(20_000);
    await ui.rowIs('tunnel', 'paused');
});

/** What a browser tells a tab that goes behind another one, or comes to the front; without a screen none does it by itself. */
async function shown(ui, isShown) {
    await ui.page.evaluate((isShown) => {
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => !isShown });
        Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (isShown ? 'visible' : 'hidden') });
        document.dispatchEvent(new Event('visibilitychange'));
    }, isShown);
}

// Goal: a browser opens six connections to a host and no more: whoever has eight tabs open can work in the one that they look at.
stage.scene('of eight tabs of one browser the one in front is live', async ({ gate, open }) => {
    await gate.produce([event('tabs', 'a')]);
    const first = await open();
    await first.rowIs('tabs', 'live');
    const tabs = [first];
    while (tabs.length < 8) {
        await shown(tabs.at(-1), false);
        tabs.push(await open.tab(first.page.context(), { at: '/' }));
    }
    const last = tabs.at(-1);
    await paused(last, 'tabs');
    await says(last.state, /[Pp]aused/);
    await shown(last, false);
    await shown(first, true);
    await first.rowIs('tabs', 'paused');
    await first.isLive();
}, 120_000);

// Goal: a gate that has just started knows no flow yet: the page says how far it is, and shows no empty list.
stage.scene('a gate that is still reading says so', async ({ gate, open }) => {
    await gate.produce([event('read-late', 'a')]);
    await gate.comesTo('read-late', () => true);
    const context = await open.context();
    // Its own answer at that time; on a real one of this size it is over before a browser has asked.
    const problem = { type: 'about:blank', title: 'Service Unavailable', status: 503, kind: 'still-reading', read: 120, end: 480, detail: 'the states of flows are still being read; try again in a moment' };
    let isReading = true;
    await context.route(/\/api\/v1\/flows/, async (route) => {
        if (!isReading) return await route.fallback();
        await route.fulfill({ status: 503, headers: { 'content-type': 'application/problem+json', 'retry-after': '1' }, body: JSON.stringify(problem) });
    });
    const ui = await open.tab(context, { at: '/', isReady: false });
    ui.page.guard.expect(REFUSED);
    await says(ui.page.locator('main'), /read|caught up/i);
    assert.doesNotMatch(await ui.page.locator('main').innerText(), /no flow/i);
    isReading = false;
    await ui.rowIs('read-late', 'live');
});

// Goal: a page that stays open over a new version of the gate offers to be loaded again.
stage.scene('a newer gate is told', async ({ gate, open }) => {
    const context = await open.context();
    let version = '0.1.0';
    for (const path of ['whoami', 'openapi.json']) {
        await context.route(`**/api/v1/${path}`, async (route) => {
            const answer = await route.fetch().catch(() => null);
            if (!answer?.ok()) return await route.abort();
            const body = await answer.json();
            if (path === 'whoami') body.version = version;
            else body.info.version = version;
            await route.fulfill({ response: answer, json: body });
        });
    }
    const ui = await open.tab(context, { at: '/' });
    ui.page.guard.expect(LOST, REFUSED);
    await gate.kill();
    version = '9.9.9';
    await gate.begin();
    await ui.button('Reload').waitFor({ timeout: 30_000 });
    await says(ui.page.locator('body'), /9\.9\.9/);
});
