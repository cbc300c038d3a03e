// Waiting: always for a condition, always with a bound.

import { setTimeout as later } from 'node:timers/promises';

/** Between two looks, in milliseconds. */
const LOOK = 20;

/**
 * Asks until the answer is neither false, null nor undefined, and gives it. What the asking throws counts as "not yet".
 *
 * @param {string} what is awaited, for the error
 * @param {() => unknown} ask
 * @param {number} within milliseconds
 */
export async function until(what, ask, within = 30_000) {
    const end = Date.now() + within;
    let last;
    for (;;) {
        try {
            last = await ask();
            if (last !== false && last !== null && last !== undefined) return last;
        } catch (error) {
            last = error;
        }
        if (Date.now() > end) {
            const seen = last instanceof Error ? last.message : JSON.stringify(last);
            throw new Error(`not within ${within} ms: ${what} (last seen: ${seen})`);
        }
        await later(LOOK);
    }
}
