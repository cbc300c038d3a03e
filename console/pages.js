// Lists that the gate reads from topics, page by page.
import {alarm, button, counted, h, number, quiet, signs, time, why} from './parts.js';
import {ask} from './request.js';
import {changed, noPages, state} from './store.js';

/** On a page. */
const SOME = 100;

/** Looks on until there are some more. @param {List} name */
async function more(name) {
	/** @type {Pages<any>} */
	const list = state[name], goal = list.items.length + SOME, {signal} = (list.stop = new AbortController());
	Object.assign(list, {busy: true, problem: null});
	changed();
	try {
		do {
			const page = await ask(`${list.path}&limit=${goal - list.items.length}${list.next ? `&after=${list.next}` : ''}`, {signal}), {total, next, missing, as_of} = page;
			if (state[name] !== list) return;
			Object.assign(list, {items: list.items.concat(page.events ?? page.letters), scanned: Math.min(total, list.scanned + page.scanned), total, next, missing, as_of});
			changed();
		} while (list.next && list.items.length < goal);
	} catch (problem) {
		if (!signal.aborted) list.problem = problem;
	}
	list.busy = false;
	changed();
}

/** @param {List} name @param {string} path ends with a parameter @param {boolean} [again] */
export function ensure(name, path, again) {
	if (state[name].path === path && !again) return;
	state[name].stop?.abort();
	state[name] = noPages(path);
	more(name);
}

/** @param {List} name @param {string} what @param {string} empty */
export function foot(name, what, empty) {
	const {items, busy, next, scanned, total, problem, path, as_of, stop} = state[name];
	return [!items.length && !busy && !problem && h('p.empty', empty), !!problem && alarm(signs(why(problem))), h('div.foot',
		h('span', {'data-testid': 'looked', role: 'status'}, `${counted(items.length, what)}${busy || next ? `, ${number(scanned)} of ${number(total)} looked at` : ', and no more'}`),
		busy ? [h('progress', {max: total || 1, value: scanned, label: 'Looked at'}), button('Stop', () => stop?.abort())] : [next && button('More', () => more(name)), button('Look again', () => ensure(name, path, true), {class: 'plain'})],
		as_of && quiet('as of ', time(as_of)))];
}
