// Goal: who may do what is seen before it is tried, and whoever is let in no more is told so.

import assert from 'node:assert/strict';
import { LOST, REFUSED, accessible, fits, picture } from './support/browser.js';
import { says } from './support/console.js';
import { Stage } from './support/stage.js';
import { event, events } from './support/topics.js';
import { until } from './support/until.js';

const stage = new Stage('rights', { tokens: { root: 'admin', olga: 'operator', vera: 'viewer' } });

stage.prepare(async (gate) => {
    await gate.order('welcome', { action: 'pause', reason: 'for rights' });
    await gate.hold('welcome', events('welcome', 0, 5, () => ({ secret: 'only for operators' })));
});

stage.scene('nobody gets in without a token, and with one they do', async ({ gate, open }) => {
    const ui = await open({ isReady: false });
    ui.page.guard.expect(REFUSED);
    await ui.dialog.waitFor();
    assert.equal(await ui.page.locator('[data-flow]').count(), 0);
    const token = ui.dialog.getByLabel('Token');
    assert.equal(await token.getAttribute('type'), 'password');
    await accessible(ui.page, 'the login');
    await picture(ui.page, 'login');
    await token.fill('wrong');
    await ui.click(ui.dialog.getByRole('button', { name: 'Log in' }));
    await says(ui.dialog.getByRole('alert'), /\S/);
    await token.fill(gate.tokens.olga.secret);
    await ui.press('Enter');
    await ui.isLive();
    await ui.rowIs('welcome', 'paused');
    await ui.page.getByText('olga (operator)').waitFor();
    // The token is nowhere that a script could read later.
    const kept = await ui.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.ok(!kept.includes(gate.tokens.olga.secret), 'the token was kept');

    await ui.click(ui.button('Log out'));
    await ui.dialog.waitFor();
    assert.equal(await ui.page.locator('[data-flow]').count(), 0, 'flows are shown behind the login');
    await ui.page.reload();
    await ui.dialog.waitFor();
});

stage.scene('a viewer sees states and no values, and gives no order', async ({ gate, open }) => {
    const ui = await open({ as: 'vera' });
    ui.page.guard.expect(REFUSED);
    await ui.rowIs('welcome', 'paused');
    await ui.page.getByText('vera (viewer)').waitFor();
    await ui.isBarred('Pause all…', /takes the role admin/);
    // Keys are no way around it.
    await ui.press('j', 'r');
    await ui.isNoChoice('r', /takes the role operator/);
    await ui.openFlow('welcome');
    await says(ui.state, /[Pp]aused/);
    for (const button of ['Resume…', 'Sample…', 'Change…', 'Purge…']) await ui.isBarred(button, /takes the role (operator|admin)/);
    const first = ui.page.getByRole('list', { name: 'Held events' }).getByRole('listitem').first();
    await first.locator('summary').first().click();
    await says(first, /takes the role operator/);
    assert.doesNotMatch(await ui.page.locator('body').innerText(), /only for operators/);
    await accessible(ui.page, 'a viewer’s flow');
    assert.equal((await gate.flow('welcome')).commands.length, 1);
});

stage.scene('an operator pauses one flow, and does not purge', async ({ gate, open }) => {
    const ui = await open({ as: 'olga' });
    await ui.rowIs('welcome', 'paused');
    await ui.isBarred('Pause all…', /admin/);
    await ui.openFlow('welcome');
    await ui.button('Resume…').waitFor();
    await ui.isBarred('Purge…', /admin/);
    await gate.produce([event('of-olga', 'a')]);
    await gate.comesTo('of-olga', ({ state }) => state === 'live');
    await ui.openFlow('of-olga');
    await ui.click(ui.button('Pause…'));
    await ui.dialog.waitFor();
    await ui.confirmed();
    const { pause } = await gate.comesTo('of-olga', ({ state }) => state === 'paused');
    assert.equal(pause.by, 'olga');
    await says(ui.state, /olga/);
});

stage.scene('an admin purges', async ({ gate, open }) => {
    await gate.order('to-purge', { action: 'pause' });
    await gate.hold('to-purge', events('to-purge', 0, 3));
    const ui = await open({ as: 'root', at: '/flow/to-purge' });
    await ui.click(ui.button('Purge…'));
    await ui.dialog.waitFor();
    await ui.field('textbox', /^Type/).fill('to-purge');
    await ui.confirmed();
    await gate.comesTo('to-purge', ({ held }) => held.total === 0);
});

// Goal: a token is taken away while somebody looks: they see it, and cannot go on with what is on their screen.
stage.scene('a token that is taken away ends what it let in', async ({ gate, open }, t) => {
    const ui = await open({ as: 'olga', at: '/flow/welcome' });
    ui.page.guard.expect(REFUSED, LOST);
    await says(ui.state, /[Pp]aused/);
    gate.writeTokens(['root', 'vera']);
    try {
        const began = performance.now();
        await ui.dialog.waitFor({ timeout: 30_000 });
        t.diagnostic(`the login came ${((performance.now() - began) / 1000).toFixed(1)} s after the token was taken away`);
        await says(ui.dialog, /taken away|revoked|ended|no longer|any more|expired/i);
        // Whoever logs in again is where they were.
        await ui.dialog.getByLabel('Token').fill(gate.tokens.vera.secret);
        await ui.press('Enter');
        await ui.isLive();
        await says(ui.state, /[Pp]aused/);
        await ui.page.getByText('vera (viewer)').waitFor();
    } finally {
        gate.writeTokens();
        await until('the gate has read its tokens again', async () => {
            const answer = await fetch(`http://127.0.0.1:${gate.port}/api/v1/whoami`, { headers: { authorization: `Bearer ${gate.tokens.olga.secret}` } });
            return answer.ok;
        }, 30_000);
    }
});

// Goal: a session that has expired is told in the middle of what somebody is doing, and what they typed is still there.
stage.scene('a session that ends in a dialog', async ({ gate, open }) => {
    const ui = await open({ as: 'olga', at: '/flow/welcome' });
    ui.page.guard.expect(REFUSED, LOST);
    await ui.click(ui.button('Resume…'));
    await ui.dialog.waitFor();
    await ui.field('textbox', 'Reason').fill('typed with care');
    await says(ui.preview, /5 events/);
    // Logged out elsewhere: the cookie is worth nothing any more.
    await ui.page.context().request.delete(`${gate.url}api/v1/session`, { headers: { 'sec-fetch-site': 'same-origin' } });
    const login = ui.page.getByRole('dialog', { name: 'Log in' });
    await login.waitFor({ timeout: 15_000 });
    await login.getByLabel('Token').fill(gate.tokens.olga.secret);
    await ui.press('Enter');
    await login.waitFor({ state: 'hidden' });
    await ui.isLive();
    assert.equal((await gate.flow('welcome')).state, 'paused', 'nothing was done meanwhile');
});

stage.scene('a phone can log in', async ({ gate, open }) => {
    const ui = await open({ isReady: false, width: 360, height: 640, touch: true });
    ui.page.guard.expect(REFUSED);
    await ui.dialog.waitFor();
    await fits(ui.page, 'the login');
    await ui.dialog.getByLabel('Token').fill(gate.tokens.vera.secret);
    await ui.tap(ui.dialog.getByRole('button', { name: 'Log in' }));
    await ui.isLive();
    await ui.rowIs('welcome', 'paused');
});
