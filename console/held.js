// What a flow holds, and what becomes of each event.
import {now} from './clock.js'
import {open} from './dialog.js'
import {content} from './json.js'
import {command} from './orders.js'
import {ensure, foot} from './pages.js'
import {alarm, box, button, copy, counted, field, form, h, isBlocked, number, quiet, save, select, set, span, state, time, toggle, told, unfold} from './parts.js'
import {ofFlow} from './request.js'

const FATES = {released: 'is delivered', replaced: 'a newer one takes its place', removed: 'is discarded'}

const sees = () => state.who?.role !== 'viewer'

/** @param {boolean} [again] */
export function load(again) {
	const {view, id, tab, query} = state.route, asked = Object.fromEntries([...query].filter(([name]) => ['record', 'where', 'from'].includes(name)))
	if (view === 'flow' && tab === 'held' && state.who && state.flows.get(id)?.queue.topic) ensure('held', ofFlow(id, '/queue', {...asked, values: String(sees())}), again)
}

/** @param {HeldEvent} event */
function item(event) {
	const {entry, source} = event, key = String(entry)
	return h('li.item', {key}, box('', state.ticked.has(key), () => toggle(state.ticked, key), `Tick entry ${key}`),
		unfold(key, [h('span.entry', number(entry)), h('span.kind', event.kind), h('span.record', told(event.record_id)), h('span.age', `held ${span(now() - Date.parse(event.held_at))}`), h('span', {class: event.fate ?? ''}, event.fate ? FATES[event.fate] : '?')],
			() => [content(event), h('p.quiet', 'held at ', time(event.held_at, true), ` · from ${source.topic} ${source.partition}/${source.offset} · ${number(event.bytes)} bytes${event.keep === 'all' ? ' · is never replaced' : ''}`)]))
}

/** At most what stood before the oldest. @param {Flow} flow @param {unknown} all */
export const lost = ({flow_id, held, queue}, all) => alarm(`⚠ Blocked: somebody has deleted ${all ? 'all that it holds' : 'what comes next'}. `, button('Accept the loss…', () => open('accept_loss', [flow_id], {most: `${Math.min(held.total, all ? 1e9 : state.held.items[0]?.entry - 1 - queue.watermark.entry || 1e9)}`})))

/** @param {Flow} flow */
export function view(flow) {
	const {flow_id: id, state: is, queue, held} = flow
	const {query} = state.route, {items, missing} = state.held, [at, text] = (query.get('where') ?? '').split(/=(.*)/s), disabled = !sees()
	const records = [...new Set(items.filter(event => state.ticked.has(String(event.entry))).map(event => event.record_id))], sample = {mode: 'records', records: records.join('\n')}, off = !records.length
	if (!queue.topic || !held.total) return h('p.empty', 'It holds nothing. While it is paused, what arrives comes here.')
	return [form(({record, at, text, from}) => {set({record, where: at && `${at}=${text}`, from}); load(true);},
			field('Record', {name: 'record', value: query.get('record')}), field('Field', {name: 'at', value: at, placeholder: '/coupon', disabled}), field('has the text', {name: 'text', value: text, disabled}),
			select('Order', query.get('from') ?? '', [['', 'oldest first'], ['newest', 'newest first']], {name: 'from'}), h('button', 'Look')),
		missing && !isBlocked(flow) && lost(flow, missing === 'topic'),
		h('div.filters', button('Release ticked…', () => open('sample', [id], sample), {disabled: off || is !== 'paused'}), button('Copy as command', () => copy(command('sample', [id], sample)), {disabled: off}),
			button('Export', () => save(`${id}-held.jsonl`, items), {disabled: !items.length}), quiet(off ? '' : `${counted(records.length, 'record')} ticked`)),
		h('ul', {label: 'Held events'}, items.map(item)), foot('held', 'event', 'Nothing held is like that.')]
}
