// A real browser, and what no page may do in it.

import { join } from 'node:path';
import { AXE, playwright, SCREENSHOTS } from './tools.js';

/** Whoever runs as root has no sandbox, and nothing of the network is asked. */
const ARGUMENTS = [
    ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
    ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

export async function openBrowser() {
    const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
    return await playwright.chromium.launch({ executablePath, args: ARGUMENTS });
}

/**
 * A browser of somebody: cookies and storage of their own.
 *
 * @param {{width?: number, height?: number, dark?: boolean, touch?: boolean, calm?: boolean, zone?: string}} look
 */
export async function openContext(browser, { width = 1280, height = 800, dark = false, touch = false, calm = false, zone = 'Europe/Berlin' } = {}) {
    const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: dark ? 'dark' : 'light',
        reducedMotion: calm ? 'reduce' : 'no-preference',
        hasTouch: touch,
        isMobile: touch,
        locale: 'en-GB',
        timezoneId: zone,
        permissions: ['clipboard-read', 'clipboard-write'],
    });
    // A bound for what does not happen: on a machine that is busy a page may take long.
    context.setDefaultTimeout(30_000);
    return context;
}

/**
 * A page with a watch on it: [`Guarded.isClean`] fails if it has asked another origin for anything, broken its policy, thrown, or
 * written an error to the console.
 */
export async function openPage(context, url) {
    const page = await context.newPage();
    const guard = new Guard(page, new URL(url).origin);
    await guard.begin();
    await page.goto(url);
    page.guard = guard;
    return page;
}

/** What a page does that it must not, and what it has ordered. */
class Guard {
    constructor(page, origin) {
        Object.assign(this, { page, origin, faults: [], expected: [WAIT], orders: [] });
    }

    async begin() {
        const { page } = this;
        page.on('request', (request) => {
            const { origin, protocol } = new URL(request.url());
            if (protocol !== 'data:' && protocol !== 'blob:' && origin !== this.origin) this.faults.push(`asked ${request.url()}`);
        });
        page.on('requestfinished', async (request) => {
            if (request.method() !== 'POST') return;
            const answer = await request.response();
            const text = await answer.text().catch(() => '');
            this.orders.push(`${new URL(request.url()).pathname} ${request.postData()} -> ${answer.status()} ${text}`.slice(0, 600));
        });
        page.on('pageerror', (error) => this.faults.push(`threw ${error.stack ?? error}`));
        page.on('console', (message) => {
            if (message.type() === 'error') this.faults.push(`wrote ${message.text()} (${message.location().url})`);
        });
        page.on('dialog', (dialog) => {
            this.faults.push(`showed a dialog of the browser: ${dialog.message()}`);
            dialog.dismiss();
        });
        await page.exposeFunction('reportToTest', (text) => this.faults.push(text));
        await page.addInitScript(() => {
            document.addEventListener('securitypolicyviolation', (event) => {
                window.reportToTest(`broke the policy ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
            });
        });
    }

    /** What a browser itself writes about requests that fail is no fault where the test makes them fail. */
    expect(...patterns) {
        this.expected.push(...patterns);
    }

    isClean() {
        const faults = this.faults.filter((fault) => !this.expected.some((pattern) => pattern.test(fault)));
        if (faults.length > 0) throw new Error(`the page ${faults.slice(0, 10).join('\nthe page ')}`);
    }
}

/**
 * A caller has two answers under way at a time for which topics are read. Tests go from view to view faster than people do, on slow
 * machines too, so they may be told to wait; the scene 'looked at in peace' sees that a page alone is not.
 */
const WAIT = /status of 429/;

/** What a browser writes by itself when a request fails. */
export const LOST = /wrote Failed to load resource: net::/;
export const REFUSED = /wrote Failed to load resource: the server responded with a status of/;

/** Rules of WCAG 2.2 A and AA and what axe holds for good practice: none may be broken. */
export async function accessible(page, what) {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const told = violations.map(({ id, help, nodes }) => {
        const places = nodes.slice(0, 5).map((node) => `    ${node.html.slice(0, 300)}\n      ${node.failureSummary.replaceAll('\n', ' ')}`);
        return `  ${id}: ${help}\n${places.join('\n')}`;
    });
    if (told.length > 0) throw new Error(`${what}: axe finds\n${told.join('\n')}`);
}

export async function picture(page, name) {
    await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** Nothing is wider than the screen, and what is to be touched is large enough. */
export async function fits(page, what) {
    const found = await page.evaluate(() => {
        const faults = [];
        const { scrollWidth, clientWidth } = document.documentElement;
        if (scrollWidth > clientWidth) {
            const wide = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > clientWidth + 0.5);
            const names = wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 160));
            faults.push(`it is ${scrollWidth} px wide on a screen of ${clientWidth}: ${names.join(' | ')}`);
        }
        const modal = document.querySelector('dialog:modal');
        const targets = 'button, a[href], input, select, textarea, summary, [role=button], [role=tab], [role=checkbox]';
        for (const one of (modal ?? document).querySelectorAll(targets)) {
            if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
            // What carries a label is touched by that too.
            const boxes = [one, ...(one.labels ?? [])].map((part) => part.getBoundingClientRect());
            const [width, height] = ['width', 'height'].map((side) => Math.max(...boxes.map((box) => box[side])));
            // A tree that unfolds is text: there its lines are as near as WCAG lets them be.
            const least = one.matches('details details > summary, [aria-label=JSON] summary') ? 23.5 : 43.5;
            if (width === 0 || (width >= 43.5 && height >= least)) continue;
            faults.push(`${Math.round(width)} x ${Math.round(height)} px: ${one.outerHTML.slice(0, 160)}`);
        }
        return faults;
    });
    if (found.length > 0) throw new Error(`${what}, on ${page.viewportSize().width} px:\n  ${found.slice(0, 20).join('\n  ')}`);
}
