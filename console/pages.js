// Lists that the gate reads from topics, page by page.
import {alarm, button, changed, counted, h, noPages, number, quiet, signs, state, time, why} from './parts.js'
import {ask} from './request.js'

/** On a page. */
const SOME = 100

/** What is under way in the gate goes on there, so nothing is cut off. @param {List} name */
async function more(name) {
	/** @type {Pages<any>} */
	const list = state[name], goal = list.items.length + SOME, run = ++list.run, isOld = () => state[name] !== list || list.run !== run
	Object.assign(list, {busy: true, problem: null})
	changed()
	try {
		do {
			const page = await ask(`${list.path}&limit=${goal - list.items.length}${list.next ? `&after=${list.next}` : ''}`), {total, next, missing, as_of} = page
			if (isOld()) return
			Object.assign(list, {items: list.items.concat(page.events ?? page.letters), scanned: Math.min(total, list.scanned + page.scanned), total, next, missing, as_of})
			changed()
		} while (list.next && list.items.length < goal)
	} catch (problem) {
		if (isOld()) return
		list.problem = problem
	}
	list.busy = false
	changed()
}

/** @param {List} name */
function stop(name) {
	state[name].run++
	state[name].busy = false
	changed()
}

/** @param {List} name @param {string} path ends with a parameter @param {boolean} [again] */
export function ensure(name, path, again) {
	if (state[name].path === path && !again) return
	state[name] = noPages(path)
	more(name)
}

/** @param {List} name @param {string} what @param {string} empty */
export function foot(name, what, empty) {
	const {items, busy, next, scanned, total, problem, path, as_of} = state[name]
	return [!items.length && !busy && !problem && h('p.empty', empty), !!problem && alarm(signs(why(problem))), h('div.foot',
		h('span', {'data-testid': 'looked', role: 'status'}, busy && !total ? 'Looking…' : `${counted(items.length, what)}${busy || next ? `, ${number(scanned)} of ${number(total)} looked at` : ', and no more'}`),
		busy ? [h('progress', {max: total || 1, value: scanned, label: 'Looked at'}), button('Stop', () => stop(name))] : [next && button('More', () => more(name)), button('Look again', () => ensure(name, path, true), {class: 'plain'})],
		as_of && quiet('as of ', time(as_of)))]
}
