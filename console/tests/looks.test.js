// Goal: every view and every dialog, in both themes and on both screens, breaks no rule of accessibility; a picture of each is kept.

import assert from 'node:assert/strict';
import { accessible, fits, picture } from './support/browser.js';
import { says } from './support/console.js';
import { Stage } from './support/stage.js';
import { BROKERS } from './support/gate.js';
import { event, events, Upstream } from './support/topics.js';
import { until } from './support/until.js';

const stage = new Stage('looks');

stage.prepare(async (gate) => {
    await gate.produce(Array.from({ length: 40 }, (_, i) => event(`campaign-${i}`, 'a')));
    await gate.cli('pause', 'welcome', '--for', '97000s', '--by', 'nina@example.com', '--reason', 'wrong coupon in mail 1');
    await gate.comesTo('welcome', ({ state }) => state === 'paused');
    for (const [from, to] of [[0, 300], [300, 1100], [1100, 2398]]) {
        await gate.hold('welcome', events('welcome', from, to, (i) => ({ coupon: 'XMAS', customer: { country: 'DE', tags: ['a', { n: i }] } })));
    }
    await gate.hold('welcome', [event('welcome', 'contact-7'), event('welcome', 'contact-8', { kind: 'advance' })]);
    await gate.order('urgent', { action: 'pause', for_seconds: 1800, reason: 'ends within the hour' });
    await gate.hold('urgent', events('urgent', 0, 12));
    await gate.order('soon', { action: 'pause', for_seconds: 40_000, new_records: 'discard' });
    await gate.produce(events('soon', 0, 5));
    // One that drains slowly.
    await gate.order('promo', { action: 'pause', reason: 'review' });
    await gate.hold('promo', events('promo', 0, 3000));
    await gate.order('promo', { action: 'resume', max_rate: 5 });
    // Letters.
    await gate.order('purged', { action: 'pause' });
    await gate.hold('purged', events('purged', 0, 8));
    await gate.cli('purge', 'purged', '--yes', '--reason', 'clean up');
    await gate.produce([{ key: 'welcome', value: '{"flow_id": "welcome", "record_id": 7, "kind": "enrol"}' }, { key: 'k', value: 'no JSON' }]);
});

const VIEWS = [
    ['flows', '/', (ui) => ui.rowIs('welcome', 'paused')],
    ['flows-none', '/?q=nothing-is-so', (ui) => ui.page.getByText(/no flow/i).first().waitFor()],
    ['flow-paused', '/flow/welcome/held', (ui) => items(ui, 'Held events')],
    ['flow-resuming', '/flow/promo', (ui) => ui.page.getByRole('progressbar', { name: 'Drained' }).waitFor()],
    ['flow-live', '/flow/campaign-1', (ui) => says(ui.state, /[Ll]ive/)],
    ['flow-unknown', '/flow/never-heard-of', (ui) => says(ui.page.locator('main'), /never-heard-of/)],
    ['flow-audit', '/flow/welcome/audit', (ui) => items(ui, 'Audit events')],
    ['flow-discarded', '/flow/purged/discarded', (ui) => ui.page.getByRole('checkbox', { name: /^Tick letter/ }).first().waitFor()],
    ['flow-dead', '/flow/welcome/dead', (ui) => ui.panel.waitFor()],
    ['flow-json', '/flow/welcome/json', (ui) => says(ui.panel, /flow_id/)],
    ['audit', '/audit', (ui) => items(ui, 'Audit events')],
    ['letters-dead', '/letters/dead', (ui) => ui.page.getByRole('checkbox', { name: /^Tick letter/ }).first().waitFor()],
    ['letters-discarded', '/letters/discarded', (ui) => ui.page.getByRole('checkbox', { name: /^Tick letter/ }).first().waitFor()],
];
const DIALOGS = [
    ['pause', '/flow/campaign-2', 'Pause…'],
    ['change', '/flow/welcome', 'Change…'],
    ['sample', '/flow/welcome', 'Sample…'],
    ['resume', '/flow/welcome', 'Resume…'],
    ['purge', '/flow/welcome', 'Purge…'],
    ['forget', '/flow/campaign-2', 'Forget…'],
    ['pause-all', '/', 'Pause all…'],
    ['edit-letter', '/letters/dead', /^Edit letter/],
    ['redrive', '/letters/discarded', /^Redrive all/],
    ['keyboard', '/', 'Keyboard help'],
];

async function items(ui, name) {
    await ui.page.getByRole('list', { name }).getByRole('listitem').first().waitFor();
}

for (const dark of [false, true]) {
    for (const [width, height] of [[1280, 800], [360, 640]]) {
        const touch = width < 640;
        const look = `${dark ? 'dark' : 'light'}-${width}`;
        stage.scene(`views and dialogs, ${look}`, async ({ gate, open }) => {
            const ui = await open({ width, height, dark, touch });
            ui.page.guard.expect(/status of 404/);
            // What is wrong in every view is told of the first.
            const told = new Set();
            const faults = [];
            const judged = async (name) => {
                await picture(ui.page, `${look}-${name}`);
                for (const check of touch ? [accessible, fits] : [accessible]) {
                    const found = await check(ui.page, name).then(() => '', (error) => error.message);
                    const lines = found.split('\n').filter((line) => line && !told.has(line));
                    lines.forEach((line) => told.add(line));
                    if (lines.length > 1) faults.push(lines.join('\n'));
                }
            };
            for (const [name, at, isShown] of VIEWS) {
                await ui.go(at);
                try {
                    await isShown(ui);
                } catch (error) {
                    faults.push(`${name}: ${error.message.slice(0, 400)}`);
                }
                await judged(name);
            }
            for (const [name, at, button] of DIALOGS) {
                await ui.go(at);
                try {
                    const target = ui.button(button).first();
                    if (name === 'edit-letter') await ui.page.locator('li > details > summary').first().click();
                    if (name !== 'keyboard') await target.waitFor();
                    if (await target.isVisible()) await target.click();
                    else if (name === 'keyboard') await ui.press('?');
                    await ui.dialog.waitFor();
                    if (!['keyboard', 'edit-letter'].includes(name)) await until('the preview is there', async () => (await ui.preview.count()) > 0 && /\S/.test(await ui.preview.innerText()));
                    await judged(`dialog-${name}`);
                    await ui.press('Escape');
                    await ui.dialog.waitFor({ state: 'hidden' });
                } catch (error) {
                    faults.push(`dialog ${name}: ${error.message.slice(0, 400)}`);
                    await ui.page.reload();
                    await ui.isLive();
                }
            }
            assert.equal(faults.length, 0, faults.join('\n'));
        }, 300_000);
    }
}

stage.scene('the pictures of the README', async ({ gate, open }) => {
    const ui = await open({ width: 1120, height: 560 });
    await ui.rowIs('welcome', 'paused');
    await until('how far the drain is', async () => /about/.test(await ui.row('promo').innerText()));
    await picture(ui.page, 'readme-flows');
    await ui.page.setViewportSize({ width: 1120, height: 720 });
    await ui.openFlow('welcome');
    await items(ui, 'Held events');
    await ui.page.locator('figure.depth svg').waitFor();
    await picture(ui.page, 'readme-flow');
});

stage.scene('the theme is the system’s until it is chosen, and then stays', async ({ gate, open }) => {
    const ui = await open({ dark: true });
    const shade = () => ui.page.evaluate(() => {
        const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number);
        const [, , , opacity = 1] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number);
        return opacity === 0 ? getComputedStyle(document.documentElement).backgroundColor : (r + g + b) / 3;
    });
    const isDark = async () => {
        const seen = await shade();
        return (typeof seen === 'number' ? seen : seen.match(/[\d.]+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0) / 3) < 100;
    };
    assert.ok(await isDark(), 'dark by the system');
    await until('light is chosen', async () => {
        const button = ui.button(/^Theme/);
        if (/light/.test((await button.getAttribute('aria-label')) ?? (await button.innerText()))) return true;
        await button.click();
        return false;
    });
    assert.ok(!(await isDark()), 'light was chosen');
    await ui.page.reload();
    await ui.isLive();
    assert.ok(!(await isDark()), 'light after a reload');
});

stage.scene('nothing moves for those who asked for calm', async ({ gate, open }) => {
    const ui = await open({ calm: true });
    await ui.rowIs('welcome', 'paused');
    await ui.openFlow('promo');
    await ui.page.getByRole('progressbar', { name: 'Drained' }).waitFor();
    const moving = await ui.page.evaluate(() => document.getAnimations().filter((one) => one.effect.getComputedTiming().duration > 1).map((one) => one.effect.target.outerHTML.slice(0, 200)));
    assert.deepEqual(moving, []);
});

stage.scene('deadlines are amber under a day, red under an hour, and said so in words', async ({ gate, open }) => {
    const ui = await open();
    const colour = async (id) => await ui.row(id).evaluate((row) => {
        const cells = [...row.querySelectorAll('*')].filter((one) => one.children.length === 0 && /\d\d:\d\d:\d\d/.test(one.textContent));
        return cells.length ? getComputedStyle(cells[0]).color : null;
    });
    await ui.rowIs('urgent', 'paused');
    const [far, day, hour] = [await colour('welcome'), await colour('soon'), await colour('urgent')];
    assert.ok(far && day && hour, `${far} ${day} ${hour}`);
    assert.equal(new Set([far, day, hour]).size, 3, `the colours of a deadline in 27 h, 11 h and 30 min: ${far}, ${day}, ${hour}`);
});

// Goal: a page that looks small in a browser's window at 200 % (WCAG 1.4.10) has everything, and nothing to scroll sideways.
stage.scene('320 px wide, as at 400 % of 1280', async ({ gate, open }) => {
    const ui = await open({ width: 320, height: 512 });
    await ui.rowIs('welcome', 'paused');
    const wide = () => ui.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok((await wide()) <= 0, 'the list is wider than 320 px');
    await ui.openFlow('welcome');
    await says(ui.state, /[Pp]aused/);
    assert.ok((await wide()) <= 0, 'a flow is wider than 320 px');
});
