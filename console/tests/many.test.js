// Goal: ten thousand flows are no other page than ten: it scrolls without a jerk, and search, sort and choosing are at once.

import assert from 'node:assert/strict';
import { picture } from './support/browser.js';
import { numberIn, says } from './support/console.js';
import { Stage } from './support/stage.js';
import { event } from './support/topics.js';
import { until } from './support/until.js';

const COUNT = 10_000;

/**
 * Of the time between two frames while it is scrolled, in milliseconds. On a machine with nothing else to do it has to be 32 at most;
 * the bound is twice that, for machines are shared, and grows where an empty page takes longer than a frame of 60 Hz. The figure is
 * printed.
 */
const FRAME_P95 = 64;
const FRAME = 16.7;

const stage = new Stage('many');
const named = (i) => `flow-${String(i).padStart(5, '0')}`;

stage.prepare(async (gate) => {
    await gate.produce(Array.from({ length: COUNT }, (_, i) => event(named(i), 'a')));
    await until('all flows are known', async () => (await gate.api('/flows?limit=1')).known >= COUNT || null, 60_000);
    // A few of them are paused, and hold events.
    for (const [i, held] of [[7, 30], [4242, 20], [9999, 10]]) {
        await gate.order(named(i), { action: 'pause', for_seconds: 86_400 + i });
        await gate.hold(named(i), Array.from({ length: held }, (_, record) => event(named(i), `r${record}`)));
    }
});

/** Scrolls down and back by the wheel, and measures each frame. */
async function scrolled(page, { seconds = 5 } = {}) {
    await page.evaluate(() => {
        const frames = (window.frames_ = []);
        let last = performance.now();
        const step = (now) => {
            frames.push(now - last);
            last = now;
            window.going_ = requestAnimationFrame(step);
        };
        window.going_ = requestAnimationFrame(step);
    });
    const end = performance.now() + seconds * 1000;
    const { width, height } = page.viewportSize();
    await page.mouse.move(width / 2, height / 2);
    for (let i = 0; performance.now() < end; i++) await page.mouse.wheel(0, i % 100 < 60 ? 400 : -400);
    return await page.evaluate(() => {
        cancelAnimationFrame(window.going_);
        const frames = window.frames_.slice(2).sort((a, b) => a - b);
        const at = (share) => frames[Math.min(frames.length - 1, Math.floor(frames.length * share))];
        return { count: frames.length, p50: at(0.5), p95: at(0.95), most: frames.at(-1) };
    });
}

/** The bound on this machine, now. */
async function bound(context, t) {
    const page = await context.newPage();
    await page.setContent('<body style="margin: 0; height: 400000px; background: linear-gradient(red, blue)">');
    const empty = await scrolled(page, { seconds: 2 });
    await page.close();
    t.diagnostic(`an empty page, scrolled: ${told(empty)}`);
    return FRAME_P95 * Math.max(1, empty.p95 / FRAME);
}

const told = ({ count, p50, p95, most }) =>
    `${count} frames, p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, longest ${most.toFixed(1)} ms`;

stage.scene('10,000 flows are shown, and scroll smoothly', async ({ gate, open }, t) => {
    const began = performance.now();
    const ui = await open();
    await ui.page.locator('[data-flow]').first().waitFor();
    await says(ui.chip('live'), /9,997/);
    t.diagnostic(`live with 10,000 flows after ${(performance.now() - began).toFixed(0)} ms`);
    await ui.sort.selectOption({ label: 'id' }).catch(() => ui.sort.selectOption('id'));
    const most = await bound(ui.page.context(), t);
    await ui.page.bringToFront();
    const frames = await scrolled(ui.page);
    t.diagnostic(`scrolling: ${told(frames)}`);
    await picture(ui.page, 'flows-10000');
    assert.ok((await ui.page.locator('[data-flow]').count()) < 500, 'only what is near is in the document');
    assert.ok(frames.p95 <= most, `${told(frames)}, of ${most.toFixed(0)}`);
    // It was really scrolled.
    assert.ok(!(await ui.shown()).includes(named(0)), 'the first flow is still shown');
});

stage.scene('it scrolls smoothly while flows change', async ({ gate, open }, t) => {
    const ui = await open();
    await ui.page.locator('[data-flow]').first().waitFor();
    // An empty page is measured beside the same work: that is not the page's.
    let isChanging = true;
    const changing = (async () => {
        for (let i = 0; isChanging; i++) await gate.produce(Array.from({ length: 200 }, (_, k) => event(named(7), `more-${i}-${k}`)));
    })();
    const most = await bound(ui.page.context(), t);
    await ui.page.bringToFront();
    const frames = await scrolled(ui.page);
    isChanging = false;
    await changing;
    t.diagnostic(`scrolling while flows change: ${told(frames)}`);
    assert.ok(frames.p95 <= most, `${told(frames)}, of ${most.toFixed(0)}`);
});

stage.scene('search, states and order find one of 10,000', async ({ gate, open }, t) => {
    const ui = await open();
    await ui.page.locator('[data-flow]').first().waitFor();
    await ui.search.fill('4242');
    const began = performance.now();
    await until('one is found', async () => (await ui.shown()).join() === [named(4242)].join(), 5000);
    t.diagnostic(`the search took ${(performance.now() - began).toFixed(0)} ms`);
    await until('it is in the address', () => ui.page.url().includes('q=4242'));
    await ui.search.fill('');
    await ui.click(ui.chip('paused'));
    await until('three are paused', async () => (await ui.shown()).length === 3);
    await ui.sort.selectOption({ label: 'held' }).catch(() => ui.sort.selectOption('held'));
    await until('the most held first', async () => (await ui.shown()).join() === [named(7), named(4242), named(9999)].join());
    await ui.sort.selectOption({ label: 'deadline' }).catch(() => ui.sort.selectOption('deadline'));
    await until('the next deadline first', async () => (await ui.shown()).join() === [named(7), named(4242), named(9999)].join());
    // The address is the whole view: another browser sees the same.
    const hash = new URL(ui.page.url()).hash.slice(1);
    assert.match(hash, /state=paused/);
    const other = await open({ at: hash });
    await until('the same view', async () => (await other.shown()).length === 3);
    // What does not match anything says what to do.
    await ui.search.fill('no such flow');
    await until('nothing is shown', async () => (await ui.shown()).length === 0);
    await ui.page.getByText(/no flow/i).first().waitFor();
});

stage.scene('all that match are chosen, paused and resumed at once', async ({ gate, open }, t) => {
    const ui = await open({ at: '/?q=flow-01' });
    await until('the search is applied', async () => numberIn(await ui.page.locator('body').innerText()) !== 0 && (await ui.shown()).every((id) => id.includes('flow-01')));
    await ui.tick((await ui.shown())[0]).check();
    await ui.click(ui.button(/Select all 1,000 that match/));
    await ui.page.getByText(/1,000 selected/).waitFor();
    const began = performance.now();
    await ui.click(ui.page.getByRole('toolbar', { name: 'Actions' }).getByRole('button', { name: 'Pause…', exact: true }));
    await ui.dialog.waitFor();
    await says(ui.preview, /1,?000/);
    await ui.field('textbox', 'Reason').fill('a whole campaign');
    // A caller may give 50 commands a second, and no more.
    await ui.confirmed(60_000);
    await until('all are paused', async () => {
        const text = await ui.chip('paused').innerText();
        return numberIn(text) >= 1000;
    }, 60_000);
    t.diagnostic(`1,000 flows were paused in ${((performance.now() - began) / 1000).toFixed(1)} s, the dialog included`);
    assert.equal((await gate.flow(named(1234))).state, 'paused');
    assert.equal((await gate.flow(named(1234))).pause.reason, 'a whole campaign');
    assert.equal((await gate.flow(named(2345))).state, 'live');
    await ui.page.keyboard.press('Escape');
}, 120_000);

// Goal: a flow's page must not become slow because there are many others.
stage.scene('one flow among 10,000 opens at once', async ({ gate, open }, t) => {
    const ui = await open();
    await ui.rowIs(named(7), 'paused');
    const began = performance.now();
    await ui.page.getByRole('link', { name: named(7) }).click();
    await says(ui.state, /[Pp]aused/);
    const took = performance.now() - began;
    t.diagnostic(`it took ${took.toFixed(0)} ms`);
    assert.ok(took < 2000, `${took} ms`);
    await ui.page.goBack();
    await ui.page.locator('[data-flow]').first().waitFor();
});
