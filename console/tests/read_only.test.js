// Goal: a gate that takes no commands says so, and offers none; a pause may be shorter than the usual 14 days.

import assert from 'node:assert/strict';
import { accessible, picture } from './support/browser.js';
import { says } from './support/console.js';
import { Stage } from './support/stage.js';
import { event } from './support/topics.js';

const stage = new Stage('read-only', { settings: { http_read_only: 'true' } });

stage.prepare(async (gate) => {
    await gate.cli('pause', 'still', '--reason', 'by the command line', '--yes');
    await gate.produce([event('still', 'a')]);
    await gate.comesTo('still', ({ held }) => held.total === 1);
});

stage.scene('a read-only console shows everything and takes no order', async ({ gate, open }) => {
    const ui = await open();
    await ui.rowIs('still', 'paused');
    await says(ui.page.locator('body'), /[Rr]ead-only/);
    await picture(ui.page, 'read-only');
    await ui.isBarred('Pause all…', /read.only/i);
    // Keys are no way around it.
    await ui.press('j', 'r');
    await ui.isNoChoice('r', /read.only/i);
    await ui.openFlow('still');
    await says(ui.state, /by the command line/);
    for (const button of ['Resume…', 'Purge…', 'Change…', 'Sample…']) await ui.isBarred(button, /read.only/i);
    await accessible(ui.page, 'a read-only flow');
    const { state, held, commands } = await gate.flow('still');
    assert.deepEqual([state, held.total, commands.length], ['paused', 1, 1]);
});
