// Goal: what an operator does at 3 a.m. does what the page says, as a consumer of `flow.records` sees it.

import assert from 'node:assert/strict';
import { accessible, picture } from './support/browser.js';
import { numberIn, says } from './support/console.js';
import { Stage } from './support/stage.js';
import { BROKERS } from './support/gate.js';
import { deleteRecords } from './support/kafka.js';
import { event, events, Upstream } from './support/topics.js';
import { until } from './support/until.js';

const stage = new Stage('stop');

// Goal: the whole of a night: pause, see that it stopped, let one through, resume at a rate, watch it to its end.
stage.scene('a flow is paused, one record is let through, and it resumes at a rate', async ({ gate, open }, t) => {
    const flow = 'welcome';
    const upstream = new Upstream(BROKERS, gate.topic('enrollments'), flow, { every: 20 });
    try {
        await gate.delivered.reaches(flow, 20);
        const ui = await open();
        await ui.rowIs(flow, 'live');
        await ui.openFlow(flow);
        await ui.click(ui.button('Pause…'));
        await ui.dialog.waitFor();
        await says(ui.preview, /\S/);
        await ui.field('textbox', 'Reason').fill('wrong coupon');
        await says(ui.command, /flowgate pause welcome .*--reason .wrong coupon/);
        await ui.confirmed();
        await says(ui.state, /[Pp]aused since .*wrong coupon/);

        // It is confirmed: from here on nothing may be delivered, though more and more comes.
        const before = await gate.deliveredBy(flow, 'confirmed');
        const more = upstream.sent + 100;
        await until('100 events more are sent', () => upstream.sent >= more);
        await gate.comesTo(flow, ({ held }) => held.total >= 100);
        assert.equal(await gate.deliveredBy(flow, 'later'), before, 'records that were delivered while it was paused');
        await says(ui.proof, /[Nn]othing .*delivered since/);
        // Two withdraws were let through: those by which the consumer was asked.
        await says(ui.proof, /2 withdraws|[Ww]ithdraws [a-z ]+: 2\b/);
        await until('the page counts what is held', async () => {
            const { held } = await gate.flow(flow);
            return numberIn(/held [\d,]+/.exec(await ui.sums.innerText())[0]) >= held.total - 60;
        });
        await picture(ui.page, 'flow-paused');

        // One goes, by its name, and no other.
        const [record] = (await gate.api(`/flows/${flow}/queue?limit=1&from=newest`)).events.map((one) => one.record_id);
        await ui.click(ui.button('Sample…'));
        await ui.dialog.waitFor();
        await ui.field('radio', /named records/).check();
        await ui.field('textbox', /Records/).fill(record);
        await ui.confirmed();
        const sampled = await gate.delivered.saw(flow, record);
        assert.equal(sampled.headers['flowgate-release'], 'sample');
        assert.equal(await gate.deliveredBy(flow, 'sampled'), before + 1, 'what a sample of one record delivers');

        await upstream.stop();
        const { held } = await gate.comesTo(flow, ({ held }) => held.total >= upstream.sent - before - 1);
        await says(ui.sums, new RegExp(`held ${held.total.toLocaleString('en')}\\b`));
        const left = held.total;
        const rate = Math.max(10, Math.ceil(left / 8));
        await ui.click(ui.button('Resume…'));
        await ui.dialog.waitFor();
        await ui.dialog.getByLabel(/per second/).fill(String(rate));
        await says(ui.confirm, new RegExp(`Resume ${left} at ${rate} per s`));
        await says(ui.preview, new RegExp(`${left} events`));
        await picture(ui.page, 'dialog-resume');
        await ui.confirmed();
        await says(ui.state, /[Rr]esuming/);
        const seen = new Set();
        await until('the drain is watched to its end', async () => {
            const at = await ui.drained();
            if (at !== null) seen.add(at);
            return /[Ll]ive/.test(await ui.state.innerText());
        }, 60_000);
        t.diagnostic(`the drain was seen at ${[...seen].join(', ')} %`);
        assert.ok([...seen].some((at) => at > 5 && at < 95), `the drain was seen at ${[...seen]} % alone`);
        assert.equal(await gate.deliveredBy(flow, 'end'), upstream.sent, 'each is delivered, and once');
        const order = gate.delivered.of(flow).map((one) => one.record).filter((name) => name !== record);
        assert.deepEqual(order, order.toSorted((a, b) => Number(a.slice(7)) - Number(b.slice(7))), 'in their order');
    } finally {
        await upstream.stop();
    }
});

// Goal: P5 under the eyes: the countdown ends, and the flow resumes by itself.
stage.scene('the timer fires under the eyes', async ({ gate, open }) => {
    const flow = 'timed';
    await gate.order(flow, { action: 'pause', for_seconds: 8, reason: 'short' });
    await gate.hold(flow, events(flow, 0, 30));
    const ui = await open();
    await ui.rowIs(flow, 'paused');
    const row = ui.row(flow);
    const first = await says(row, /00:00:0\d|\b\d+ ?s\b/);
    await until('the countdown goes on', async () => (await row.innerText()) !== first, 3000);
    await ui.openFlow(flow);
    await says(ui.state, /[Pp]aused/);
    assert.equal(gate.delivered.count(flow), 0, 'before its deadline');
    // Nobody does anything.
    await says(ui.state, /[Ll]ive/, 20_000);
    await gate.delivered.reaches(flow, 30);
    assert.equal(gate.delivered.of(flow)[0].headers['flowgate-release'], 'timer');
});

// Goal: the most dangerous button asks for the flow's name, and what it did can be taken back from the same page.
stage.scene('a purge asks for the id, and is undone', async ({ gate, open }) => {
    const flow = 'win-back';
    await gate.order(flow, { action: 'pause', reason: 'review' });
    await gate.hold(flow, events(flow, 0, 50));
    const ui = await open({ at: `/flow/${flow}` });
    await ui.click(ui.button('Purge…'));
    await ui.dialog.waitFor();
    await says(ui.preview, /50 /);
    const name = ui.dialog.getByRole('textbox', { name: /Type win-back/ });
    assert.ok(await ui.confirm.isDisabled(), 'a purge before the id is typed');
    await name.fill('win-bac');
    assert.ok(await ui.confirm.isDisabled(), 'a purge with half of the id');
    await name.fill(flow);
    await says(ui.confirm, /Purge 50/);
    await accessible(ui.page, 'the purge');
    await ui.confirmed();
    await gate.comesTo(flow, ({ held, state }) => held.total === 0 && state === 'paused');
    await says(ui.sums, /held 0\b/);

    await ui.click(ui.results.getByRole('button', { name: /Undo/ }).first());
    await ui.dialog.waitFor();
    // It says what does not come back as it was: the order.
    await says(ui.dialog, /behind|order/);
    await ui.confirmed();
    await gate.comesTo(flow, ({ held }) => held.total === 50);
    await says(ui.sums, /held 50\b/);
    assert.equal(await gate.deliveredBy(flow, 'undone'), 0, 'what is undone stays held');
});

// Goal: what somebody has deleted is told, given up by whoever types the flow's id, and the rest goes out.
stage.scene('a loss is told and accepted', async ({ gate, open }) => {
    const flow = 'robbed';
    await gate.order(flow, { action: 'pause' });
    const { queue } = await gate.hold(flow, events(flow, 0, 10));
    await deleteRecords(BROKERS, queue.topic, 5);
    await gate.order(flow, { action: 'resume' });
    const ui = await open({ at: `/flow/${flow}` });
    await says(ui.panel, /Blocked: somebody has deleted/);
    await ui.click(ui.button('Accept the loss…'));
    await ui.dialog.waitFor();
    // As many as stood before the oldest that is left: no more than that may be lost.
    const most = numberIn(/--accept-loss (\d+)/.exec(await says(ui.command, /flowgate flow robbed --accept-loss [1-5]$/))[1]);
    await accessible(ui.page, 'the loss');
    await picture(ui.page, 'dialog-loss');
    assert.ok(await ui.confirm.isDisabled(), 'a loss before the id is typed');
    await ui.dialog.getByRole('textbox', { name: /Type robbed/ }).fill(flow);
    // The gate has to have seen it too.
    await until('it is accepted', async () => {
        if ((await ui.dialog.count()) === 0) return true;
        await ui.confirm.click({ timeout: 1000 });
        return false;
    });
    const { counts } = await gate.comesTo(flow, ({ state }) => state === 'live');
    const lost = counts.lost.enroll;
    assert.ok(lost > 0 && lost <= most, `${lost} are lost, and ${most} may be`);
    assert.equal(await gate.deliveredBy(flow, 'robbed'), 10 - lost);
    await says(ui.sums, new RegExp(`lost ${lost}\\b`));
});

// Goal: an undo of a pause is a resume, and of a resume a pause.
stage.scene('a pause is undone', async ({ gate, open }) => {
    const flow = 'oops';
    await gate.produce([event(flow, 'first')]);
    await gate.delivered.reaches(flow, 1);
    const ui = await open({ at: `/flow/${flow}` });
    await ui.click(ui.button('Pause…'));
    await ui.dialog.waitFor();
    await ui.confirmed();
    await says(ui.state, /[Pp]aused/);
    await ui.click(ui.results.getByRole('button', { name: /Undo/ }).first());
    await ui.confirmed();
    await says(ui.state, /[Ll]ive/);
    await gate.comesTo(flow, ({ state }) => state === 'live');
});

// Goal: the flow's events that the flow turns away, and those discarded by a resume, are said to be so.
stage.scene('a resume that discards says what it discards', async ({ gate, open }) => {
    const flow = 'expired-offer';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 12));
    const ui = await open({ at: `/flow/${flow}` });
    await ui.click(ui.button('Resume…'));
    await ui.dialog.waitFor();
    await ui.field('radio', /discard what is held/).check();
    await says(ui.preview, /12 .*discard|discard.* 12 /);
    await says(ui.command, /--release none/);
    await ui.confirmed();
    await gate.comesTo(flow, ({ state }) => state === 'live');
    assert.equal(await gate.deliveredBy(flow, 'discarded'), 0, 'what was to be discarded');
});

// Goal: "everything stops" is one dialog, which asks for ALL; a flow that nobody has seen yet stops too.
stage.scene('all flows are paused, also those to come, and go again', async ({ gate, open }) => {
    await gate.produce([event('one', 'a'), event('two', 'a')]);
    await gate.delivered.reaches('two', 1);
    const ui = await open();
    await ui.click(ui.button('Pause all…'));
    await ui.dialog.waitFor();
    await says(ui.preview, /\S/);
    const all = ui.dialog.getByRole('textbox', { name: /Type ALL/ });
    await ui.field('textbox', 'Reason').fill('the mail server is down');
    assert.ok(await ui.confirm.isDisabled(), 'before ALL is typed');
    await all.fill('all');
    assert.ok(await ui.confirm.isDisabled(), 'ALL in small letters');
    await all.fill('ALL');
    await picture(ui.page, 'dialog-pause-all');
    await ui.confirmed();
    await ui.rowIs('one', 'paused');
    await ui.rowIs('two', 'paused');
    await gate.produce([event('never-seen', 'x'), event('one', 'b')]);
    await ui.rowIs('never-seen', 'paused');
    assert.equal(await gate.deliveredBy('never-seen', 'all'), 0);
    assert.equal(await gate.deliveredBy('one', 'all'), 1);

    await ui.click(ui.button('Resume all…'));
    await ui.dialog.waitFor();
    await all.fill('ALL');
    await ui.confirmed();
    await ui.rowIs('one', 'live');
    await gate.delivered.saw('never-seen', 'x');
});

// Goal: a pause is made longer by a day, and what arrives is turned away from then on; the rest of it stays as it was.
stage.scene('a pause is changed', async ({ gate, open }) => {
    const flow = 'longer';
    await gate.order(flow, { action: 'pause', for_seconds: 86_400, reason: 'for a day' });
    const before = (await gate.flow(flow)).pause;
    const ui = await open({ at: `/flow/${flow}` });
    await ui.click(ui.button('+1 day'));
    await ui.dialog.waitFor();
    await says(ui.preview, /\S/);
    await ui.field('radio', /turn them away/).check();
    await ui.confirmed();
    const { pause } = await gate.comesTo(flow, ({ pause }) => pause.new_records === 'discard');
    const longer = (new Date(pause.resumes_at) - new Date(before.resumes_at)) / 1000;
    assert.ok(Math.abs(longer - 86_400) <= 60, `it ends ${longer} s later`);
    assert.deepEqual([pause.id, pause.paused_at, pause.keep], [before.id, before.paused_at, before.keep]);
    await gate.produce(events(flow, 0, 4));
    await gate.comesTo(flow, ({ counts }) => counts.turned_away.enroll === 4);
    await says(ui.sums, /turned away 4\b/);
});

// Goal: a name that was a mistake is gone from the list, in every browser.
stage.scene('a flow that was a mistake is forgotten', async ({ gate, open }) => {
    await gate.order('wellcome', { action: 'pause' });
    await gate.order('wellcome', { action: 'resume' });
    const [ui, other] = [await open({ at: '/flow/wellcome' }), await open()];
    await other.rowIs('wellcome', 'live');
    await ui.click(ui.button('Forget…'));
    await ui.dialog.waitFor();
    await ui.confirmed();
    await other.row('wellcome').waitFor({ state: 'detached' });
});

// Goal: what is said of a drain is true for whoever comes later too.
stage.scene('a slow drain tells its true rate to whoever opens it', async ({ gate, open }) => {
    const flow = 'slow';
    await gate.order(flow, { action: 'pause' });
    await gate.hold(flow, events(flow, 0, 400));
    await gate.order(flow, { action: 'resume', max_rate: 5 });
    await gate.comesTo(flow, ({ counts }) => counts.released.enroll >= 20);
    const ui = await open({ at: `/flow/${flow}` });
    for (let look = 0; look < 3; look++) {
        const told = await says(ui.page.locator('main'), /\d+ per s/);
        const rate = Number(/([\d,.]+) per s/.exec(told)[1].replaceAll(',', ''));
        assert.ok(rate <= 6, `${rate} per s of 5 allowed`);
        const before = (await gate.flow(flow)).held.total;
        await gate.comesTo(flow, ({ held }) => held.total < before - 3);
    }
    await gate.order(flow, { action: 'resume', release: 'none' });
});
