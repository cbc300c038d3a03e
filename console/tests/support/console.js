// The page as its users name things: every role and accessible name that the tests rely on is here.

import assert from 'node:assert/strict';
import { until } from './until.js';

export class Console {
    constructor(page, gate) {
        this.page = page;
        this.gate = gate;
        this.clicks = 0;
        this.keys = 0;
    }

    // What is everywhere.

    async isLive(within = 30_000) {
        await this.page.locator('html[data-link=live]').waitFor({ state: 'attached', timeout: within });
    }

    get connection() {
        return this.page.getByRole('status', { name: 'Connection' });
    }

    button(name) {
        return this.page.getByRole('button', { name, exact: typeof name === 'string' });
    }

    get results() {
        return this.page.getByRole('region', { name: 'Results' });
    }

    async go(at) {
        await this.page.evaluate((hash) => (location.hash = hash), `#${at}`);
    }

    /** A click that is counted. */
    async click(target) {
        this.clicks += 1;
        await target.click();
    }

    async tap(target) {
        this.clicks += 1;
        await target.tap();
    }

    /** Keys that are counted. */
    async press(...keys) {
        for (const key of keys) {
            this.keys += 1;
            await this.page.keyboard.press(key);
        }
    }

    async type(text) {
        this.keys += text.length;
        await this.page.keyboard.type(text);
    }

    /** What has the focus, as a person would name it. */
    async focus() {
        return await this.page.evaluate(() => {
            const one = document.activeElement;
            return one.getAttribute('aria-label') || one.textContent.trim() || one.name || one.tagName;
        });
    }

    /** Tab until this has the focus. */
    async tabTo(target, most = 60) {
        for (let i = 0; i < most; i++) {
            if (await target.evaluate((one) => one === document.activeElement)) return;
            await this.press('Tab');
        }
        assert.fail(`${target} is not reached by ${most} times Tab`);
    }

    // The list of flows.

    row(id) {
        return this.page.locator(`[data-flow=${quoted(id)}]`).first();
    }

    chip(state) {
        return this.page.getByRole('group', { name: 'State' }).getByRole('button', { name: new RegExp(`^${state}`) });
    }

    get search() {
        return this.page.getByRole('searchbox', { name: 'Search flows' });
    }

    get sort() {
        return this.page.getByRole('combobox', { name: 'Sort by' });
    }

    tick(id) {
        return this.row(id).getByRole('checkbox');
    }

    async rowIs(id, state, within = 30_000) {
        await this.page.locator(`[data-flow=${quoted(id)}][data-state=${state}]`).first().waitFor({ timeout: within });
    }

    /** The ids that are shown now, in their order. */
    async shown() {
        return await this.page.locator('[data-flow]').evaluateAll((rows) => rows.map((row) => row.dataset.flow));
    }

    /** How many flows match, as the table says. */
    async matching() {
        const table = this.page.getByRole('table', { name: 'Flows' });
        return Number(await table.getAttribute('aria-rowcount'));
    }

    // One flow.

    async openFlow(id, tab) {
        await this.go(`/flow/${encodeURIComponent(id)}${tab ? `/${tab}` : ''}`);
        await this.page.getByRole('heading', { level: 1 }).filter({ hasNotText: /^Flows$/ }).waitFor();
    }

    get state() {
        return this.page.getByTestId('state');
    }

    /** How much of a drain is done, in percent; null while there is none. */
    async drained() {
        return await this.page.evaluate(() => {
            const bar = document.querySelector('[role=progressbar][aria-label=Drained], progress[aria-label=Drained]');
            return bar && Math.round(bar.hasAttribute('aria-valuenow') ? Number(bar.getAttribute('aria-valuenow')) : (100 * bar.value) / bar.max);
        });
    }

    get proof() {
        return this.page.getByTestId('proof');
    }

    get sums() {
        return this.page.getByTestId('sums');
    }

    /** What is shown of it below: held events, its audit and the like. */
    get panel() {
        return this.page.getByRole('region', { name: /^(Held|Audit|Discarded|Dead letters|JSON)$/ });
    }

    // Dialogs.

    get dialog() {
        return this.page.getByRole('dialog');
    }

    get preview() {
        return this.dialog.getByTestId('preview');
    }

    get confirm() {
        return this.dialog.getByTestId('confirm');
    }

    get command() {
        return this.dialog.getByTestId('cli');
    }

    field(role, name) {
        return this.dialog.getByRole(role, { name });
    }

    /** That an order is not to be had: its dialog says why not and cannot be confirmed. */
    async isBarred(name, why) {
        await this.button(name).filter({ visible: true }).first().click();
        await this.isNoChoice(name, why);
    }

    /** As above, of a dialog that opens; closes it. */
    async isNoChoice(what, why) {
        await this.dialog.waitFor();
        await says(this.dialog, why);
        for (const field of await this.dialog.getByRole('textbox', { name: /^Type/ }).all()) {
            const wanted = /^Type (.*) to confirm$/.exec((await field.getAttribute('aria-label')) ?? '');
            if (wanted) await field.fill(wanted[1]);
        }
        // Long enough for a preview, which might open it after all.
        await says(this.preview, /\S/);
        assert.ok(await this.confirm.isDisabled(), `${what} can be confirmed`);
        await this.page.keyboard.press('Escape');
        await this.dialog.waitFor({ state: 'hidden' });
    }

    /** Waits until the dialog may be confirmed, and confirms it. */
    async confirmed(within = 30_000) {
        await until('the dialog can be confirmed', async () => await this.confirm.isEnabled());
        await this.click(this.confirm);
        await this.dialog.waitFor({ state: 'hidden', timeout: within });
    }
}

/** A value in a selector. */
function quoted(text) {
    return `"${text.replaceAll(/[^A-Za-z0-9_-]/gu, (sign) => `\\${sign.codePointAt(0).toString(16)} `)}"`;
}

/** The first number in a text, written as English does. */
export function numberIn(text) {
    return Number(/[\d,]+/.exec(text)?.[0].replaceAll(',', ''));
}

export async function says(locator, pattern, within = 30_000) {
    const what = `${locator} says ${pattern}`;
    return await until(what, async () => {
        const text = await locator.innerText({ timeout: 1000 });
        if (pattern.test(text)) return text;
        throw new Error(text);
    }, within);
}
