// Goal: ids, reasons and values are written by strangers: they are text, never markup, and break no line.

import assert from 'node:assert/strict';
import { accessible, fits, picture } from './support/browser.js';
import { says } from './support/console.js';
import { Stage } from './support/stage.js';
import { event } from './support/topics.js';
import { until } from './support/until.js';

const BAD = {
    markup: '<img src=x onerror="document.title=\'taken\'">',
    script: '"><script>document.title=\'taken\'</script>',
    template: '${document.title=\'taken\'}{{7*7}}',
    rtl: 'حملة-الترحيب-٢٠٢٦',
    override: 'safe\u202egnp.exe',
    cjk: '歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓迎歓',
    newline: 'two\nlines\tand a tab',
    path: '../../api/v1/session',
    dots: '..',
    percent: '100%25 sure/%2e%2e?x=1#y',
    url: 'javascript:alert(1)',
    spaces: '  leading and trailing  ',
    emoji: '👩‍👩‍👧‍👦🏳️‍🌈',
    number: '007',
    proto: '__proto__',
    constructor_: 'constructor',
};
/** What a page that draws from objects might take for an element, or for what it may set on one. */
const ELEMENT = { tag: 'img', key: null, props: { src: 'x', title: 'forged' }, kids: [], node: null, text: '', drawn: {}, nodeName: 'IMG', _$litType$: 1, strings: ['<img src=x title=forged>'], values: [] };
const PROPS = { class: 'forged', onclick: "document.title='taken'", style: 'position: fixed; inset: 0; background: red', href: 'javascript:alert(1)', innerHTML: '<img src=x>' };
const IDS = Object.values(BAD);
const VALUE = '<svg onload="document.title=\'taken\'"> & "quotes" \u202e\u0007 歓';

const stage = new Stage('hostile');

stage.prepare(async (gate) => {
    for (const id of IDS) await gate.order(id, { action: 'pause', reason: `because ${BAD.markup} ${BAD.override}` });
    await gate.produce(IDS.flatMap((id) => [
        event(id, BAD.markup, { note: VALUE, nested: { [BAD.markup]: [VALUE, null, 1.5, true] }, element: ELEMENT, props: PROPS, list: [ELEMENT, [PROPS, ELEMENT], []], tag: 'img', kids: [ELEMENT], toString: null, then: 1 }),
        event(id, BAD.newline, { note: 'x'.repeat(5000) }),
    ]));
    for (const id of IDS) await gate.comesTo(id, ({ held }) => held.total === 2);
    // Letters: what is no event at all.
    await gate.produce([
        { key: BAD.markup, value: `{"flow_id": "${BAD.rtl}", "record_id": 7` },
        { key: 'k', value: BAD.markup },
        { key: 'k', value: JSON.stringify({ flow_id: BAD.markup, record_id: BAD.script, kind: '<b>no kind</b>' }) },
    ]);
});

async function isUntouched(ui) {
    assert.notEqual(await ui.page.title(), 'taken', 'a stranger’s text was run');
    const strange = await ui.page.locator('img[src=x], svg[onload], [title=forged], .forged, b:text-is("no kind")').count();
    assert.equal(strange, 0, 'a stranger’s text became an element');
}

for (const width of [1280, 360]) {
    stage.scene(`hostile ids in the list, ${width} px`, async ({ gate, open }) => {
        const ui = await open({ width, touch: width < 640 });
        await until('all are shown', async () => {
            const shown = new Set(await ui.shown());
            return IDS.every((id) => shown.has(id));
        });
        await isUntouched(ui);
        await picture(ui.page, `hostile-list-${width}`);
        if (width < 640) await fits(ui.page, 'the list of hostile ids');
        // Control characters are shown as signs, and end no line.
        for (const id of [BAD.newline, BAD.override]) {
            const text = await ui.row(id).getByRole('link').first().evaluate((link) => link.textContent);
            assert.doesNotMatch(text, /[\n\t\u202e]/, `${JSON.stringify(id)} is shown as it is`);
        }
        const direction = ui.row(BAD.rtl).locator('[dir=auto]');
        assert.ok((await direction.count()) > 0, 'ids have `dir="auto"`');
    });
}

stage.scene('each hostile flow opens, and so do its tabs', async ({ gate, open }) => {
    const ui = await open();
    for (const id of IDS) {
        await ui.go('/');
        await ui.row(id).waitFor();
        await ui.row(id).getByRole('link').first().click();
        await says(ui.state, /[Pp]aused since/);
        await ui.page.getByRole('list', { name: 'Held events' }).getByRole('listitem').first().waitFor();
        await isUntouched(ui);
    }
    await ui.openFlow(BAD.markup, 'held');
    const details = ui.page.getByRole('list', { name: 'Held events' }).locator('details').first();
    await details.locator('summary').first().click();
    // Everything that can be unfolded.
    for (let i = 0; i < 40; i++) {
        const folded = details.locator('details:not([open]) > summary').filter({ visible: true });
        if ((await folded.count()) === 0) break;
        await folded.first().click();
    }
    await says(details, /svg onload/);
    await says(details, /forged/);
    await isUntouched(ui);
    for (const tab of ['audit', 'discarded', 'dead', 'json']) {
        await ui.openFlow(BAD.markup, tab);
        await ui.panel.waitFor();
        await isUntouched(ui);
    }
    await accessible(ui.page, 'a hostile flow');
});

stage.scene('hostile ids in dialogs, commands and letters', async ({ gate, open }) => {
    const ui = await open({ at: `/flow/${encodeURIComponent(BAD.newline)}` });
    await ui.click(ui.button('Resume…'));
    await ui.dialog.waitFor();
    await says(ui.preview, /2 events/);
    // What is copied into a terminal is one word of one line, whatever it has in it.
    const command = await ui.command.innerText();
    assert.match(command, /^\$ flowgate resume [$"']?.two.*and a tab/);
    await ui.click(ui.dialog.getByRole('button', { name: 'Cancel' }));
    await ui.openFlow(BAD.script);
    await ui.click(ui.button('Purge…'));
    await ui.dialog.waitFor();
    await ui.dialog.getByRole('textbox', { name: /Type/ }).fill(BAD.script);
    await says(ui.confirm, /Purge 2/);
    await until('the id is typed', () => ui.confirm.isEnabled());
    await isUntouched(ui);
    await ui.click(ui.dialog.getByRole('button', { name: 'Cancel' }));
    await ui.go('/letters/dead');
    await says(ui.page.locator('main'), /3|no kind|not JSON/i);
    await isUntouched(ui);
    await ui.go('/audit');
    await ui.page.getByRole('list', { name: 'Audit events' }).getByRole('listitem').first().waitFor();
    await isUntouched(ui);
    await picture(ui.page, 'hostile-audit');
});

// Goal: what is copied is what a shell gives to flowgate, for each id.
stage.scene('the command line that is copied works for each id', async ({ gate, open }) => {
    const { run } = await import('./support/tied.js');
    const ui = await open();
    for (const id of IDS) {
        await ui.openFlow(id);
        await ui.click(ui.button('Change…'));
        await ui.dialog.waitFor();
        await until('there is a command', async () => /flowgate/.test(await ui.command.innerText()));
        await ui.dialog.getByRole('button', { name: 'Copy' }).click();
        const copied = await until('it is copied', () => ui.page.evaluate(() => navigator.clipboard.readText()));
        const words = await run(['bash', '-c', `flowgate() { printf '%s\\0' "$@"; }; ${copied.replace(/^\$ /, '')}`]);
        assert.ok(words.split('\0').includes(id), `${JSON.stringify(id)} is not a word of ${JSON.stringify(copied)}`);
        await ui.dialog.getByRole('button', { name: 'Cancel' }).click();
    }
});
