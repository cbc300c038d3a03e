// Goal: the whole of it with a mouse, with a thumb on a small screen, and with the keyboard alone; what each took is printed.

import assert from 'node:assert/strict';
import { fits, picture } from './support/browser.js';
import { says } from './support/console.js';
import { Stage } from './support/stage.js';
import { BROKERS } from './support/gate.js';
import { event, events, Upstream } from './support/topics.js';
import { until } from './support/until.js';

const stage = new Stage('hands');

/** A flow that gets events all the time, beside some others. */
async function campaign(gate, flow) {
    await gate.produce(['news', 'promo', 'reminder'].map((id) => event(`${flow}-${id}`, 'a')));
    const upstream = new Upstream(BROKERS, gate.topic('enrollments'), flow, { every: 50 });
    await gate.delivered.reaches(flow, 5);
    return upstream;
}

/** What a walk took. */
function took(t, ui, began, how) {
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    t.diagnostic(`${how}: ${ui.clicks} clicks or taps, ${ui.keys} keys, ${seconds} s (the machine's, waiting for the gate included)`);
}

/** Something is there to be let through. */
const HELD = /^held [1-9]/;

async function drained(ui, gate, flow) {
    await says(ui.state, /[Ll]ive/, 30_000);
    await gate.comesTo(flow, ({ state }) => state === 'live');
}

stage.scene('the mouse: pause, prove, sample, resume at a rate, see the end', async ({ gate, open }, t) => {
    const flow = 'mouse';
    const upstream = await campaign(gate, flow);
    try {
        const ui = await open();
        const { page } = ui;
        const began = performance.now();
        await ui.click(ui.row(flow).getByRole('link', { name: flow }));
        await ui.click(ui.button('Pause…'));
        await ui.click(ui.field('textbox', 'Reason'));
        await ui.type('wrong coupon');
        await ui.confirmed();
        await says(ui.proof, /[Nn]othing .*delivered since/);
        await says(ui.sums, HELD);
        await ui.click(ui.button('Sample…'));
        await ui.click(ui.dialog.getByLabel('How many'));
        await page.keyboard.press('Control+a');
        await ui.type('1');
        await ui.confirmed();
        await gate.comesTo(flow, ({ counts }) => counts.released.enroll === 1);
        await ui.click(ui.button('Resume…'));
        await ui.click(ui.dialog.getByLabel(/per second/));
        await ui.type('100');
        await ui.confirmed();
        await upstream.stop();
        await drained(ui, gate, flow);
        took(t, ui, began, 'mouse');
    } finally {
        await upstream.stop();
    }
});

stage.scene('a thumb on 360 px: pause, prove, sample, resume at a rate, see the end', async ({ gate, open }, t) => {
    const flow = 'thumb';
    const upstream = await campaign(gate, flow);
    try {
        const ui = await open({ width: 360, height: 640, touch: true });
        const { page } = ui;
        await ui.rowIs(flow, 'live');
        await fits(page, 'the list');
        await picture(page, 'walk-thumb-list');
        const began = performance.now();
        await ui.tap(ui.row(flow).getByRole('link', { name: flow }));
        await ui.button('Pause…').waitFor();
        await fits(page, 'a live flow');
        // In reach of a thumb: in the lower half of the screen.
        const box = await ui.button('Pause…').boundingBox();
        assert.ok(box.y > 320 && box.y + box.height <= 640, `Pause is at ${box.y} of 640`);
        await ui.tap(ui.button('Pause…'));
        await ui.dialog.waitFor();
        await fits(page, 'the pause');
        await picture(page, 'walk-thumb-pause');
        await ui.tap(ui.confirm);
        await says(ui.proof, /[Nn]othing .*delivered since/);
        await says(ui.sums, HELD);
        await fits(page, 'a paused flow');
        await picture(page, 'walk-thumb-paused');
        await ui.tap(ui.button('Sample…'));
        await ui.dialog.getByLabel('How many').fill('1');
        await fits(page, 'the sample');
        await ui.tap(ui.confirm);
        await gate.comesTo(flow, ({ counts }) => counts.released.enroll === 1);
        await ui.tap(ui.button('Resume…'));
        await ui.dialog.getByLabel(/per second/).fill('100');
        await fits(page, 'the resume');
        await until('it can be confirmed', async () => await ui.confirm.isEnabled());
        await picture(page, 'walk-thumb-resume');
        await ui.tap(ui.confirm);
        await upstream.stop();
        await drained(ui, gate, flow);
        took(t, ui, began, 'thumb');
        await fits(page, 'a live flow again');
    } finally {
        await upstream.stop();
    }
});

stage.scene('the keyboard: pause, prove, sample, resume at a rate, see the end', async ({ gate, open }, t) => {
    const flow = 'keys';
    const upstream = await campaign(gate, flow);
    try {
        const ui = await open();
        await ui.rowIs(flow, 'live');
        const began = performance.now();
        await ui.press('/');
        await ui.type(flow);
        await until('only those that match', async () => (await ui.shown()).every((id) => id.startsWith(flow)));
        await ui.press('Enter');
        await until('a flow or the list has the focus', async () => (await ui.focus()) !== 'BODY');
        // The first that matches; `j` goes down.
        if (!ui.page.url().includes('/flow/')) await ui.press('j', 'Enter');
        await until('the flow is open', () => ui.page.url().endsWith(`/flow/${flow}`) || ui.page.url().includes(`/flow/${flow}/`));
        // As soon as it is drawn: until then keys go into the search.
        await ui.page.getByRole('heading', { level: 1, name: flow, exact: true }).waitFor();
        await ui.press('p');
        await ui.dialog.waitFor();
        // Enter in a field does what the dialog says, once it is known.
        await ui.tabTo(ui.field('textbox', 'Reason'));
        await ui.type('wrong coupon');
        await until('it can be confirmed', async () => await ui.confirm.isEnabled());
        await ui.tabTo(ui.confirm);
        await ui.press('Enter');
        await says(ui.proof, /[Nn]othing .*delivered since/);
        await says(ui.sums, HELD);
        await ui.tabTo(ui.button('Sample…'));
        await ui.press('Enter');
        await ui.dialog.waitFor();
        await ui.tabTo(ui.dialog.getByLabel('How many'));
        await ui.page.keyboard.press('Control+a');
        await ui.type('1');
        await until('it can be confirmed', async () => await ui.confirm.isEnabled());
        await ui.tabTo(ui.confirm);
        await ui.press('Enter');
        await gate.comesTo(flow, ({ counts }) => counts.released.enroll === 1);
        await ui.dialog.waitFor({ state: 'hidden' });
        await ui.press('r');
        await ui.dialog.waitFor();
        await ui.tabTo(ui.dialog.getByLabel(/per second/));
        await ui.type('100');
        await until('it can be confirmed', async () => await ui.confirm.isEnabled());
        await ui.tabTo(ui.confirm);
        await ui.press('Enter');
        await upstream.stop();
        await drained(ui, gate, flow);
        took(t, ui, began, 'keyboard');
    } finally {
        await upstream.stop();
    }
});

stage.scene('keys of the list', async ({ gate, open }) => {
    await gate.produce(['k-1', 'k-2', 'k-3', 'k-4'].map((id) => event(id, 'a')));
    const ui = await open({ at: '/?q=k-&sort=id' });
    await until('four match', async () => (await ui.shown()).length === 4);
    const current = async () => await ui.page.evaluate(() => document.activeElement.closest('[data-flow]')?.dataset.flow ?? document.querySelector('[data-flow][aria-current=true], [data-flow].cursor')?.dataset.flow ?? null);
    await ui.press('j');
    const first = await until('one is marked', current);
    await ui.press('j');
    await until('the next one is marked', async () => (await current()) !== first);
    await ui.press('x');
    await ui.page.getByText(/\b1 selected/).waitFor();
    await ui.press('j', 'x');
    await ui.page.getByText(/\b2 selected/).waitFor();
    await ui.press('k', 'x');
    await ui.page.getByText(/\b1 selected/).waitFor();
    await ui.press('x');
    await ui.press('p');
    await ui.dialog.waitFor();
    await says(ui.dialog, /2 flows/);
    // The harmless choice has the focus, and Escape is it too.
    assert.equal(await ui.focus(), 'Cancel');
    await ui.press('Escape');
    await ui.dialog.waitFor({ state: 'hidden' });
    assert.equal((await gate.flow('k-2')).state, 'live');
    // The focus is where it was: the same key works again.
    await ui.press('p');
    await ui.dialog.waitFor();
    await ui.confirmed();
    await gate.comesTo('k-2', ({ state }) => state === 'paused');
    await gate.comesTo('k-3', ({ state }) => state === 'paused');
    await ui.press('r');
    await ui.dialog.waitFor();
    await ui.confirmed();
    await gate.comesTo('k-2', ({ state }) => state === 'live');
    // What is typed into a field is no key of the list.
    await ui.press('/');
    await ui.search.fill('');
    await ui.type('jxpr?');
    assert.equal(await ui.search.inputValue(), 'jxpr?');
    assert.equal(await ui.dialog.count(), 0);
    await ui.press('Escape');
    await ui.press('?');
    await ui.page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await ui.press('Escape');
    await ui.dialog.waitFor({ state: 'hidden' });
});

stage.scene('Tab goes everywhere, is seen, and stays in a dialog', async ({ gate, open }) => {
    await gate.produce([event('tabbed', 'a')]);
    const ui = await open({ at: '/flow/tabbed' });
    await says(ui.state, /[Ll]ive/);
    const seen = new Set();
    for (let i = 0; i < 40; i++) {
        await ui.press('Tab');
        const { name, isMarked } = await ui.page.evaluate(() => {
            const one = document.activeElement;
            const style = getComputedStyle(one);
            const isMarked = one === document.body || style.outlineStyle !== 'none' || style.boxShadow !== 'none';
            return { name: one.getAttribute('aria-label') || one.textContent.trim().slice(0, 40) || one.tagName, isMarked };
        });
        seen.add(name);
        assert.ok(isMarked, `the focus on ${name} is not to be seen`);
    }
    for (const name of ['Pause…', 'Audit']) assert.ok([...seen].some((one) => one.includes(name)), `${name} is not reached by Tab: ${[...seen].join(', ')}`);
    await ui.tabTo(ui.button('Pause…'));
    await ui.press('Enter');
    await ui.dialog.waitFor();
    for (let i = 0; i < 40; i++) {
        await ui.press('Tab');
        const isOutside = await ui.page.evaluate(() => document.activeElement !== document.body && !document.activeElement.closest('dialog'));
        assert.ok(!isOutside, `Tab leaves the dialog, to ${await ui.focus()}`);
    }
    await ui.press('Escape');
    await until('the focus is back', async () => (await ui.focus()).includes('Pause…'));
});

stage.scene('nothing is wider than 360 px, and everything can be touched', async ({ gate, open }) => {
    const flow = 'narrow-' + 'x'.repeat(80);
    await gate.order(flow, { action: 'pause', reason: `a reason without a space ${'y'.repeat(300)}` });
    await gate.hold(flow, events(flow, 0, 20, () => ({ text: 'z'.repeat(500) })));
    await gate.produce([{ key: 'k', value: 'no event' }]);
    const ui = await open({ width: 360, height: 640, touch: true });
    await ui.rowIs(flow, 'paused');
    await fits(ui.page, 'the list');
    for (const tab of ['held', 'audit', 'discarded', 'dead', 'json']) {
        await ui.openFlow(flow, tab);
        await ui.panel.waitFor();
        await fits(ui.page, `the tab ${tab}`);
    }
    for (const button of ['Resume…', 'Sample…', 'Change…', 'Purge…']) {
        await ui.openFlow(flow, 'held');
        await ui.tap(ui.button(button));
        await ui.dialog.waitFor();
        await says(ui.preview, /\S/);
        await fits(ui.page, `the dialog of ${button}`);
        await ui.tap(ui.dialog.getByRole('button', { name: 'Cancel' }));
    }
    for (const at of ['/audit', '/letters/dead', '/letters/discarded']) {
        await ui.go(at);
        await ui.page.getByRole('heading', { level: 1 }).waitFor();
        await fits(ui.page, at);
    }
});
