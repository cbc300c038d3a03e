// Documents that can be folded, bytes, and how a text was changed.
import {counted, h, quiet, signs} from './parts.js'

/** A long number has digits that one of JavaScript has not: its text is kept, as an object, which no text is. @type {(key: string, value: any, context?: { source?: string }) => any} */
const exact = (_, value, context) => (typeof value === 'number' && context?.source ? new String(context.source) : value)

/** @param {any} value @param {unknown} [name] @returns {unknown} */
export function fold(value, name) {
	if (value instanceof String) return h('div.leaf', name, `${value}`)
	if (typeof value !== 'object' || !value) return h('div.leaf', name, h('bdi', {dir: 'auto', class: typeof value}, signs(JSON.stringify(value))))
	const entries = Object.entries(value)
	return h('details.fold', {open: true}, h('summary', name, quiet(counted(entries.length, Array.isArray(value) ? 'item' : 'field'))), entries.map(([key, item]) => fold(item, [h('span.key', signs(key)), ': '])))
}

/** @param {Bytes | null} bytes */
function shown(bytes) {
	if (bytes?.encoding !== 'utf-8') return [quiet(bytes ? 'No UTF-8; as base64:' : 'no value'), h('pre', bytes?.data)]
	try {
		return fold(JSON.parse(bytes.data, /** @type {any} */ (exact)))
	} catch {
		return h('pre', {dir: 'auto'}, signs(bytes.data))
	}
}

/** @param {Content} content */
export const content = ({value, key, headers = []}) => value === undefined ? quiet('To see it takes the role operator.')
	: h('div', shown(value), h('p.quiet', `key ${signs(key?.data ?? 'none')}`, headers.map(({name, value}) => ` · ${signs(name.data)}: ${signs(value?.data ?? 'none')}`)))

/** @param {string} before @param {string} after */
export function difference(before, after) {
	const [old, now] = [before, after].map(text => text.match(/[\p{L}\p{N}_]+|[^]/gu) ?? []), most = Math.min(old.length, now.length)
	let first = 0, last = 0
	while (first < most && old[first] === now[first]) first++
	while (last < most - first && old.at(-1 - last) === now.at(-1 - last)) last++
	const cut = (/** @type {string[]} */ words, from = first, to = words.length - last) => signs(words.slice(from, to).join(''))
	return h('pre.difference', {dir: 'auto', label: 'Difference'}, cut(old, 0, first), h('del', cut(old)), h('ins', cut(now)), cut(old, old.length - last, old.length))
}
