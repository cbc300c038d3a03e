// Goal: what is held, what happened and what was not delivered can be looked into, and mended, in the page.

import assert from 'node:assert/strict';
import { picture } from './support/browser.js';
import { says } from './support/console.js';
import { Stage } from './support/stage.js';
import { event, events } from './support/topics.js';
import { until } from './support/until.js';

const stage = new Stage('looking');
const items = (ui, name) => ui.page.getByRole('list', { name }).getByRole('listitem');

// Goal: a preview is true when it is confirmed, or it says what has changed and nothing is done.
stage.scene('a preview that is no longer true says what has changed', async ({ gate, open }) => {
    const flow = 'changing';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 7));
    const ui = await open({ at: `/flow/${flow}` });
    ui.page.guard.expect(/status of 409/);
    await ui.click(ui.button('Purge…'));
    await ui.dialog.waitFor();
    await says(ui.preview, /\b7\b/);
    await ui.dialog.getByRole('textbox', { name: /Type/ }).fill(flow);
    // Somebody else was faster: another pause is in force now.
    await gate.order(flow, { action: 'resume' });
    await gate.comesTo(flow, ({ state }) => state === 'live');
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 100, 103));
    await until('the page says so', async () => {
        const alert = ui.dialog.getByRole('alert');
        if ((await alert.count()) > 0 && /\S/.test(await alert.first().innerText())) return true;
        if (await ui.confirm.isEnabled()) await ui.confirm.click({ timeout: 1000 });
        return false;
    });
    await says(ui.dialog.getByRole('alert').first(), /changed|since|now|meanwhile/i);
    assert.equal((await gate.flow(flow)).held.total, 3, 'what is held now was not asked about');
    await picture(ui.page, 'preview-stale');
    // The new preview is of what is held now.
    await ui.dialog.getByRole('button', { name: /^Show what/ }).click();
    await says(ui.preview, /\b3 events/);
    await says(ui.confirm, /Purge 3/);
});

// Goal: what the page has not heard of yet the gate knows: an order says what its sender has seen, and is not given to anything else.
stage.scene('somebody who is faster than the click is noticed by the gate', async ({ gate, open }) => {
    const flow = 'raced';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 5));
    const ui = await open({ at: `/flow/${flow}` });
    ui.page.guard.expect(/status of 409/);
    await ui.click(ui.button('Purge…'));
    await ui.dialog.waitFor();
    await ui.dialog.getByRole('textbox', { name: /Type/ }).fill(flow);
    await until('the dialog can be confirmed', () => ui.confirm.isEnabled());
    await ui.page.route(/\/commands/, async (route) => {
        await gate.order(flow, { action: 'resume' });
        await gate.comesTo(flow, ({ state }) => state === 'live');
        await gate.order(flow, { action: 'pause' });
        await gate.hold(flow, events(flow, 10, 12));
        await route.continue();
    }, { times: 1 });
    await ui.click(ui.confirm);
    await says(ui.dialog, /Nothing was done|[Mm]eanwhile|changed/);
    const { held, counts } = await gate.flow(flow);
    assert.deepEqual([held.total, counts.removed.enroll], [2, 0], 'what nobody was asked about');
});

stage.scene('held events are found by record and by field, and those that are ticked are released', async ({ gate, open }) => {
    const flow = 'held';
    await gate.order(flow, { action: 'pause', keep: 'all' });
    await gate.hold(flow, events(flow, 0, 300, (i) => ({ coupon: i % 100 === 5 ? 'XMAS' : 'SPRING', at: { deep: [i] } })));
    const ui = await open({ at: `/flow/${flow}/held` });
    await items(ui, 'Held events').first().waitFor();
    const first = await items(ui, 'Held events').first().innerText();
    assert.match(first, /contact-0\b/);
    await ui.page.getByRole('combobox', { name: 'Order' }).selectOption({ label: 'newest first' });
    const look = ui.button('Look');
    await look.click();
    await says(items(ui, 'Held events').first(), /contact-299\b/);

    await ui.page.getByRole('textbox', { name: /^Field/ }).fill('/coupon');
    await ui.page.getByRole('textbox', { name: /has the text/ }).fill('XMAS');
    await look.click();
    await until('three have the coupon', async () => (await items(ui, 'Held events').count()) === 3);
    await says(ui.page.getByTestId('looked'), /300 of 300|no more/);
    await picture(ui.page, 'held-by-field');

    await ui.page.getByRole('textbox', { name: /^Field/ }).fill('');
    await ui.page.getByRole('textbox', { name: /has the text/ }).fill('');
    await ui.page.getByLabel('Record', { exact: true }).fill('contact-42');
    await look.click();
    await until('one is found', async () => (await items(ui, 'Held events').count()) === 1);
    const details = items(ui, 'Held events').first().locator('details').first();
    await details.locator('summary').first().click();
    await says(details, /SPRING/);

    await ui.page.getByLabel('Record', { exact: true }).fill('');
    await look.click();
    await until('more than one', async () => (await items(ui, 'Held events').count()) > 5);
    const ticks = ui.page.getByRole('checkbox', { name: /^Tick entry/ });
    await ticks.nth(1).check();
    await ticks.nth(3).check();
    await ui.click(ui.button(/Release ticked/));
    await ui.dialog.waitFor();
    await says(ui.command, /flowgate release held --record/);
    await ui.confirmed();
    await gate.comesTo(flow, ({ held }) => held.total === 298);
    assert.equal(await gate.deliveredBy(flow, 'ticked'), 2);
});

// Goal: a caller may have two answers under way for which topics are read. A page alone never asks for a third; who goes from flow to flow
// faster than it is answered may be told to wait (429), and that is no fault of the page elsewhere.
stage.scene('a page that is looked at in peace is never told to wait', async ({ gate, open }) => {
    const flow = 'peaceful';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 20));
    const ui = await open({ at: `/flow/${flow}` });
    const waits = [];
    ui.page.on('response', (answer) => answer.status() === 429 && waits.push(answer.url()));
    await items(ui, 'Held events').nth(5).waitFor();
    await ui.page.getByRole('img', { name: /Queue depth/ }).waitFor();
    await ui.openFlow(flow, 'audit');
    await items(ui, 'Audit events').first().waitFor();
    for (const kind of ['discarded', 'dead']) {
        await ui.openFlow(flow, kind);
        await says(ui.panel, /kept for 90 days|no more/);
    }
    assert.deepEqual(waits, []);
});

stage.scene('a value that is not JSON is shown, and so is a large one', async ({ gate, open }) => {
    const flow = 'values';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, [event(flow, 'large', { text: 'x'.repeat(30_000), last: 'the end' }), event(flow, 'number', { n: 12345678901234567890n.toString() })]);
    const ui = await open({ at: `/flow/${flow}/held` });
    const large = items(ui, 'Held events').filter({ hasText: 'large' }).first();
    await large.locator('summary').first().click();
    await says(large, /the end/);
});

stage.scene('the audit is filtered and followed', async ({ gate, open }) => {
    for (const flow of ['audited', 'other']) await gate.order(flow, { action: 'pause', reason: `why ${flow}` });
    const ui = await open({ at: '/audit' });
    const list = items(ui, 'Audit events');
    await list.first().waitFor();
    await ui.page.getByRole('textbox', { name: 'Flow' }).fill('audited');
    await ui.button('Look').click();
    await until('only that flow', async () => {
        const texts = await list.allInnerTexts();
        return texts.length > 0 && texts.every((text) => text.includes('audited'));
    });
    await ui.page.getByRole('checkbox', { name: 'Follow' }).check();
    const before = await list.count();
    await gate.order('other', { action: 'resume' });
    await gate.order('audited', { action: 'resume', reason: 'seen as it happens' });
    await until('what happens now comes by itself', async () => (await list.count()) > before && (await list.allInnerTexts()).join().includes('seen as it happens'));
    assert.ok((await list.allInnerTexts()).every((text) => text.includes('audited')), 'the filter holds while it follows');
    await picture(ui.page, 'audit');
    // The view is in the address.
    assert.match(ui.page.url(), /audited/);
});

stage.scene('dead letters are grouped, one is mended and redriven, and the rest too', async ({ gate, open }) => {
    const flow = 'broken';
    const broken = (record) => ({ key: flow, value: JSON.stringify({ flow_id: flow, record_id: record, kind: 'enrol' }) });
    await gate.produce([broken('typo-1'), broken('typo-2'), { key: flow, value: 'no json at all' }, { key: flow, value: '{"flow_id": "broken"}' }]);
    const ui = await open({ at: '/letters/dead' });
    ui.page.guard.expect(/status of 4/);
    const ticks = ui.page.getByRole('checkbox', { name: /^Tick letter/ });
    await until('four letters', async () => {
        const more = ui.button('Look');
        if ((await ticks.count()) === 4) return true;
        if (await more.isVisible()) await more.click();
        else await ui.page.reload();
        return false;
    });
    const groups = ui.page.getByRole('heading', { level: 2 });
    assert.ok((await groups.count()) >= 2, 'letters of several reasons are in several groups');
    await picture(ui.page, 'letters-dead');

    for (const summary of await ui.page.locator('li > details > summary').all()) await summary.click();
    const letter = ui.page.getByRole('listitem').filter({ hasText: 'typo-1' }).first();
    await letter.getByRole('button', { name: /^Edit letter/ }).click();
    await ui.dialog.waitFor();
    const text = ui.dialog.getByRole('textbox').first();
    const old = await text.inputValue();
    await text.fill(old.replace('"enrol"', '"enroll"'));
    // The difference is shown before anything is sent.
    await says(ui.dialog, /enroll/);
    const marks = await ui.dialog.locator('del, ins').count();
    assert.ok(marks >= 2, `the difference has ${marks} marks`);
    await picture(ui.page, 'letter-edit');
    await ui.confirmed();
    await gate.delivered.saw(flow, 'typo-1');
    await until('it is said to be redriven', async () => /redriven/i.test(await letter.innerText()) || (await letter.count()) === 0);

    // One that nobody has mended would come back as it went: that is said, and not done.
    await ui.page.getByRole('listitem').filter({ hasText: 'typo-2' }).first().getByRole('checkbox').check();
    await ui.click(ui.button(/Redrive ticked/));
    await ui.isNoChoice('a redrive of what is broken', /cannot be redriven/);
    assert.equal((await gate.api('/letters/dead?limit=100')).letters.length, 4);
});

stage.scene('what a purge discarded is among the letters, and comes back by its command', async ({ gate, open }) => {
    const flow = 'purged';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 6));
    await gate.cli('purge', flow, '--yes', '--reason', 'a mistake');
    await gate.comesTo(flow, ({ held }) => held.total === 0);
    const ui = await open({ at: `/flow/${flow}/discarded` });
    await until('six letters', async () => (await ui.page.getByRole('checkbox', { name: /^Tick letter/ }).count()) === 6);
    await says(ui.page.getByRole('heading', { level: 2 }).first(), /purge.*6|6.*purge/i);
    await ui.click(ui.button(/^Redrive all/));
    await ui.dialog.waitFor();
    await says(ui.dialog, /6 letters/);
    await ui.confirmed();
    await gate.comesTo(flow, ({ held }) => held.total === 6);
    assert.equal(await gate.deliveredBy(flow, 'redriven'), 0);
});

stage.scene('the depth over time, the sums and JSON of a flow', async ({ gate, open }) => {
    const flow = 'deep';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 200));
    await gate.produce([event(flow, 'contact-3'), event(flow, 'contact-4', { kind: 'advance' })]);
    await gate.comesTo(flow, ({ held }) => held.total >= 201);
    const ui = await open({ at: `/flow/${flow}` });
    await ui.page.getByRole('img', { name: /Queue depth/ }).waitFor();
    const sums = await says(ui.sums, /held 20\d/);
    // Both are right: held by kind, and what became of all that was queued.
    const numbers = (text) => text.replaceAll(',', '');
    const [, held, enroll, advance] = /held (\d+) = (\d+) enroll \+ (\d+) advance/.exec(numbers(sums));
    assert.equal(Number(held), Number(enroll) + Number(advance));
    const queued = /queued (\d+) = held (\d+) \+ released (\d+) \+ replaced (\d+) \+ removed (\d+)/.exec(numbers(sums));
    assert.ok(queued, sums);
    const [whole, ...parts] = queued.slice(1).map(Number);
    assert.equal(whole, parts.reduce((sum, part) => sum + part));
    await ui.openFlow(flow, 'json');
    await says(ui.panel, /flow_id"?: "deep"/);
});

stage.scene('times are local with their offset, or UTC', async ({ gate, open }) => {
    const flow = 'times';
    await gate.order(flow, { action: 'pause' });
    const { pause } = await gate.flow(flow);
    const ui = await open({ at: `/flow/${flow}`, zone: 'Asia/Kolkata' });
    const at = new Date(pause.paused_at);
    const local = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: 'Asia/Kolkata' }).format(at);
    const utc = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: 'UTC' }).format(at);
    await says(ui.state, new RegExp(local));
    await ui.click(ui.button(/Times in UTC/i));
    await says(ui.state, new RegExp(utc));
    await ui.page.reload();
    await says(ui.state, new RegExp(utc));
});

// Goal: what is shown can be taken along.
stage.scene('flows, held events and letters are exported', async ({ gate, open }) => {
    const flow = 'exported';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 5, (i) => ({ n: i })));
    const { readFile } = await import('node:fs/promises');
    const ui = await open({ at: '/?q=exported' });
    const taken = async (button) => {
        const [download] = await Promise.all([ui.page.waitForEvent('download'), button.click()]);
        return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')];
    };
    await ui.rowIs(flow, 'paused');
    await ui.tick(flow).check();
    const [name, flows] = await taken(ui.page.getByRole('toolbar', { name: 'Actions' }).getByRole('button', { name: 'Export' }));
    assert.match(name, /\.(jsonl?|csv)$/);
    assert.match(flows, /"flow_id":\s*"exported"/);
    await ui.openFlow(flow, 'held');
    await items(ui, 'Held events').nth(4).waitFor();
    const [, held] = await taken(ui.panel.getByRole('button', { name: 'Export' }));
    for (let i = 0; i < 5; i++) assert.match(held, new RegExp(`contact-${i}\\b`));
});
